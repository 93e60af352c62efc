//lint:file-ignore U1000 fields that are never read are what these types are for

package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// lossy has a balance that no encoding has.
type lossy struct{ balance int64 }

type lossyAccount struct{ Owners []*lossy }

type (
	nest[T any]   [1]T
	nest5[T any]  nest[nest[nest[nest[nest[T]]]]]
	nest25[T any] nest5[nest5[nest5[nest5[nest5[T]]]]]
	tooDeep       nest25[nest25[nest5[nest5[nest5[int64]]]]] // 65 levels
)

func partOf(part functions.Part, words ...string) (functions.Part, []string) { return part, words }

func withOperation(of *functions.Type[int], _ any, words ...string) (functions.Part, []string) {
	return of, words
}

// lossyParts are parts that use a type whose values do not come back, each with what the error of Open says.
var lossyParts = map[string]func() (functions.Part, []string){
	"state": func() (functions.Part, []string) {
		return partOf(functions.NewType[lossyAccount]("test/account"), "state of test/account", "lossyAccount.Owners[].balance: an unexported field")
	},
	"state, any": func() (functions.Part, []string) {
		return partOf(functions.NewType[struct{ X any }]("test/x"), "X: an interface")
	},
	"state, deep": func() (functions.Part, []string) { return partOf(functions.NewType[tooDeep]("test/deep"), "64 levels") },
	"state, large": func() (functions.Part, []string) {
		return partOf(functions.NewType[[20_000_000]bool]("test/large"), "20000000")
	},
	"argument": func() (functions.Part, []string) {
		of := functions.NewType[int]("test/of")
		return withOperation(of, functions.Update(of, "set", func(*functions.Ctx, *int, lossyAccount) error { return nil }), "argument of test/of.set", "Owners[].balance")
	},
	"argument of a create": func() (functions.Part, []string) {
		of := functions.NewType[int]("test/of")
		return withOperation(of, functions.Create(of, "new", func(*functions.Ctx, *int, chan int) error { return nil }), "argument of test/of.new", "chan")
	},
	"argument of a view": func() (functions.Part, []string) {
		of := functions.NewType[int]("test/of")
		return withOperation(of, functions.View1(of, "get", func(*functions.Ctx, int, lossy) (int, error) { return 0, nil }), "argument of test/of.get")
	},
	"result": func() (functions.Part, []string) {
		of := functions.NewType[int]("test/of")
		return withOperation(of, functions.UpdateReturning(of, "set", func(*functions.Ctx, *int, int) (lossyAccount, error) { return lossyAccount{}, nil }), "result of test/of.set", "Owners[].balance")
	},
	"result of an upsert": func() (functions.Part, []string) {
		of := functions.NewType[int]("test/of")
		return withOperation(of, functions.UpsertReturning(of, "set", func(*functions.Ctx, *int, int) (error, error) { return nil, nil }), "result of test/of.set", "interface")
	},
	"result of a view": func() (functions.Part, []string) {
		of := functions.NewType[int]("test/of")
		return withOperation(of, functions.View(of, "get", func(*functions.Ctx, int) (func(), error) { return nil, nil }), "result of test/of.get", "func")
	},
	"input of a transaction": func() (functions.Part, []string) {
		return partOf(twopc.New("test/tx", func(*twopc.Tx, lossy) error { return nil }), "input of test/tx", "balance")
	},
	"result of a transaction": func() (functions.Part, []string) {
		return partOf(twopc.NewReturning("test/tx", func(*twopc.Tx, int) (lossy, error) { return lossy{}, nil }), "result of test/tx", "balance")
	},
	"input of a saga": func() (functions.Part, []string) {
		return partOf(saga.New("test/saga", func(*saga.Run, map[*int]int) error { return nil }), "input of test/saga", "(key)")
	},
	"result of a saga": func() (functions.Part, []string) {
		return partOf(saga.NewReturning("test/saga", func(*saga.Run, int) (lossy, error) { return lossy{}, nil }), "result of test/saga", "balance")
	},
	"no function": func() (functions.Part, []string) {
		of := functions.NewType[int]("test/of")
		return withOperation(of, functions.Update[int, int](of, "set", nil), "test/of.set", "nil")
	},
	"no body": func() (functions.Part, []string) { return partOf(saga.New[int]("test/saga", nil), "test/saga", "nil") },
}

// TestTypesThatLoseValuesAreRefused: by Open, wherever they are used, with the path of the field. Otherwise values would be lost, or
// instances be unreadable after a restart.
func TestTypesThatLoseValuesAreRefused(t *testing.T) {
	for name, c := range lossyParts {
		part, words := c()
		t.Run(name, func(t *testing.T) {
			refuses(t, engine.Options{Dir: t.TempDir()}, nil, []functions.Part{part}, append(words, "part 1")...)
		})
	}
}

// link is a state that can hold what does not come back.
type link struct {
	Next *link
	At   time.Time
	N    int
}

const (
	makeRing = iota + 1
	makeDeep
	makeLate // a time in the year 12000
)

func (l *link) become(what int) error {
	l.N++
	switch what {
	case makeRing:
		l.Next = &link{Next: l}
	case makeDeep:
		for range 70 {
			l.Next = &link{Next: l.Next}
		}
	case makeLate:
		l.At = time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return nil
}

func linkOf(what int) (l link) {
	_ = l.become(what)
	return l
}

// TestValuesThatDoNotComeBackAreRefused: by the operation or the coordinator function that makes them, as its failure, before anything
// is kept. A ring of pointers does not end the process.
func TestValuesThatDoNotComeBackAreRefused(t *testing.T) {
	links := functions.NewType[link]("test/link")
	put := functions.Upsert(links, "put", func(_ *functions.Ctx, l *link, what int) error { return l.become(what) })
	give := functions.Update(links, "give", func(_ *functions.Ctx, l *link, to link) error { *l = to; return nil })
	get := functions.View(links, "get", func(_ *functions.Ctx, l link) (int, error) { return l.N, nil })
	back := functions.UpsertReturning(links, "back", func(_ *functions.Ctx, l *link, what int) (link, error) { l.N++; return linkOf(what), nil })
	pass := functions.Update(links, "pass", func(ctx *functions.Ctx, l *link, what int) error {
		l.N++
		ctx.Send(give.On("x", linkOf(what)))
		return nil
	})
	later := functions.Update(links, "later", func(ctx *functions.Ctx, l *link, what int) error {
		l.N++
		ctx.SendAfter(time.Hour, give.On("x", linkOf(what)))
		return nil
	})
	out := functions.NewEgress[link]("out")
	emit := functions.Update(links, "emit", func(ctx *functions.Ctx, l *link, what int) error {
		l.N++
		ctx.Emit(out.Record("", linkOf(what)))
		return nil
	})
	backTx := twopc.NewReturning("test/back-tx", func(tx *twopc.Tx, what int) (link, error) { return linkOf(what), tx.Do(put.On("x", 0)) })
	putTx := twopc.New("test/put-tx", func(tx *twopc.Tx, what int) error {
		return errors.Join(tx.Do(put.On("y", 0)), tx.Do(put.On("x", what)))
	})
	takeTx := twopc.New("test/take-tx", func(*twopc.Tx, link) error { return nil })
	undo := functions.Update(links, "undo", func(_ *functions.Ctx, l *link, _ int) error { l.N--; return nil })
	backSaga := saga.NewReturning("test/back-saga", func(s *saga.Run, what int) (link, error) { return linkOf(what), s.Do(put.On("x", 0), undo.On("x", 0)) })
	o := engine.Options{Dir: t.TempDir(), Egresses: map[string]engine.Egress{"out": engine.Callback(func(context.Context, engine.Record) error { return nil })}}
	parts := []functions.Part{links, backTx, putTx, takeTx, backSaga}
	e := open(t, o, parts...)
	must(t, e.Do(ctx, put.On("x", 0)))
	for what, word := range map[int]string{makeRing: "ring", makeDeep: "level", makeLate: "12000"} {
		var l link
		for name, request := range map[string]functions.Request{
			"state": put.On("x", what), "argument": give.On("x", linkOf(what)), "result": back.On("x", what).Into(&l),
			"new state": put.On("new", what), "result of a new instance": back.On("new", what).Into(&l),
			"message": pass.On("x", what), "timer": later.On("x", what), "record": emit.On("x", what),
			"transaction's call": putTx.With(what), "transaction's result": backTx.With(what).Into(&l), "transaction's input": takeTx.With(linkOf(what)),
			"saga's result": backSaga.With(what).Into(&l),
		} {
			if err := e.Do(ctx, request); !errors.Is(err, functions.ErrBadValue) || !strings.Contains(err.Error(), word) {
				t.Errorf("%s, %s: %v", name, word, err)
			}
		}
	}
	e = reopen(t, e, o, parts...)
	if n := ask(t, e, get.On("x")); n != 1 || ask(t, e, links.Exists("new")) || ask(t, e, links.Exists("y")) {
		t.Errorf("something of it was kept: x is %d", n)
	}
}

// TestValuesComeBackOverARestart: what is nil, empty, negative zero or no text comes back as it was.
func TestValuesComeBackOverARestart(t *testing.T) {
	type things struct {
		Nil, Empty []int
		NoMap      map[string][]string
		Maps       map[[2]int8]map[string]bool
		Text       string
		At         time.Time
		Next       *things
	}
	at := time.Date(1999, 12, 31, 23, 59, 59, 1, time.FixedZone("", -5*3600))
	want := things{Empty: []int{}, Maps: map[[2]int8]map[string]bool{{1, -1}: {"": true}, {}: {}}, Text: "\xff\x00", At: at, Next: &things{At: time.Time{}}}
	boxes := functions.NewType[things]("test/things")
	put := functions.Upsert(boxes, "put", func(_ *functions.Ctx, s *things, to things) error { *s = to; return nil })
	get := functions.View(boxes, "get", func(_ *functions.Ctx, s things) (things, error) { return s, nil })
	o := engine.Options{Dir: t.TempDir()}
	e := open(t, o, boxes)
	must(t, e.Do(ctx, put.On("b", want)))
	for range 2 {
		got := ask(t, e, get.On("b"))
		if got.Nil != nil || got.Empty == nil || got.NoMap != nil || len(got.Maps) != 2 || got.Maps[[2]int8{}] == nil || got.Text != want.Text {
			t.Errorf("%+v became %+v", want, got)
		}
		if _, offset := got.At.Zone(); !got.At.Equal(at) || offset != -5*3600 || got.Next == nil || !got.Next.At.IsZero() {
			t.Errorf("%v became %v, then %+v", at, got.At, got.Next)
		}
		e = reopen(t, e, o, boxes)
	}
}
