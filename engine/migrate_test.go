package engine_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// goods are instances of one name whose state is an S, as a version of a program has them.
type goods[S any] struct {
	kind   *functions.Type[S]
	make   functions.Command[S]
	set    functions.Command[S]
	put    functions.Command[S]
	get    functions.ViewOf[S]
	remove functions.Command0
}

func (g goodsWider) price() string   { return fmt.Sprint(g.Price) }
func (g goodsRetyped) price() string { return g.Price }

func goodsOf[S any]() (g goods[S]) {
	become := func(_ *functions.Ctx, s *S, to S) error { *s = to; return nil }
	g.kind = functions.NewType[S]("test/goods")
	g.make = functions.Create(g.kind, "make", become)
	g.set = functions.Update(g.kind, "set", become)
	g.put = functions.Upsert(g.kind, "put", become)
	g.get = functions.View(g.kind, "get", func(_ *functions.Ctx, s S) (S, error) { return s, nil })
	g.remove = functions.Delete(g.kind, "remove", func(*functions.Ctx, *S) error { return nil })
	return g
}

type (
	goods1 struct {
		Name  string
		Price int64
		Stock int32
	}
	goodsAdded struct {
		Name  string
		Price int64
		Stock int32
		Tags  []string
	}
	goodsRemoved struct {
		Name  string
		Price int64
	}
	goodsRenamed struct {
		Title string `cbor:"Name"`
		Cents int64
		Stock int32
	}
	goodsWider struct {
		Name  string
		Price float64
		Stock int64
	}
	goodsRetyped struct {
		Name  string
		Price string
	}
	goodsDated struct {
		Name  string
		Price time.Time
	}
)

// TestStatesOfAnEarlierVersion over a restart: a field that was added is zero; the value of one that was removed is gone with the next
// change, and not before; a renamed field keeps its value if its tag has the old name; numbers may become wider, and nothing else.
func TestStatesOfAnEarlierVersion(t *testing.T) {
	one := goodsOf[goods1]()
	o := engine.Options{Dir: t.TempDir()}
	e := open(t, o, one.kind)
	for _, id := range []string{"a", "b"} {
		must(t, e.Do(ctx, one.make.On(id, goods1{"nut", 5, 7})))
	}
	added := goodsOf[goodsAdded]()
	e = reopen(t, e, o, added.kind)
	if got := ask(t, e, added.get.On("a")); got.Name != "nut" || got.Price != 5 || got.Stock != 7 || got.Tags != nil {
		t.Errorf("a field was added: %+v", got)
	}
	renamed := goodsOf[goodsRenamed]()
	e = reopen(t, e, o, renamed.kind)
	if got := ask(t, e, renamed.get.On("a")); got != (goodsRenamed{"nut", 0, 7}) {
		t.Errorf("fields were renamed: %+v", got)
	}
	wider := goodsOf[goodsWider]()
	e = reopen(t, e, o, wider.kind)
	if got := ask(t, e, wider.get.On("a")); got != (goodsWider{"nut", 5, 7}) {
		t.Errorf("fields became wider: %+v", got)
	}
	dated := goodsOf[goodsDated]()
	e = reopen(t, e, o, dated.kind)
	if got, err := engine.Ask(ctx, e, dated.get.On("a")); !errors.Is(err, functions.ErrBadState) || !strings.Contains(err.Error(), "Price: 5 is stored") {
		t.Errorf("a number became a time: %+v, %v", got, err)
	}
	removed := goodsOf[goodsRemoved]()
	e = reopen(t, e, o, removed.kind)
	must(t, e.Do(ctx, removed.set.On("a", ask(t, e, removed.get.On("a")))))
	_ = ask(t, e, removed.get.On("b"))
	e = reopen(t, e, o, one.kind)
	if a, b := ask(t, e, one.get.On("a")), ask(t, e, one.get.On("b")); a != (goods1{"nut", 5, 0}) || b != (goods1{"nut", 5, 7}) {
		t.Errorf("a field was away for one version: %+v, which was changed then, and %+v, which was not", a, b)
	}
}

// TestStatesOfSeveralVersions: a state is known to be whole only while every state of its type was written in the shape that the type has
// now: also when an earlier version of the program comes back, and the later one again. A type without instances has only this shape.
func TestStatesOfSeveralVersions(t *testing.T) {
	one, wider := goodsOf[goods1](), goodsOf[goodsWider]()
	o := engine.Options{Dir: t.TempDir()}
	e := open(t, o, wider.kind) // and writes nothing
	isAlike(t, e, wider.kind, true)
	e = reopen(t, e, o, one.kind)
	isAlike(t, e, one.kind, true)
	isAlike(t, e, wider.kind, false) // the engine does not have this one
	must(t, e.Do(ctx, one.make.On("a", goods1{"nut", 1<<53 + 1, 7})))
	e = reopen(t, e, o, one.kind, notes)
	isAlike(t, e, one.kind, true)
	isAlike(t, e, notes, true)
	for range 2 {
		e = reopen(t, e, o, wider.kind)
		isAlike(t, e, wider.kind, false)
		if got := walked(e, wider); !slices.Equal(got, []string{"a is bad"}) {
			t.Errorf("the walk yields %v", got)
		}
		_, err := engine.Ask(ctx, e, wider.get.On("a"))
		wantErr(t, err, functions.ErrBadState)
		e = reopen(t, e, o, one.kind, notes)
		isAlike(t, e, one.kind, false)
		isAlike(t, e, notes, true)
		if got := ask(t, e, one.get.On("a")); got.Price != 1<<53+1 {
			t.Errorf("the first version finds %+v", got)
		}
	}
	must(t, e.Do(ctx, one.remove.On("a")))
	e = reopen(t, e, o, one.kind)
	isAlike(t, e, one.kind, true)
}

func isAlike(t *testing.T, e *engine.Engine, part functions.Part, want bool) {
	t.Helper()
	if got := engine.IsAlike(e, part); got != want {
		t.Errorf("all states are of this shape: %v, want %v", got, want)
	}
}

// oldGoods are two instances of the first version, and two of a later one around them.
func oldGoods(t *testing.T, o engine.Options) {
	t.Helper()
	one, later := goodsOf[goods1](), goodsOf[goodsRetyped]()
	e := open(t, o, one.kind)
	for _, id := range []string{"b", "d"} {
		must(t, e.Do(ctx, one.make.On(id, goods1{"nut", 5, 7})))
	}
	e = reopen(t, e, o, later.kind)
	for _, id := range []string{"a", "c", "e"} {
		must(t, e.Do(ctx, later.make.On(id, goodsRetyped{"bolt", "9 EUR"})))
	}
	must(t, e.Close())
}

// TestFirstOperationOnABadInstance: whatever comes first to an instance whose migration ends its goroutine does what it would do later.
func TestFirstOperationOnABadInstance(t *testing.T) {
	for name, want := range map[string]error{"delete": nil, "replace": nil, "clear": nil, "message": nil, "set": functions.ErrBadState, "tx": functions.ErrBadState} {
		o := engine.Options{Dir: t.TempDir(), Workers: 1}
		oldGoods(t, o)
		g, x := goodsOf[goodsRetyped](), goodsRetyped{"nut", "5 EUR"}
		functions.Migrate(g.kind, func([]byte) (goodsRetyped, error) { runtime.Goexit(); return goodsRetyped{}, nil })
		replace := twopc.New("test/replace", func(tx *twopc.Tx, id string) error {
			return errors.Join(tx.Do(g.remove.On(id)), tx.Do(g.make.On(id, x)))
		})
		setTx := twopc.New("test/set-tx", func(tx *twopc.Tx, id string) error { return tx.Do(g.set.On(id, x)) })
		clear := saga.New("test/clear", func(s *saga.Run, id string) error { return s.Do(g.remove.On(id), saga.NoUndo) })
		tellers := functions.NewType[int]("test/teller")
		tell := functions.Upsert(tellers, "tell", func(ctx *functions.Ctx, _ *int, id string) error { ctx.Send(g.remove.On(id)); return nil })
		e := open(t, o, g.kind, replace, setTx, clear, tellers)
		wantErr(t, e.Do(ctx, map[string]functions.Request{
			"delete": g.remove.On("b"), "replace": replace.With("b"), "clear": clear.With("b"), "message": tell.On("x", "b"),
			"set": g.set.On("b", x), "tx": setTx.With("b"),
		}[name]), want)
		eventually(t, "messages are handled", func() bool { return e.Queued() == 0 })
		if exists := ask(t, e, g.kind.Exists("b")); exists != (want != nil || name == "replace") {
			t.Errorf("%s: it exists: %v", name, exists)
		}
		must(t, e.Close())
	}
}

// walked is what a walk yields, a word for each instance.
func walked[S interface{ price() string }](e *engine.Engine, g goods[S]) (words []string) {
	for i, err := range engine.Walk(e, g.kind, "") {
		switch {
		case err == nil:
			words = append(words, i.ID+"="+i.State.price())
		case errors.Is(err, engine.ErrDamaged) && errors.Is(err, functions.ErrBadState) && strings.Contains(err.Error(), "test/goods/"+i.ID):
			words = append(words, i.ID+" is bad")
		default:
			words = append(words, fmt.Sprint(i.ID, " ", err))
		}
	}
	return words
}

// TestInstancesThatDoNotDecode: a walk names them and goes on, they can be deleted, alone or in a transaction that replaces them, and
// refuse all else.
func TestInstancesThatDoNotDecode(t *testing.T) {
	for name, migration := range map[string]func([]byte) (goodsRetyped, error){
		"no migration": nil,
		"panics":       func([]byte) (goodsRetyped, error) { panic("test") },
		"ends its goroutine": func([]byte) (goodsRetyped, error) {
			runtime.Goexit()
			return goodsRetyped{}, nil
		},
	} {
		t.Run(name, func(t *testing.T) { testBadInstances(t, migration) })
	}
}

func testBadInstances(t *testing.T, migration func([]byte) (goodsRetyped, error)) {
	o := engine.Options{Dir: t.TempDir()}
	oldGoods(t, o)
	g := goodsOf[goodsRetyped]()
	x := goodsRetyped{"nut", "5 EUR"}
	replace := twopc.New("test/replace", func(tx *twopc.Tx, id string) error {
		return errors.Join(tx.Do(g.remove.On(id)), tx.Do(g.make.On(id, x)))
	})
	spoiled := twopc.New("test/spoiled", func(tx *twopc.Tx, id string) error {
		return errors.Join(tx.Do(g.remove.On(id)), errRude)
	})
	clear := saga.New("test/clear", func(s *saga.Run, id string) error { return s.Do(g.remove.On(id), saga.NoUndo) })
	if migration != nil {
		functions.Migrate(g.kind, migration)
	}
	parts := []functions.Part{g.kind, replace, spoiled, clear}
	e := open(t, o, parts...)
	if got := walked(e, g); !slices.Equal(got, []string{"a=9 EUR", "b is bad", "c=9 EUR", "d is bad", "e=9 EUR"}) {
		t.Errorf("the walk yields %v", got)
	}
	n := 0
	for i := range engine.Walk(e, g.kind, "b") {
		if n++; i.ID != "b" {
			t.Errorf("the walk begins at %q", i.ID)
		}
		break
	}
	wantErr(t, e.Do(ctx, g.set.On("b", x)), functions.ErrBadState, "test/goods.set", `"b"`)
	wantErr(t, e.Do(ctx, g.put.On("b", x)), functions.ErrBadState)
	wantErr(t, e.Do(ctx, g.make.On("b", x)), functions.ErrExists)
	wantErr(t, e.Do(ctx, spoiled.With("b")), errRude)
	if _, err := engine.Ask(ctx, e, g.get.On("b")); !errors.Is(err, functions.ErrBadState) {
		t.Errorf("a view: %v", err)
	}
	must(t, e.Do(ctx, replace.With("b")))
	must(t, e.Do(ctx, clear.With("d")))
	must(t, e.Do(ctx, g.set.On("b", x))) // what replaced it is like any other
	e = reopen(t, e, o, parts...)
	if got := walked(e, g); !slices.Equal(got, []string{"a=9 EUR", "b=5 EUR", "c=9 EUR", "e=9 EUR"}) {
		t.Errorf("the walk yields %v", got)
	}
	must(t, e.Do(ctx, g.remove.On("b")))
}

// TestMigrationOverARestart: operations, transactions and walks read states of an earlier version, until a change writes the new form,
// which needs no migration any more.
func TestMigrationOverARestart(t *testing.T) {
	o := engine.Options{Dir: t.TempDir()}
	oldGoods(t, o)
	g, later := goodsOf[goodsRetyped](), goodsOf[goodsRetyped]()
	functions.Migrate(g.kind, func(old []byte) (goodsRetyped, error) {
		var v goods1
		err := codec.Decode(old, &v)
		return goodsRetyped{v.Name, fmt.Sprint(v.Price, " EUR")}, err
	})
	raise := functions.Update(g.kind, "raise", func(_ *functions.Ctx, s *goodsRetyped, _ int) error { s.Price = "1" + s.Price; return nil })
	inTx := twopc.New("test/raise", func(tx *twopc.Tx, fail bool) error {
		if err := tx.Do(raise.On("b", 0)); err != nil || !fail {
			return err
		}
		return errRude
	})
	e := open(t, o, g.kind, inTx)
	want := []string{"a=9 EUR", "b=5 EUR", "c=9 EUR", "d=5 EUR", "e=9 EUR"}
	if got := walked(e, g); !slices.Equal(got, want) {
		t.Errorf("the walk yields %v", got)
	}
	if got := ask(t, e, g.get.On("d")); got != (goodsRetyped{"nut", "5 EUR"}) {
		t.Errorf("a view finds %+v", got)
	}
	wantErr(t, e.Do(ctx, inTx.With(true)), errRude)
	must(t, e.Do(ctx, inTx.With(false)))
	e = reopen(t, e, o, later.kind)
	if got := walked(e, later); !slices.Equal(got, []string{"a=9 EUR", "b=15 EUR", "c=9 EUR", "d is bad", "e=9 EUR"}) {
		t.Errorf("without the migration the walk yields %v", got)
	}
}
