package demo

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/concordat-dev/concordat/client"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// event is something that has happened, for people.
type event struct {
	At    time.Time `json:"at"`
	Side  string    `json:"side"` // "" of both
	Title string    `json:"title"`
	Lines []string  `json:"lines"`
	Cycle []waiting `json:"cycle"` // of a deadlock: each waits for the next, the last for the first
	Bad   bool      `json:"bad"`   // something is not as it has to be
}

// waiting is a transfer that waits for another one.
type waiting struct {
	Transfer string `json:"transfer"`
	For      string `json:"for"` // the account
	GaveWay  bool   `json:"gaveWay"`
}

// action is what a button does on a side. It returns once that is over.
type action func(s *Side, ctx context.Context) event

// actions are the buttons' by their names.
var actions = map[string]action{"deadlock": (*Side).makeDeadlock, "fail": (*Side).failStep, "kill": (*Side).pullPlug}

// act runs an action, and counts the money then.
func (s *Side) act(ctx context.Context, do action) {
	s.acting.Lock()
	defer s.acting.Unlock()
	e := do(s, ctx)
	if s.count(ctx); ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	m := s.money
	s.mu.Unlock()
	if m.adds() {
		e.Lines = append(e.Lines, fmt.Sprintf("Each of %d accounts has what it must have.", m.Accounts))
	} else {
		e.Bad = true
		e.Lines = append(e.Lines, fmt.Sprintf("%d accounts have something else than they must have.", m.Wrong))
	}
	s.tell(e)
}

// Bounds of trying to make a deadlock: transfers meet by chance, mostly in the first round.
const (
	meetRounds = 200
	meetPairs  = 8
)

// makeDeadlock has transfers run in both directions between two accounts, at once. As serializable transactions, which hold the lock of one account
// while they ask for that of the other, some wait for each other; sagas hold no lock between two steps.
func (s *Side) makeDeadlock(ctx context.Context) event {
	prefix := fmt.Sprintf("meet-%d-", s.actions.Add(1))
	function := bank.TransferSaga
	if s.name == sagas.name {
		s.meet(ctx, prefix, "bank/transfer-saga", func(id string, t bank.Transfer) functions.Request { return function.As(id, t) })
		return event{Side: s.name, Title: "No deadlock", Lines: []string{
			fmt.Sprintf("%d transfers from alice to bob met as many from bob to alice.", meetPairs),
			"A saga holds no lock between its steps, so no circle of those who wait can close. All are done.",
		}}
	}
	for round := 1; round <= meetRounds && ctx.Err() == nil; round++ {
		s.meet(ctx, fmt.Sprint(prefix, round, "-"), "demo/transfer", func(id string, t bank.Transfer) functions.Request { return transferTx.As(id, t) })
		listed, err := s.operate.ListDeadlocks(ctx, connect.NewRequest(&concordatv1.ListDeadlocksRequest{}))
		if err != nil {
			continue // the engine is down
		}
		all := listed.Msg.Deadlocks
		for i := len(all) - 1; i >= 0; i-- {
			if e, ours := s.describeDeadlock(all[i], prefix); ours {
				return e
			}
		}
	}
	return event{Side: s.name, Title: "No deadlock this time", Lines: []string{"The transfers did not meet."}}
}

// meet makes transfers in both directions, and waits until all are done.
func (s *Side) meet(ctx context.Context, prefix, function string, start func(id string, t bank.Transfer) functions.Request) {
	var all sync.WaitGroup
	for n := range 2 * meetPairs {
		t, direction := bank.Transfer{From: alice, To: bob, Amount: 1}, "there"
		if n%2 == 1 {
			t.From, t.To, direction = bob, alice, "back"
		}
		id := fmt.Sprint(prefix, direction, n)
		all.Go(func() {
			if done, err := s.insist(ctx, start(id, t)); err == nil {
				s.books.acknowledge(function, id, t, done)
			}
		})
	}
	all.Wait()
}

// describeDeadlock is what happened in a deadlock, if it is one of transfers whose ids begin so.
func (s *Side) describeDeadlock(d *concordatv1.Deadlock, prefix string) (e event, ours bool) {
	e = event{Side: s.name, Title: "A deadlock, and its end"}
	victim := ""
	for _, w := range d.Waits {
		if len(w.RequestId) < len(prefix) || w.RequestId[:len(prefix)] != prefix {
			return e, false
		}
		name := fmt.Sprintf("transfer %d", w.Transaction)
		e.Cycle = append(e.Cycle, waiting{Transfer: name, For: w.For.GetId(), GaveWay: w.Transaction == d.Victim})
		e.Lines = append(e.Lines, fmt.Sprintf("Transfer %d waits for %s, which transfer %d has.", w.Transaction, w.For.GetId(), w.BlockedBy))
		if w.Transaction == d.Victim {
			victim = name
		}
	}
	if victim == "" || len(e.Cycle) < 2 {
		return e, false
	}
	when := "at once"
	if took := d.At.AsTime().Sub(d.Closed.AsTime()).Round(time.Microsecond); took > 0 {
		when = fmt.Sprintf("%v after it had closed", took)
	}
	e.Lines = append(e.Lines, fmt.Sprintf("The engine saw the circle %s. The youngest, %s, gave way and was run again. All are done.", when, victim))
	return e, true
}

// watchGap is how often alice's account is looked at while a transfer of hers is under way.
const watchGap = 20 * time.Millisecond

// failStep makes a transfer whose second step fails, as there is no such account, and watches the first account meanwhile.
func (s *Side) failStep(ctx context.Context) event {
	t := bank.Transfer{From: alice, To: nobody, Amount: 30}
	id := fmt.Sprintf("fail-%d", s.actions.Add(1))
	function, r := "demo/transfer", transferTx.As(id, t)
	if s.name == sagas.name {
		function, r = "demo/transfer-slowly", transferSlowly.As(id, t)
	}
	before := s.balance(ctx, alice)
	seen := before
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-over:
				return
			case <-time.After(watchGap):
				seen = min(seen, s.balance(ctx, alice))
			}
		}
	}()
	done, err := s.insist(ctx, r)
	close(over)
	<-watched
	if err != nil {
		return event{}
	}
	s.books.acknowledge(function, id, t, done)
	after := s.balance(ctx, alice)
	e := event{Side: s.name, Title: "A step failed", Bad: done || after != before}
	e.Lines = []string{fmt.Sprintf("Step 1: 30 were taken from alice, who had %d. Step 2 failed: there is no account %q.", before, nobody)}
	switch {
	case s.name == sagas.name && seen < before:
		e.Lines = append(e.Lines, fmt.Sprintf("In between everybody saw alice with %d: the steps of a saga are visible.", seen))
	case seen < before:
		e.Bad = true
	}
	if s.name == sagas.name {
		e.Lines = append(e.Lines, fmt.Sprintf("The saga undid step 1: alice has %d again.", after))
	} else {
		e.Lines = append(e.Lines, fmt.Sprintf("The transaction was rolled back: alice has %d, and nobody saw anything else.", after))
	}
	return e
}

// balance asks until it is told what an account has.
func (s *Side) balance(ctx context.Context, account string) int64 {
	for {
		balance, err := client.Ask(ctx, s.client, bank.Balance.On(account))
		if err == nil || !sleep(ctx, retryGap) {
			return balance
		}
	}
}

// pullPlug kills the engine's process, waits for the next one, and asks that for what was acknowledged before.
func (s *Side) pullPlug(ctx context.Context) event {
	e := event{Side: s.name, Title: "The plug was pulled"}
	_, starts, _ := s.process.state()
	for wait := time.Millisecond; s.under.Load() < clients/4 && wait < time.Second && sleep(ctx, wait); wait *= 2 {
		continue // so that there is something to lose
	}
	under := s.under.Load()
	start := time.Now()
	pid, err := s.process.kill()
	if pid == 0 || err != nil {
		e.Title, e.Lines = "The engine was down already", []string{"It is started again."}
		return e
	}
	receipts := s.books.receipts() // acknowledged before or at the moment of the kill; all of it has to be there
	done, refused := s.books.counts()
	s.setPhase(phaseDown)
	if s.process.await(ctx, starts) != nil {
		return e
	}
	next, _, _ := s.process.state()
	e.Lines = append(e.Lines,
		fmt.Sprintf("Process %d was killed (SIGKILL) while %d transfers were under way.", pid, under),
		fmt.Sprintf("Process %d opened the same directory and serves, %.1f s later.", next, time.Since(start).Seconds()))
	s.setPhase(phaseChecking)
	lost := s.askAgain(ctx, receipts)
	s.setPhase(phaseRunning)
	which := "all"
	if uint64(len(receipts)) < done+refused {
		which = fmt.Sprintf("the last %d", len(receipts))
	}
	e.Lines = append(e.Lines, fmt.Sprintf("%d transfers had been acknowledged; %s were asked for again: %d lost.", done+refused, which, lost))
	e.Lines = append(e.Lines, "Those under way were sent again under their ids, under which each happens once.")
	e.Bad = lost > 0
	return e
}

// askers is how many look-ups are under way at once.
const askers = 8

// askAgain looks up requests that were acknowledged, and returns how many have another outcome now, or none.
func (s *Side) askAgain(ctx context.Context, receipts []receipt) (lost int64) {
	var all sync.WaitGroup
	var wrong, next atomic.Int64
	for range askers {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(receipts)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if !s.stands(ctx, receipts[i]) {
					wrong.Add(1)
				}
			}
		})
	}
	all.Wait()
	return wrong.Load()
}

// stands reports whether the engine knows a request by the outcome that was acknowledged.
func (s *Side) stands(ctx context.Context, r receipt) bool {
	want := concordatv1.RequestState_REQUEST_STATE_FAILED
	if r.done {
		want = concordatv1.RequestState_REQUEST_STATE_SUCCEEDED
	}
	for {
		found, err := s.use.GetRequest(ctx, connect.NewRequest(&concordatv1.GetRequestRequest{RequestId: r.id, Coordinator: r.function}))
		if err == nil {
			return found.Msg.State == want
		}
		if !sleep(ctx, retryGap) {
			return true // the demo is over: nothing is known
		}
	}
}
