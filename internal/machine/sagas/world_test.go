package sagas_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/saga"
)

// world is a few accounts, one saga, and a clock. It does what an engine does, without disk and threads. What an event changes, in
// the accounts and in the journal, is written at once and together, and a crash goes back to what was written.
type world struct {
	disk   disk
	writes []disk // after each event

	machine *sagas.Coordinator
	routine *routines.Routine
	script  *script
	tries   int
	unknown map[string]bool // operations that this program does not know
	now     time.Duration
	pending []sagas.Action // what the saga asked for and has no answer yet
	trace   strings.Builder
}

// disk is what outlives a crash.
type disk struct {
	accounts map[string]instances.Image
	done     map[string]int // how often each step and each compensation succeeded, e.g. "2" and "undo 2"
	faults   map[string]int // how often a call is still to fail, e.g. "credit b"
	order    []string       // the keys of done, in order of time
	emitted  []string
	head     []byte   // of the journal
	entries  [][]byte // and its entries; these are not written in place
	effects  [][]byte // and its effects
}

func (d disk) clone() disk {
	return disk{maps.Clone(d.accounts), maps.Clone(d.done), maps.Clone(d.faults), slices.Clone(d.order), slices.Clone(d.emitted), d.head, slices.Clone(d.entries), d.effects}
}

// journal reads the journal from its rows.
func (d disk) journal(r instances.Resolver) (sagas.Journal, error) {
	var reader sagas.Reader
	if d.head != nil {
		if err := reader.Head(d.head); err != nil {
			return sagas.Journal{}, err
		}
	}
	for _, e := range d.entries {
		if err := reader.Entry(e); err != nil {
			return sagas.Journal{}, err
		}
	}
	for _, e := range d.effects {
		if err := reader.Effects(e); err != nil {
			return sagas.Journal{}, err
		}
	}
	return reader.Journal(r)
}

func newWorld(tries int) *world {
	w := &world{tries: tries, unknown: map[string]bool{}}
	w.disk = disk{accounts: map[string]instances.Image{}, done: map[string]int{}, faults: map[string]int{}}
	return w
}

func (w *world) set(id string, n int64) {
	data, err := values.Encode(account{n})
	if err != nil {
		panic(err)
	}
	w.disk.accounts[id] = instances.Stored(data, false)
}

func (w *world) tell(format string, args ...any) { fmt.Fprintf(&w.trace, format+"\n", args...) }

// Operation implements instances.Resolver.
func (w *world) Operation(_, name string) (*instances.Operation, bool) {
	for _, op := range accounts.Definition().(*instances.Type).Operations() {
		if op.Name == name && !w.unknown[name] {
			return op, true
		}
	}
	return nil, false
}

// begin starts a saga, or goes on with one from its journal.
func (w *world) begin(body []string, j sagas.Journal) {
	w.script = &script{lines: body, log: func(text string) { w.tell("  %s", text) }}
	w.machine, w.routine = new(sagas.Coordinator), routines.NewRoutine()
	w.machine.Init(j, w.tries)
	w.act(w.machine.Begin(nil))
}

// act carries out actions, and writes.
func (w *world) act(acts []sagas.Action) {
	for i := 0; i < len(acts); i++ {
		switch a := acts[i]; a.Kind {
		case sagas.ActRun:
			w.tell("  run")
			body := saga.New("script", func(r *saga.Run, _ int) error { return w.script.run(r) })
			w.routine.Begin(body.Definition().(*routines.Function), []byte{0}, 1)
			acts = w.resume(acts)
		case sagas.ActResume:
			acts = w.resume(acts)
		case sagas.ActStop:
			w.tell("  stop")
			w.routine.Stop()
			acts = w.machine.Stopped(w.routine.OnFailure, acts)
		case sagas.ActReport:
			_, err := w.machine.Outcome()
			w.tell("  stuck: %v", err)
		case sagas.ActFinish:
			w.finish()
		default:
			w.tell("  %s", w.describe(a))
			w.pending = append(w.pending, a)
		}
	}
	w.write()
}

func (w *world) resume(acts []sagas.Action) []sagas.Action {
	if !w.routine.Resume() {
		acts = w.machine.Issue(w.routine.Issued(), w.clock(), acts)
		if difference := w.machine.TakeDifference(); difference != "" {
			w.tell("  differs: %s", difference)
		}
		return acts
	}
	w.tell("  the body returns %v", w.routine.Err)
	return w.machine.Returned(w.routine.Result, w.routine.Err, w.routine.OnSuccess, w.routine.OnFailure, acts)
}

func (w *world) finish() {
	w.machine.Finished()
	_, err := w.machine.Outcome()
	w.tell("  %v: %v", w.machine.Phase, err)
	var emits []format.Emitted
	if w.machine.Effects != nil {
		emits = w.machine.Effects.Emits
	}
	for _, e := range emits {
		var n int64
		_ = codec.Decode(e.Value, &n)
		w.tell("  emits %s=%d", e.Key, n)
		w.disk.emitted = append(w.disk.emitted, fmt.Sprintf("%s=%d", e.Key, n))
	}
	w.routine.Close()
}

func (w *world) clock() time.Time { return time.Unix(0, 0).Add(w.now) }

// write makes what has happened last: the rows of the journal that changed. They must be all that differ.
func (w *world) write() {
	head, entries := w.machine.TakeChanges()
	if head {
		w.disk.head = must(w.machine.MarshalHead())
	}
	if w.machine.TakeEffects() {
		w.disk.effects = nil
		for _, row := range sagas.EffectsRows(w.machine.Effects) {
			w.disk.effects = append(w.disk.effects, must(codec.Encode(row)))
		}
	}
	for _, i := range entries {
		if i >= len(w.disk.entries) {
			w.disk.entries = append(w.disk.entries, make([][]byte, i+1-len(w.disk.entries))...)
		}
		w.disk.entries[i] = must(w.machine.Entries[i].Marshal())
	}
	w.writes = append(w.writes, w.disk.clone())
	if w.machine.Phase == sagas.Done {
		return // its effects have happened, and are in no row
	}
	j := must(w.disk.journal(w))
	if got, want := must(j.Marshal()), must(w.machine.Marshal()); !bytes.Equal(got, want) {
		panic(fmt.Sprintf("the rows hold %x, the journal is %x", got, want))
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// crash drops all that is not written, and goes on from what was written after the n-th event; the body may be another.
func (w *world) crash(n int, body []string) error {
	w.routine.Close()
	w.disk, w.writes, w.pending = w.writes[n].clone(), w.writes[:n], nil
	j, err := w.disk.journal(w)
	if err != nil {
		return err
	}
	w.begin(body, j)
	return nil
}

func (w *world) describe(a sagas.Action) string {
	switch a.Kind {
	case sagas.ActSleep:
		return fmt.Sprintf("%d: sleep until %v", a.Entry+1, time.Duration(a.Due))
	case sagas.ActBackOff:
		return fmt.Sprintf("back off until %v", time.Duration(a.Due))
	}
	return fmt.Sprintf("%d: %v %s", a.Entry+1, a.Kind, show(w.envelope(a)))
}

func (w *world) envelope(a sagas.Action) instances.Envelope {
	if a.Kind == sagas.ActUndo {
		return w.machine.Entries[a.Entry].Step.Undo
	}
	return w.machine.Entries[a.Entry].Step.Call
}

func show(env instances.Envelope) string {
	text := env.Op.Name + " " + env.ID
	var n int64
	if codec.Decode(env.Encoded(), &n) == nil {
		text += fmt.Sprint(" ", n)
	}
	return text
}

// answer answers the i-th of what is pending.
func (w *world) answer(i int) {
	a := w.pending[i]
	w.pending = slices.Delete(w.pending, i, i+1)
	switch a.Kind {
	case sagas.ActSleep:
		w.tell("%d: wakes at %v", a.Entry+1, w.now)
		w.act(w.machine.Reply(a.Entry, nil, nil, nil))
	case sagas.ActBackOff:
		w.tell("backed off until %v", w.now)
		w.act(w.machine.Wake(nil))
	case sagas.ActCall:
		result, err := w.call(a, fmt.Sprint(a.Entry+1))
		w.act(w.machine.Reply(a.Entry, result, err, nil))
	case sagas.ActUndo:
		_, err := w.call(a, fmt.Sprint("undo ", a.Entry+1))
		w.act(w.machine.UndoReply(a.Entry, err, w.clock(), nil))
	}
}

// call runs a step or a compensation.
func (w *world) call(a sagas.Action, key string) (*instances.Result, error) {
	env := w.envelope(a)
	text := show(env)
	result, err := w.run(env)
	if err != nil {
		w.tell("%d: %s: no, %v", a.Entry+1, text, err)
		return nil, failures.Decode(failures.Encode(err))
	}
	w.disk.done[key]++
	w.disk.order = append(w.disk.order, key)
	w.tell("%d: %s: yes", a.Entry+1, text)
	return result, nil
}

func (w *world) run(env instances.Envelope) (*instances.Result, error) {
	if env.Err != nil {
		return nil, env.Err
	}
	if fault := env.Op.Name + " " + env.ID; w.disk.faults[fault] > 0 {
		w.disk.faults[fault]--
		return nil, errFaulty
	}
	cell := instances.Cell{Type: accounts.Definition().(*instances.Type)}
	cell.Restore(w.disk.accounts[env.ID])
	var effects instances.Effects
	ctx := instances.NewCtx(format.Address{ID: env.ID}, w.clock(), new(uint64), &effects)
	result, err := cell.Run(env.Op, &ctx, env.Encoded(), 1000)
	w.disk.accounts[env.ID] = cell.Image()
	return result, err
}

// quiet answers all calls, the oldest first.
func (w *world) quiet() {
	for {
		i := slices.IndexFunc(w.pending, func(a sagas.Action) bool { return a.Kind == sagas.ActCall || a.Kind == sagas.ActUndo })
		if i < 0 {
			return
		}
		w.answer(i)
	}
}

// advance lets time pass, and fires what is due.
func (w *world) advance(to time.Duration) {
	w.now = max(w.now, to)
	for {
		i := slices.IndexFunc(w.pending, func(a sagas.Action) bool { return a.Due != 0 && time.Duration(a.Due) <= w.now })
		if i < 0 {
			return
		}
		w.answer(i)
	}
}

// finishAll answers calls and lets time pass until nothing is left to do.
func (w *world) finishAll() {
	for w.quiet(); len(w.pending) > 0; w.quiet() {
		next := w.pending[0].Due
		for _, a := range w.pending {
			next = min(next, a.Due)
		}
		w.advance(time.Duration(next))
	}
}

func (w *world) over() bool { return w.machine.Phase == sagas.Done || w.machine.Phase == sagas.Undone }

// result is all that a user can see of a saga in the end.
func (w *world) result() string {
	_, err := w.machine.Outcome()
	text := fmt.Sprintf("%v: %v", w.machine.Phase, err)
	for _, id := range slices.Sorted(maps.Keys(w.disk.accounts)) {
		text += fmt.Sprintf("; %s %d", id, w.balance(id))
	}
	text += fmt.Sprintf("; did %s", strings.Join(w.disk.order, ", "))
	if len(w.disk.emitted) > 0 {
		text += fmt.Sprintf("; emitted %s", strings.Join(w.disk.emitted, ", "))
	}
	return text
}

func (w *world) balance(id string) int64 {
	var a account
	if err := codec.Decode(w.disk.accounts[id].Bytes(), &a); err != nil {
		panic(err)
	}
	return a.Balance
}
