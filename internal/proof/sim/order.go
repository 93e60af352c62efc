package sim

import (
	"cmp"
	"slices"
	"strings"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
)

// Order is a request to a world. Its ID is in every trace that it leaves; Asked orders also have it as their request id, or that of an
// earlier order whose outcome has expired. Fed orders are records of the ingress: nobody waits for them.
type Order struct {
	Kind     string
	ID       string
	Asked    bool
	Fed      bool
	From, To string
	Amount   int64
	Group    []string // tills to add up, or to lock besides; gates to pass; the till to take the money from else
	Reuses   string   // the request id, if others had it before
	After    int64    // when the last of them was settled, in engine time
}

// RequestID is the order's request id, if it is Asked.
func (o Order) RequestID() string { return cmp.Or(o.Reuses, o.ID) }

func (o Order) debit() functions.Call {
	return moveTill.On(o.From, TillLine{ID: o.ID, Amount: -o.Amount})
}
func (o Order) credit() functions.Call {
	return moveTill.On(o.To, TillLine{ID: o.ID, Amount: o.Amount})
}
func (o Order) undebit() functions.Call {
	return moveTill.On(o.From, TillLine{ID: o.ID, Amount: o.Amount, Undo: true})
}
func (o Order) uncredit() functions.Call {
	return moveTill.On(o.To, TillLine{ID: o.ID, Amount: -o.Amount, Undo: true})
}

// tally counts how often its request has run. It is the same request whoever asks it under the id.
func (o Order) tally() functions.CallReturning[int64] { return countTally.On(o.To, o.RequestID()) }

// countedAs is what a count order is counted as.
func (o Order) countedAs() string { return "count " + o.ID }

func (o Order) note(word string) functions.Call { return noteOp.On(sinkFor(o.ID), endNote{o.ID, word}) }

func (o Order) isSaga() bool { return slices.Contains(sagaKinds, o.Kind) }

func (o Order) isTx() bool { return slices.Contains(txKinds, o.Kind) }

var (
	sagaKinds = []string{"saga", "sleepy", "sorry", "gates", "saga-boom"}
	txKinds   = []string{
		"tx", "chain", "half", "doomed", "swallow", "total", "census", "toggle", "flip", "else", "count", "tx-boom", "tx-bad", "touch",
	}
	panicking = []string{"boom", "saga-boom", "tx-boom", "tx-bad"}
)

// start is the start of the order's coordinator function. What it returns is dropped.
func (o Order) start() coordinator.Start {
	if o.isSaga() {
		return auditSaga.With(o)
	}
	return auditTx.With(o).Drop()
}

// Request makes the order's request; its result, if it has one, goes to value.
func (o Order) Request(value *int64) functions.Request {
	if o.isTx() || o.isSaga() {
		start := o.start()
		if o.isTx() {
			start = auditTx.With(o).Into(value)
		}
		if o.Asked {
			return start.As(o.RequestID())
		}
		return start
	}
	var call functions.Call
	switch o.Kind {
	case "peek":
		call = sentTill.On(o.To).Into(value)
	case "tally":
		call = o.tally().Into(value)
	default:
		call = o.call()
	}
	if o.Asked {
		return call.As(o.RequestID())
	}
	return call
}

// message makes the order a record of the ingress.
func (o Order) message() functions.Message {
	if o.isTx() || o.isSaga() {
		return o.start()
	}
	return o.call()
}

// call is the call of an order that starts no coordinator function.
func (o Order) call() functions.Call {
	switch o.Kind {
	case "open-till":
		return OpenTill.On(o.To, FirstBalance)
	case "open-sink":
		return openSink.On(o.To, 0)
	case "open-gate":
		return openGate.On(o.To, o.Amount > 0)
	case "open-relay":
		return openRelay.On(o.To, 0)
	case "set-gate":
		return SetGate.On(o.To, o.Amount > 0)
	case "deposit":
		return o.credit()
	case "withdraw":
		return o.debit()
	case "boom":
		return boomTill.On(o.To, o.ID)
	case "disarm":
		return disarmTill.On(o.To, 0)
	case "knock":
		return knockTill.On(o.To, o.ID)
	case "tally":
		return o.tally().Drop()
	case "relay":
		return hopRelay.On(o.To, relayHop{o.ID, relayHops})
	case "start-tx", "start-saga":
		return startTill.On(o.To, o.inner())
	}
	panic("sim: an order has a kind, not " + o.Kind)
}

// inner is the order that a start-tx or start-saga starts by message.
func (o Order) inner() Order {
	in := o
	in.ID, in.Kind, in.Asked, in.Fed, in.Reuses, in.After = o.ID+"/in", strings.TrimPrefix(o.Kind, "start-"), false, false, "", 0
	return in
}
