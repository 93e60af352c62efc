package server

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
)

// What the views of the console show, as JSON. Numbers of transactions and epochs are texts, since JavaScript rounds large integers. Times are
// milliseconds since 1970, durations milliseconds, both with fractions. All lists are bounded: a console shows the first of many, and says
// how many there are.

// Bounds of what a view shows.
const (
	shownLocks        = 60
	shownClaims       = 12 // of a lock, of those who hold it and of those who wait
	shownTransactions = 100
	shownParts        = 20
	shownSagas        = 200
	shownSteps        = 20
	shownDeadlocks    = 100
	shownTimers       = 50
	shownText         = 300 // bytes of a failure's text
)

func (s *Server) liveViews() map[string]liveLook {
	views := map[string]liveLook{
		"graph": s.showGraph, "deadlocks": s.showDeadlocks, "transactions": s.showTransactions, "sagas": s.showSagas, "locks": s.showLocks,
		"epochs": s.showEpochs, "metrics": s.showMetrics,
	}
	if s.options.Compare != nil {
		views["compare"] = s.showComparison
	}
	maps.Copy(views, s.options.views)
	return views
}

// millis is a time for the console; 0 for none.
func millis(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1000
}

func inMillis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

type shownAddress struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

func showAddress(a functions.Address) shownAddress { return shownAddress{a.Type, a.ID} }

type shownGraph struct {
	At    float64     `json:"at"`
	Locks []shownLock `json:"locks"` // those that somebody waits for, most waiters first
	More  int         `json:"more"`  // further ones
	Waits int         `json:"waits"` // how many wait, in all
}

type shownLock struct {
	Address     shownAddress `json:"address"`
	Holders     []shownClaim `json:"holders"`
	HolderCount int          `json:"holderCount"`
	Waiters     []shownClaim `json:"waiters"`
	WaiterCount int          `json:"waiterCount"`
}

type shownClaim struct {
	Owner     string  `json:"owner"`
	Attempt   uint32  `json:"attempt"`
	Function  string  `json:"function"`
	Operation string  `json:"operation"`
	RequestID string  `json:"request"`
	Mode      string  `json:"mode"`
	Since     float64 `json:"since"`
	Chained   bool    `json:"chained,omitempty"` // it waits here, and somebody waits for what it holds
}

// showGraph shows who waits for whom.
func (s *Server) showGraph(ctx context.Context) (any, error) {
	all, err := s.engine.Locks(ctx)
	if err != nil {
		return nil, err
	}
	return graphOf(all), nil
}

// graphOf is the graph of some locks.
func graphOf(all []engine.LockInfo) shownGraph {
	waited := slices.DeleteFunc(all, func(l engine.LockInfo) bool { return l.WaiterCount == 0 })
	g := shownGraph{At: millis(time.Now()), Locks: []shownLock{}}
	holding := map[uint64]bool{}
	for i := range waited {
		g.Waits += waited[i].WaiterCount
		for _, h := range waited[i].Holders {
			holding[h.Owner] = true
		}
	}
	for i := range waited[:min(len(waited), shownLocks)] {
		g.Locks = append(g.Locks, showLock(&waited[i], holding))
	}
	g.More = len(waited) - len(g.Locks)
	return g
}

// showLock shows a lock. Of its waiters those come first that are on a chain: they hold something that somebody waits for.
func showLock(l *engine.LockInfo, holding map[uint64]bool) shownLock {
	waiters := slices.Clone(l.Waiters)
	slices.SortStableFunc(waiters, func(a, b engine.LockClaim) int { return cmp.Compare(chained(b, holding), chained(a, holding)) })
	return shownLock{
		showAddress(l.Address), showClaims(l.Holders, holding), l.HolderCount, showClaims(waiters, holding), l.WaiterCount,
	}
}

func chained(c engine.LockClaim, holding map[uint64]bool) int {
	if holding[c.Owner] {
		return 1
	}
	return 0
}

func showClaims(all []engine.LockClaim, holding map[uint64]bool) []shownClaim {
	shown := []shownClaim{}
	for _, c := range all[:min(len(all), shownClaims)] {
		shown = append(shown, shownClaim{
			fmt.Sprint(c.Owner), c.Attempt, c.Function, c.Operation, c.RequestID, c.Mode.String(), millis(c.Since), holding[c.Owner],
		})
	}
	return shown
}

type shownDeadlock struct {
	At     float64     `json:"at"`
	Closed float64     `json:"closed"`
	Epoch  string      `json:"epoch"`
	Victim string      `json:"victim"`
	Waits  []shownWait `json:"waits"`
}

type shownWait struct {
	Transaction string       `json:"transaction"`
	Attempt     uint32       `json:"attempt"`
	Function    string       `json:"function"`
	RequestID   string       `json:"request"`
	Since       float64      `json:"since"`
	For         shownAddress `json:"for"`
	Mode        string       `json:"mode"`
	BlockedBy   string       `json:"blockedBy"`
	Holds       bool         `json:"holds"`
}

// showDeadlocks shows the last deadlocks, the newest first, and how many there were in all.
func (s *Server) showDeadlocks(context.Context) (any, error) {
	shown := struct {
		Count     uint64          `json:"count"`
		Deadlocks []shownDeadlock `json:"deadlocks"`
	}{s.engine.Stats().Deadlocks, []shownDeadlock{}}
	all := s.engine.Deadlocks()
	for _, d := range slices.Backward(all[max(0, len(all)-shownDeadlocks):]) {
		one := shownDeadlock{At: millis(d.At), Closed: millis(d.Closed), Epoch: fmt.Sprint(d.Epoch), Victim: fmt.Sprint(d.Victim)}
		for _, w := range d.Waits {
			one.Waits = append(one.Waits, shownWait{
				fmt.Sprint(w.Transaction), w.Attempt, w.Function, w.RequestID, millis(w.Since), showAddress(w.For), w.Mode, fmt.Sprint(w.BlockedBy), w.Holds,
			})
		}
		shown.Deadlocks = append(shown.Deadlocks, one)
	}
	return shown, nil
}

type shownTransaction struct {
	ID        string      `json:"id"`
	Function  string      `json:"function"`
	RequestID string      `json:"request"`
	Attempt   uint32      `json:"attempt"`
	Doomed    bool        `json:"doomed"`
	Began     float64     `json:"began"`
	Parts     []shownPart `json:"parts"`
	PartCount int         `json:"partCount"`
}

type shownPart struct {
	Address shownAddress `json:"address"`
	Mode    string       `json:"mode"`
}

type shownTrace struct {
	ID        string        `json:"id"`
	Function  string        `json:"function"`
	RequestID string        `json:"request"`
	Began     float64       `json:"began"`
	Attempts  uint32        `json:"attempts"`
	Calls     []shownTraced `json:"calls"`
	CallCount int           `json:"callCount"`
	Committed bool          `json:"committed"`
	Failure   string        `json:"failure"`
	Decided   float64       `json:"decided"`
	Epoch     string        `json:"epoch"`
	Sealed    float64       `json:"sealed"`
	Waited    float64       `json:"waited"` // by all its calls together
}

type shownTraced struct {
	Attempt   uint32       `json:"attempt"`
	Address   shownAddress `json:"address"`
	Operation string       `json:"operation"`
	Mode      string       `json:"mode"`
	Sent      float64      `json:"sent"`
	WaitBegan float64      `json:"waitBegan"`
	WaitEnded float64      `json:"waitEnded"`
	Back      float64      `json:"back"`
	Vote      string       `json:"vote"`
	Failure   string       `json:"failure"`
}

// showTransactions shows those that are under way, and the courses of some that are over.
func (s *Server) showTransactions(ctx context.Context) (any, error) {
	all, err := s.engine.Transactions(ctx)
	if err != nil {
		return nil, err
	}
	shown := struct {
		Running []shownTransaction `json:"running"`
		Count   int                `json:"count"`
		Traces  []shownTrace       `json:"traces"` // the newest first
	}{[]shownTransaction{}, len(all), []shownTrace{}}
	for i := range all[:min(len(all), shownTransactions)] {
		shown.Running = append(shown.Running, showTransaction(&all[i]))
	}
	eventful, plain := s.engine.Traces()
	traces := append(eventful, plain...)
	slices.SortFunc(traces, func(a, b engine.Trace) int { return cmp.Or(b.Began.Compare(a.Began), cmp.Compare(b.ID, a.ID)) })
	for i := range traces {
		shown.Traces = append(shown.Traces, showTrace(&traces[i]))
	}
	return shown, nil
}

func showTransaction(t *engine.TransactionInfo) shownTransaction {
	shown := shownTransaction{
		ID: fmt.Sprint(t.ID), Function: t.Function, RequestID: t.RequestID, Attempt: t.Attempt, Doomed: t.Doomed, Began: millis(t.Began),
		Parts: []shownPart{}, PartCount: t.PartCount,
	}
	for _, p := range t.Parts[:min(len(t.Parts), shownParts)] {
		shown.Parts = append(shown.Parts, shownPart{showAddress(p.Address), p.Mode.String()})
	}
	return shown
}

func showTrace(t *engine.Trace) shownTrace {
	shown := shownTrace{
		ID: fmt.Sprint(t.ID), Function: t.Function, RequestID: t.RequestID, Began: millis(t.Began), Attempts: t.Attempts, Calls: []shownTraced{},
		CallCount: t.CallCount, Committed: t.Committed, Failure: shortened(t.Failure, shownText), Decided: inMillis(t.Decided),
		Epoch: fmt.Sprint(t.Epoch), Sealed: inMillis(t.Sealed),
	}
	for i := range t.Calls {
		c := &t.Calls[i]
		shown.Waited += inMillis(c.WaitEnded - c.WaitBegan)
		shown.Calls = append(shown.Calls, shownTraced{
			c.Attempt, showAddress(c.Address), c.Operation, c.Mode.String(), inMillis(c.Sent), inMillis(c.WaitBegan), inMillis(c.WaitEnded),
			inMillis(c.Back), c.Vote, shortened(c.Failure, shownText),
		})
	}
	return shown
}

type shownSaga struct {
	ID        string      `json:"id"`
	Function  string      `json:"function"`
	RequestID string      `json:"request"`
	Phase     string      `json:"phase"`
	Failure   string      `json:"failure"`
	Steps     []shownStep `json:"steps"`
	FirstStep int         `json:"firstStep"`
	StepCount int         `json:"stepCount"`
}

type shownStep struct {
	Call   string `json:"call"`
	Undo   string `json:"undo"`
	State  string `json:"state"`
	Undone string `json:"undone"`
	Tries  int    `json:"tries"`
	Error  string `json:"error"`
}

// showSagas shows sagas, the stuck ones first, and how many there are.
func (s *Server) showSagas(ctx context.Context) (any, error) {
	some, phases, err := s.engine.SomeSagas(ctx, shownSagas)
	if err != nil {
		return nil, err
	}
	shown := struct {
		Phases map[string]int `json:"phases"`
		Sagas  []shownSaga    `json:"sagas"`
	}{phases, []shownSaga{}}
	for i := range some {
		shown.Sagas = append(shown.Sagas, showSaga(&some[i]))
	}
	return shown, nil
}

func showSaga(g *engine.SagaInfo) shownSaga {
	dropped := max(0, len(g.Steps)-shownSteps)
	shown := shownSaga{
		ID: fmt.Sprint(g.ID), Function: g.Function, RequestID: g.RequestID, Phase: g.Phase, Failure: textOf(g.Failure), Steps: []shownStep{},
		FirstStep: g.FirstStep + dropped, StepCount: g.StepCount,
	}
	for i := dropped; i < len(g.Steps); i++ {
		step := &g.Steps[i]
		shown.Steps = append(shown.Steps, shownStep{step.Call, step.Undo, step.State, undoState(step), step.Tries, textOf(step.Err)})
	}
	return shown
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return shortened(err.Error(), shownText)
}

type shownHot struct {
	Address shownAddress `json:"address"`
	Waits   uint64       `json:"waits"`
	Waited  float64      `json:"waited"`
	Longest float64      `json:"longest"`
}

type shownTimer struct {
	Due     float64      `json:"due"`
	From    shownAddress `json:"from"`
	Message string       `json:"message"`
}

// showLocks shows which instances are waited for most, the locks that are held, and timers.
func (s *Server) showLocks(ctx context.Context) (any, error) {
	hot, err := s.engine.HotInstances(ctx)
	if err != nil {
		return nil, err
	}
	held, err := s.engine.Locks(ctx)
	if err != nil {
		return nil, err
	}
	timers, err := s.engine.Timers(ctx)
	if err != nil {
		return nil, err
	}
	shown := struct {
		At         float64      `json:"at"`
		Hot        []shownHot   `json:"hot"`
		Locks      []shownLock  `json:"locks"`
		LockCount  int          `json:"lockCount"`
		Timers     []shownTimer `json:"timers"`
		TimerCount int64        `json:"timerCount"`
	}{millis(time.Now()), []shownHot{}, []shownLock{}, len(held), []shownTimer{}, s.engine.Measures().Timers}
	for _, h := range hot {
		shown.Hot = append(shown.Hot, shownHot{showAddress(h.Address), h.Waits, inMillis(h.Waited), inMillis(h.Longest)})
	}
	for i := range held[:min(len(held), shownLocks)] {
		shown.Locks = append(shown.Locks, showLock(&held[i], nil))
	}
	for _, t := range timers[:min(len(timers), shownTimers)] {
		shown.Timers = append(shown.Timers, shownTimer{millis(t.Due), showAddress(t.From), t.Message})
	}
	return shown, nil
}

type shownEpoch struct {
	Number   string  `json:"number"`
	Sealed   float64 `json:"sealed"`
	Took     float64 `json:"took"`
	Rows     int     `json:"rows"`
	Bytes    int     `json:"bytes"`
	Outcomes int     `json:"outcomes"`
	Forced   bool    `json:"forced"`
}

// showEpochs shows the last epochs, the oldest first.
func (s *Server) showEpochs(context.Context) (any, error) {
	shown := struct {
		Count   uint64       `json:"count"`
		Overlay int64        `json:"overlay"`
		Epochs  []shownEpoch `json:"epochs"`
	}{s.engine.Stats().Epochs, s.engine.Measures().OverlayBytes, []shownEpoch{}}
	for _, e := range s.engine.Epochs() {
		shown.Epochs = append(shown.Epochs, shownEpoch{
			fmt.Sprint(e.Number), millis(e.Sealed), inMillis(e.Took), e.Rows, e.Bytes, e.Outcomes, e.Forced,
		})
	}
	return shown, nil
}

type shownFunction struct {
	Name        string            `json:"name"`
	Coordinator bool              `json:"coordinator"`
	Counts      []uint64          `json:"counts"` // by bound
	Sum         float64           `json:"sum"`
	Failures    map[string]uint64 `json:"failures"`
	Unknown     uint64            `json:"unknown"`
}

// showMetrics shows what was counted. A console has two of these to tell how much there is in a second.
func (s *Server) showMetrics(context.Context) (any, error) {
	m, st := s.engine.Measures(), s.engine.Stats()
	shown := struct {
		At        float64            `json:"at"`
		Bounds    []float64          `json:"bounds"`
		Functions []shownFunction    `json:"functions"` // those that were asked for at all
		Seals     []uint64           `json:"seals"`     // by bound
		Counts    map[string]uint64  `json:"counts"`
		Gauges    map[string]int64   `json:"gauges"`
		LockWait  map[string]float64 `json:"lockWait"`
	}{
		At: millis(time.Now()), Bounds: durationBounds(), Functions: []shownFunction{}, Seals: m.Seals.Counts[:],
		Counts: map[string]uint64{
			"deadlocks": st.Deadlocks, "retries": st.Retries, "epochs": st.Epochs, "carried": st.Carried, "parked": st.Parked, "dropped": st.Dropped,
			"slow": st.Slow, "sealedBytes": m.SealedBytes,
		},
		Gauges: map[string]int64{
			"inFlight": m.InFlight, "messages": m.Messages, "timers": m.Timers, "runs": m.Runs, "journals": m.JournalBytes, "overlay": m.OverlayBytes,
		},
		LockWait: map[string]float64{"count": float64(st.LockWaits), "time": inMillis(st.LockWaitTime)},
	}
	for i := range m.Functions {
		f := &m.Functions[i]
		if !slices.ContainsFunc(f.Took.Counts[:], func(n uint64) bool { return n > 0 }) && f.Unknown == 0 {
			continue
		}
		shown.Functions = append(shown.Functions, shownFunction{
			f.Name, f.Coordinator, f.Took.Counts[:], inMillis(f.Took.Sum), maps.Clone(f.Failures), f.Unknown,
		})
	}
	return shown, nil
}

func durationBounds() (all []float64) {
	for i := range len(engine.DurationCounts{}) {
		all = append(all, inMillis(engine.DurationBound(i)))
	}
	return all
}

type shownSide struct {
	Name      string  `json:"name"`
	About     string  `json:"about"`
	PerSecond float64 `json:"perSecond"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	Committed uint64  `json:"committed"`
	Failed    uint64  `json:"failed"`
	Retried   uint64  `json:"retried"`
	Looks     uint64  `json:"looks"`
	HalfDone  uint64  `json:"halfDone"`
	Sum       string  `json:"sum"`
	Expect    string  `json:"expect"`
}

// showComparison shows what the program compares.
func (s *Server) showComparison(ctx context.Context) (any, error) {
	c, err := s.compare(ctx)
	if err != nil {
		return nil, err
	}
	shown := struct {
		Load    string      `json:"load"`
		Running bool        `json:"running"`
		Sides   []shownSide `json:"sides"`
	}{c.Load, c.Running, []shownSide{}}
	for _, d := range c.Sides[:min(len(c.Sides), maxSides)] {
		shown.Sides = append(shown.Sides, shownSide{
			d.Name, d.About, d.PerSecond, inMillis(d.P50), inMillis(d.P99), d.Committed, d.Failed, d.Retried, d.Looks, d.HalfDone,
			fmt.Sprint(d.Sum), fmt.Sprint(d.Expect),
		})
	}
	return shown, nil
}

// compare asks the program, whose code may panic.
func (s *Server) compare(ctx context.Context) (c Comparison, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.options.Logger.Error("Options.Compare panicked", "panic", p)
			err = fmt.Errorf("Options.Compare panicked: %v", p)
		}
	}()
	return s.options.Compare(ctx)
}
