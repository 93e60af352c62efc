// Package mill is a workload of small requests beside functions that take time: what it is there to measure is how long the requests
// take.
//
// A purse ([Purses]) has money and counts how often it was served. Each client has two of its own, so that no request meets a lock: a
// request serves one of them or, as a saga or a transaction, pays from one to the other. Beside the requests mills ([Mills]) grind. A
// turn is a message to a mill: it keeps the mill's worker busy for its cost, and then has the next one follow; turns that follow each
// other forever are a chain. [Work] says how many chains there are, what a turn costs, and how the next one comes.
//
// A [Workload] drives and audits all this. Start reading here, then workload.go and audit.go.
package mill

import (
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// By is how a turn comes.
type By string

// The ways in which a turn can come.
const (
	Send        By = "send"        // the one before sends it
	Timer       By = "timer"       // the one before sets a timer of TimerAfter
	Transaction By = "transaction" // the one before starts a transaction that makes a turn of each of two mills
)

// TimerAfter is how long the timers of the turns run.
const TimerAfter = 10 * time.Millisecond

// Bounds of a [Work].
const (
	MaxChains = 500_000 // half of what an engine queues by default
	MaxCost   = 10 * time.Second
)

// Work is what goes on beside the requests; the zero value is nothing.
type Work struct {
	Chains int           `json:"chains,omitempty"` // how many turns are under way at any time; 0 to MaxChains
	Cost   time.Duration `json:"cost_ns,omitempty"`
	By     By            `json:"by,omitempty"` // with chains only
}

// Validate reports what is wrong with the work.
func (w Work) Validate() error {
	switch {
	case w == Work{}:
		return nil
	case w.Chains < 1 || w.Chains > MaxChains:
		return fmt.Errorf("mill: %d chains are not between 1 and %d, and the work is not nothing", w.Chains, MaxChains)
	case w.Cost < 0 || w.Cost > MaxCost:
		return fmt.Errorf("mill: a turn of %v is not between 0 and %v", w.Cost, MaxCost)
	case w.By != Send && w.By != Timer && w.By != Transaction:
		return fmt.Errorf("mill: turns come by %s, %s or %s, not by %q", Send, Timer, Transaction, w.By)
	}
	return nil
}

// Purse is a client's money.
type Purse struct {
	_      struct{} `cbor:",toarray"`
	Money  int64
	Served int64 // how often it was served
}

// Payment is from one purse to another.
type Payment struct {
	_        struct{} `cbor:",toarray"`
	From, To string
	Amount   int64
}

// Purses and their operations.
var (
	Purses  = functions.NewType[Purse]("mill/purse")
	openTo  = functions.Create(Purses, "open", func(_ *functions.Ctx, p *Purse, money int64) error { p.Money = money; return nil })
	Serve   = functions.Update(Purses, "serve", func(_ *functions.Ctx, p *Purse, money int64) error { p.serve(money, 1); return nil })
	unserve = functions.Update(Purses, "unserve", func(_ *functions.Ctx, p *Purse, money int64) error { p.serve(-money, -1); return nil })

	lookIntoPurse = functions.View(Purses, "look", func(_ *functions.Ctx, p Purse) (Purse, error) { return p, nil })
)

func (p *Purse) serve(money, times int64) { p.Money, p.Served = p.Money+money, p.Served+times }

// PayTx is a payment as a serializable transaction.
var PayTx = twopc.New("mill/pay", func(tx *twopc.Tx, p Payment) error {
	return tx.All(Serve.On(p.From, -p.Amount), Serve.On(p.To, p.Amount))
})

// PaySaga is a payment as a saga.
var PaySaga = saga.New("mill/pay-saga", func(s *saga.Run, p Payment) error {
	if err := s.Do(Serve.On(p.From, -p.Amount), unserve.On(p.From, -p.Amount)); err != nil {
		return err
	}
	return s.Do(Serve.On(p.To, p.Amount), unserve.On(p.To, p.Amount))
})

// Mill grinds.
type Mill struct {
	_       struct{} `cbor:",toarray"`
	Turns   int64    // that were ground
	Begun   int64    // chains
	Ended   int64    // chains, once it was stopped
	Stopped bool
}

// turning is what a turn is told.
type turning struct {
	_     struct{} `cbor:",toarray"`
	Takes time.Duration
	By    By
	Other string // the other mill of a transaction
}

// chains is how many chains are to begin, and with what turn.
type chains struct {
	_    struct{} `cbor:",toarray"`
	Many int
	With turning
}

// bothTurn is the input of the transaction of two mills.
type bothTurn struct {
	_             struct{} `cbor:",toarray"`
	First, Second string
	Takes         time.Duration
}

// Mills and their operations.
var (
	Mills = functions.NewType[Mill]("mill/mill")
	build = functions.Create(Mills, "build", func(*functions.Ctx, *Mill, bool) error { return nil })
	begin = functions.Update(Mills, "begin", func(ctx *functions.Ctx, m *Mill, c chains) error {
		m.Stopped = false
		m.Begun += int64(c.Many)
		for range c.Many {
			ctx.Send(turn.On(ctx.Self().ID, c.With))
		}
		return nil
	})
	stop  = functions.Update(Mills, "stop", func(_ *functions.Ctx, m *Mill, _ bool) error { m.Stopped = true; return nil })
	grind = functions.Update(Mills, "grind", func(_ *functions.Ctx, m *Mill, takes time.Duration) error { m.grind(takes); return nil })

	lookAtMill = functions.View(Mills, "look", func(_ *functions.Ctx, m Mill) (Mill, error) { return m, nil })

	turn, bothTx = makeTurns()
)

// makeTurns makes two things that use each other: the operation, and the transaction whose last call it is.
func makeTurns() (turn functions.Command[turning], both *coordinator.Function[bothTurn]) {
	turn = functions.Update(Mills, "turn", func(ctx *functions.Ctx, m *Mill, t turning) error {
		if m.Stopped {
			m.Ended++
			return nil
		}
		m.grind(t.Takes)
		self := ctx.Self().ID
		switch t.By {
		case Timer:
			ctx.SendAfter(TimerAfter, turn.On(self, t))
		case Transaction:
			ctx.Send(both.With(bothTurn{First: t.Other, Second: self, Takes: t.Takes}))
		default:
			ctx.Send(turn.On(self, t))
		}
		return nil
	})
	both = twopc.New("mill/both", func(tx *twopc.Tx, b bothTurn) error {
		if err := tx.Do(grind.On(b.First, b.Takes)); err != nil {
			return err
		}
		return tx.Do(turn.On(b.Second, turning{Takes: b.Takes, By: Transaction, Other: b.First}))
	})
	return turn, both
}

// grind keeps the worker busy, if the mill was not stopped.
func (m *Mill) grind(takes time.Duration) {
	if m.Stopped {
		return
	}
	for began := time.Now(); time.Since(began) < takes; {
	}
	m.Turns++
}

// Parts are what an engine needs for the workload.
func Parts() []functions.Part { return []functions.Part{Purses, Mills, PayTx, PaySaga, bothTx} }
