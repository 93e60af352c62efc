package functions_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/values"
)

func TestIDsAtTheBound(t *testing.T) {
	for _, tc := range []struct {
		id   string
		want error
	}{
		{"", functions.ErrBadCall},
		{"a", nil},
		{"\x00", nil},
		{strings.Repeat("x", functions.MaxID), nil},
		{strings.Repeat("x", functions.MaxID+1), functions.ErrTooLarge},
	} {
		if err := instances.CheckID("request", tc.id); !errors.Is(err, tc.want) {
			t.Errorf("id of %d bytes: %v", len(tc.id), err)
		}
		if err := take.On("a", 1).As(tc.id).RequestEnvelope().Err; !errors.Is(err, tc.want) {
			t.Errorf("request id of %d bytes: %v", len(tc.id), err)
		}
	}
	// The first error is the one that is told.
	wantErr(t, functions.Call{}.As("").RequestEnvelope().Err, functions.ErrBadCall)
	if err := badArgument().As(strings.Repeat("x", 600)).RequestEnvelope().Err; errors.Is(err, functions.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestNames(t *testing.T) {
	good := []string{"a", "bank/account", strings.Repeat("x", functions.MaxName), "ä"}
	bad := []string{"", strings.Repeat("x", functions.MaxName+1), "a\x00b"}
	for _, name := range good {
		must(t, instances.CheckName("type", name))
		must(t, infoOf(functions.NewType[purse](name)).Validate())
	}
	for _, name := range bad {
		if instances.CheckName("type", name) == nil {
			t.Errorf("%.20q is a good name", name)
		}
		if infoOf(functions.NewType[purse](name)).Validate() == nil {
			t.Errorf("%.20q is a good name of a type", name)
		}
		bad := functions.NewType[purse]("test/type")
		functions.Delete(bad, name, func(*functions.Ctx, *purse) error { return nil })
		if infoOf(bad).Validate() == nil {
			t.Errorf("%.20q is a good name of an operation", name)
		}
	}
}

func TestDuplicateOperations(t *testing.T) {
	double := functions.NewType[purse]("test/double")
	nothing := func(*functions.Ctx, *purse) error { return nil }
	functions.Delete(double, "drop", nothing)
	must(t, infoOf(double).Validate())
	functions.Update(double, "drop", func(*functions.Ctx, *purse, int) error { return nil })
	if err := infoOf(double).Validate(); err == nil || !strings.Contains(err.Error(), `two operations named "drop"`) {
		t.Errorf("got %v", err)
	}
}

func TestZeroCall(t *testing.T) {
	var zero functions.Call
	if !zero.IsZero() || take.On("a", 1).IsZero() || badArgument().IsZero() {
		t.Error("IsZero is wrong")
	}
	wantErr(t, zero.Envelope().Err, functions.ErrBadCall)
}

// What is called of an operation or a type that nobody made, as a variable is that was not set yet, cannot be called, and is not the
// zero Call, which means "no compensation" to a saga.
func TestCallsOfZeroOperations(t *testing.T) {
	var none *functions.Type[purse]
	for name, message := range map[string]functions.Message{
		"command":      functions.Command[int64]{}.On("p", 1),
		"without arg":  functions.Command0{}.On("p"),
		"exchange":     functions.CommandReturning[int64, string]{}.On("p", 1).Drop(),
		"with result":  functions.CommandReturning[int64, string]{}.On("p", 1).Into(new(string)),
		"reader":       functions.View1Of[int64, string]{}.On("p", 1).Into(new(string)),
		"reader0":      functions.ViewOf[string]{}.On("p").Into(new(string)),
		"nil type":     none.Exists("p").Into(new(bool)),
		"zero type":    new(functions.Type[purse]).Exists("p").Into(new(bool)),
		"zero query":   functions.Query[int]{}.Into(new(int)),
		"zero results": functions.CallReturning[int]{}.Drop(),
	} {
		wantErr(t, message.Envelope().Err, functions.ErrBadCall)
		if call, ok := message.(functions.Call); ok && call.IsZero() && !strings.HasPrefix(name, "zero") {
			t.Errorf("%s: it is the zero Call", name)
		}
	}
}

func TestArgumentIsEncodedWhenTheCallIsMade(t *testing.T) {
	lists := functions.NewType[chest]("test/list")
	put := functions.Update(lists, "put", func(_ *functions.Ctx, c *chest, items []string) error { c.Items = items; return nil })
	make_ := functions.Create(lists, "make", func(*functions.Ctx, *chest, int) error { return nil })
	get := functions.View(lists, "get", func(_ *functions.Ctx, c chest) ([]string, error) { return c.Items, nil })
	items := []string{"before"}
	call := put.On("l", items)
	items[0] = "after"
	cell := newCell(lists)
	must(t, run(cell, make_.On("l", 0), roomy).err)
	var got []string
	for range 2 { // and a call can be used again
		must(t, run(cell, call, roomy).err)
		must(t, run(cell, get.On("l").Into(&got), roomy).err)
		if len(got) != 1 || got[0] != "before" {
			t.Errorf("put %v", got)
		}
	}
}

// An argument that is handed on as it is means what it would mean encoded, and a call with it can be stored.
func TestArgumentsByValue(t *testing.T) {
	for _, call := range []functions.Call{take.On("p", 7), swap.On("p", "eve").Drop(), make_.On("p", 5), enough.On("p", 5).Into(new(bool))} {
		env := call.Envelope()
		var images [2]instances.Image
		for i := range images {
			cell := newCell(purses)
			if env.Op.Kind != instances.KindCreate {
				must(t, run(cell, make_.On("p", 100), roomy).err)
			}
			var effects instances.Effects
			var value any
			arg := env.Encoded()
			if i == 1 {
				value, arg = env.Value, env.Arg
			}
			ctx := instances.NewFrame().Begin(format.Address{}, noon, new(uint64), &effects, value)
			_, err := cell.Run(env.Op, ctx, arg, roomy)
			must(t, err)
			images[i] = cell.Image()
		}
		if string(images[0].Bytes()) != string(images[1].Bytes()) {
			t.Errorf("%s: encoded %x, by value %x", env.Target(), images[0].Bytes(), images[1].Bytes())
		}
		if stored := env.Stored(); string(stored.Arg) != string(env.Encoded()) || len(stored.Arg) == 0 {
			t.Errorf("%s: stored with argument %x", env.Target(), stored.Arg)
		}
	}
}

func TestArgumentsThatDoNotEncode(t *testing.T) {
	numbers := functions.NewType[purse]("test/number")
	add := functions.Update(numbers, "add", func(*functions.Ctx, *purse, complex128) error { return nil })
	wantErr(t, add.On("p", 1i).Envelope().Err, functions.ErrBadCall)
	wantErr(t, badArgument().Envelope().Err, functions.ErrBadCall)
}

func TestIntoLeavesNoStaleFields(t *testing.T) {
	cell := newCell(chests)
	must(t, run(cell, fill.On("c", chest{Items: []string{"i"}, Labels: map[string]string{"new": "y"}}), roomy).err)
	answer := chest{Items: []string{"old", "older"}, Labels: map[string]string{"old": "x"}, Next: &chest{}}
	must(t, run(cell, peek.On("c").Into(&answer), roomy).err)
	if len(answer.Items) != 1 || len(answer.Labels) != 1 || answer.Next != nil {
		t.Errorf("stale fields shine through: %+v", answer)
	}
}

func TestIntoOfWrongBytes(t *testing.T) {
	kept := int64(7)
	into := coins.On("p").Into(&kept).Envelope().Into
	if err := into(instances.EncodedResult([]byte("\x61x"))); err == nil || kept != 7 {
		t.Errorf("error %v, the answer is %d", err, kept)
	}
}

// resolver knows the operations of some types.
type resolver []functions.Part

func (r resolver) Operation(typeName, operation string) (*instances.Operation, bool) {
	for _, p := range r {
		for _, op := range infoOf(p).Operations() {
			if op.Type.Name == typeName && op.Name == operation {
				return op, true
			}
		}
	}
	return nil, false
}

func TestStoredMessages(t *testing.T) {
	for name, env := range map[string]instances.Envelope{
		"call":        take.On("a", 3).Envelope(),
		"no argument": discard.On("a").Envelope(),
		"coordinator": {Coordinator: "test/saga", Arg: []byte{1}},
	} {
		data, err := values.Encode(env.Stored())
		must(t, err)
		var stored format.Message
		must(t, functions.Decode(data, &stored))
		back := instances.Resolve(stored, resolver{purses})
		if back.Err != nil || !back.SameAs(env) || back.Op != env.Op || back.Coordinator != env.Coordinator {
			t.Errorf("%s: %+v became %+v", name, env, back)
		}
	}
	effects := instances.Effects{Sends: []instances.Envelope{take.On("a", 3).Envelope()}, Emits: []format.Emitted{{Egress: "e"}}}
	back := instances.ResolveEffects(effects.Stored(), resolver{purses})
	if len(back.Sends) != 1 || !back.Sends[0].SameAs(effects.Sends[0]) || len(back.Emits) != 1 {
		t.Errorf("%+v", back)
	}
}

// A program that does not know an operation passes its messages on unharmed: the next one may know it again.
func TestUnknownOperationIsNotForgotten(t *testing.T) {
	stored := take.On("a", 3).Envelope().Stored()
	unknown := instances.Resolve(stored, resolver{})
	wantErr(t, unknown.Err, functions.ErrUnknownOperation)
	if !strings.Contains(unknown.Err.Error(), "test/purse.take") || unknown.Target() != "test/purse.take(a)" {
		t.Errorf("%v, target %s", unknown.Err, unknown.Target())
	}
	back := instances.Resolve(unknown.Stored(), resolver{purses})
	if back.Err != nil || back.Op != take.On("a", 3).Envelope().Op {
		t.Errorf("after a detour: %+v", back)
	}
}

func TestSameMessages(t *testing.T) {
	dotted, plain := functions.NewType[purse]("test/a.b"), functions.NewType[purse]("test/a")
	nothing := func(*functions.Ctx, *purse) error { return nil }
	base := take.On("a", 1).Envelope()
	if !base.SameAs(take.On("a", 1).Envelope()) {
		t.Error("equal calls are not the same")
	}
	for name, pair := range map[string][2]functions.Call{
		"argument":  {take.On("a", 1), take.On("a", 2)},
		"id":        {take.On("a", 1), take.On("b", 1)},
		"operation": {take.On("a", 1), make_.On("a", 1)},
		"dots":      {functions.Delete(dotted, "c", nothing).On("x"), functions.Delete(plain, "b.c", nothing).On("x")},
	} {
		if pair[0].Envelope().SameAs(pair[1].Envelope()) {
			t.Errorf("messages that differ in %s are the same", name)
		}
	}
}

// Types that are pointers to nothing but pointers.
type (
	toItself *toItself
	there    *andBack
	andBack  *there
)

// TestEndlessPointersAreAnErrorOfValidate: not an endless loop where the operation is made.
func TestEndlessPointersAreAnErrorOfValidate(t *testing.T) {
	of := functions.NewType[struct{ T there }]("test/endless")
	put := functions.Update(of, "put", func(*functions.Ctx, *struct{ T there }, struct{ T toItself }) error { return nil })
	if err := of.Definition().Validate(); err == nil || !strings.Contains(err.Error(), "nothing but pointers") {
		t.Errorf("got %v", err)
	}
	if err := put.On("x", struct{ T toItself }{}).Envelope().Err; !errors.Is(err, functions.ErrBadValue) {
		t.Errorf("got %v", err)
	}
}
