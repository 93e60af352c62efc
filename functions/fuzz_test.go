package functions_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/values"
)

// trunk has a field of every kind that states have.
type trunk struct {
	Coins  int64
	Weight uint32
	Share  float64
	Open   bool
	Name   string
	Seal   [4]byte
	Bytes  []byte
	List   []int32
	Inner  *purse
	Purses map[string]purse
	Since  time.Time
	Any    any
}

func addEncoded(f *testing.F, all ...any) {
	for _, v := range all {
		data, err := values.Encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// FuzzDecode: whatever bytes decode, their value encodes, and from then on encoding and decoding change nothing: what is read after a
// restart is what was written. Only entries of a map whose keys are NaN, which equal nothing, may change places.
func FuzzDecode(f *testing.F) {
	addEncoded(f, trunk{}, purse{7, "ann"}, []int{1, 2}, map[string]any{"a": -1, "b": nil}, math.NaN(), trunk{
		Coins: -5, Share: 0.5, Name: "é", Bytes: []byte{1}, List: []int32{3}, Inner: &purse{1, "x"}, Since: noon,
		Purses: map[string]purse{"a": {}, "b": {2, "y"}}, Any: []any{uint64(1), "z"},
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		settles[trunk](t, data)
		settles[any](t, data)
	})
}

func settles[S any](t *testing.T, data []byte) {
	t.Helper()
	var first, second S
	if functions.Decode(data, &first) != nil {
		return
	}
	once, err := values.Encode(first)
	if err != nil {
		t.Fatalf("%x decodes to %#v, which does not encode: %v", data, first, err)
	}
	if err := functions.Decode(once, &second); err != nil {
		t.Fatalf("%x is encoded as %x, which does not decode: %v", data, once, err)
	}
	twice, err := values.Encode(second)
	if hasNaNKey(reflect.ValueOf(first)) {
		slices.Sort(once)
		slices.Sort(twice)
	}
	if err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("%x is encoded as %x, and that as %x (%v)", data, once, twice, err)
	}
}

// hasNaNKey reports whether there is a map with a key that does not equal itself, somewhere in a value.
func hasNaNKey(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return !v.IsNil() && hasNaNKey(v.Elem())
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			if !entries.Key().Equal(entries.Key()) || hasNaNKey(entries.Key()) || hasNaNKey(entries.Value()) {
				return true
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if hasNaNKey(v.Index(i)) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if hasNaNKey(v.Field(i)) {
				return true
			}
		}
	}
	return false
}

// FuzzFailure: any bytes in the place of a failure are some error, whose text and failures are bounded and stay when it is encoded
// again.
func FuzzFailure(f *testing.F) {
	f.Add([]byte{})
	f.Add(failures.Encode(errPoor))
	f.Add(failures.Encode(errors.Join(errPoor, functions.ErrNotFound, errors.New("other"))))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := failures.Decode(data)
		if err == nil {
			t.Fatalf("%x is no failure", data)
		}
		stored := failures.Encode(err)
		again := failures.Decode(stored)
		if !bytes.Equal(failures.Encode(again), stored) {
			t.Fatalf("%q is stored as %x, and that as %x", err, stored, failures.Encode(again))
		}
		if len(again.Error()) > 4096 {
			t.Fatalf("the text has %d bytes", len(again.Error()))
		}
		for _, known := range []error{errPoor, functions.ErrNotFound} {
			if errors.Is(again, known) && !errors.Is(err, known) {
				t.Fatalf("%q became %v", err, known)
			}
		}
	})
}

// storedParts are the parts of a program that stored messages are resolved against.
type storedParts struct{}

func (storedParts) Operation(typeName, operation string) (*instances.Operation, bool) {
	if typeName != "test/purse" {
		return nil, false
	}
	for _, op := range infoOf(purses).Operations() {
		if op.Name == operation {
			return op, true
		}
	}
	return nil, false
}

// FuzzStored: stored messages and effects that decode are resolved and stored again as they were, also those that this program does
// not know. Those that it does not know say so.
func FuzzStored(f *testing.F) {
	addEncoded(f, take.On("p", 1).Envelope().Stored(), format.Message{Type: "gone", Operation: "x", ID: "p"},
		format.Message{Coordinator: "test/tx", Arg: []byte{1}},
		format.JournalEffects{Sends: []format.Message{{Type: "gone"}}, Emits: []format.Emitted{{Egress: "out", Key: "k", Value: []byte{1}}}})
	f.Fuzz(func(t *testing.T, data []byte) {
		var m format.Message
		if functions.Decode(data, &m) == nil {
			checkResolved(t, m)
		}
		var stored format.JournalEffects
		if functions.Decode(data, &stored) == nil {
			for i := range stored.Sends {
				stored.Sends[i] = plain(stored.Sends[i])
			}
			effects := instances.ResolveEffects(stored, storedParts{})
			sameEncoding(t, stored, effects.Stored())
		}
	})
}

func checkResolved(t *testing.T, m format.Message) {
	t.Helper()
	env := instances.Resolve(m, storedParts{})
	_, known := storedParts{}.Operation(m.Type, m.Operation)
	if wrong := errors.Is(env.Err, functions.ErrUnknownOperation); wrong == (known || m.Type == "") {
		t.Fatalf("%+v is resolved with error %v", m, env.Err)
	}
	sameEncoding(t, plain(m), env.Stored())
	if again := instances.Resolve(env.Stored(), storedParts{}); !env.SameAs(again) || env.Target() != again.Target() {
		t.Fatalf("%+v is another message when it was stored", m)
	}
}

// plain leaves out the operation of a message that names no type: it says nothing.
func plain(m format.Message) format.Message {
	if m.Type == "" {
		m.Operation = ""
	}
	return m
}

func sameEncoding(t *testing.T, a, b any) {
	t.Helper()
	x, err := values.Encode(a)
	y, err2 := values.Encode(b)
	if err != nil || err2 != nil || !bytes.Equal(x, y) {
		t.Fatalf("%+v (%x, %v) became %+v (%x, %v)", a, x, err, b, y, err2)
	}
}

// FuzzCell: an instance with any bytes for its state, and operations with any bytes for their argument, never panic. What fails
// changes nothing and says whether state or argument is at fault; what succeeds leaves a state that is read back.
func FuzzCell(f *testing.F) {
	state, _ := values.Encode(purse{20, "ann"})
	for _, arg := range []any{int64(3), int64(13), int64(99), "bob", "nobody", nil} {
		data, _ := values.Encode(arg)
		f.Add(true, state, data)
	}
	f.Add(false, []byte{}, []byte{})
	ops := infoOf(purses).Operations()
	f.Fuzz(func(t *testing.T, exists bool, state, arg []byte) {
		for _, op := range ops {
			if op.Name == "act" {
				continue // does what other tests tell it
			}
			cell := newCell(purses)
			if exists {
				cell.Restore(instances.Stored(state, false))
			}
			before := cell.Image()
			var effects instances.Effects
			var timers uint64
			ctx := instances.NewCtx(format.Address{Type: "test/purse", ID: "p"}, noon, &timers, &effects)
			if _, err := cell.Run(op, &ctx, arg, roomy); err != nil {
				checkFailed(t, cell, before, err)
				continue
			}
			if after := cell.Image(); after.Exists && !op.Kind.Reads() && functions.Decode(after.Bytes(), new(purse)) != nil {
				t.Fatalf("%s left %x, which does not decode", op.Name, after.Bytes())
			}
		}
	})
}

func checkFailed(t *testing.T, cell *instances.Cell, before instances.Image, err error) {
	t.Helper()
	same(t, cell, before)
	for _, chosen := range []error{
		errPoor, functions.ErrBadState, functions.ErrBadArgument, functions.ErrNotFound, functions.ErrExists, functions.ErrPanic,
	} {
		if errors.Is(err, chosen) {
			return
		}
	}
	t.Fatalf("the failure is none that was chosen: %v", err)
}

// TestLengthsAreNotBelieved: bytes that claim to be of a huge length are refused before memory is made for them.
func TestLengthsAreNotBelieved(t *testing.T) {
	const most = 1 << 20
	for _, major := range []byte{2, 3, 4, 5} { // bytes, text, arrays, maps
		for _, n := range []uint64{1 << 24, 1 << 32, 1 << 62, math.MaxUint64} {
			data := binary.BigEndian.AppendUint64([]byte{major<<5 | 27}, n)
			data = append(data, 1, 2, 3)
			for name, into := range map[string]any{
				"any": new(any), "bytes": new([]byte), "text": new(string), "list": new([]int64), "map": new(map[int]int), "struct": new(trunk),
			} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				err := functions.Decode(data, into)
				runtime.ReadMemStats(&after)
				if err == nil {
					t.Errorf("%x decodes into %s", data, name)
				}
				if made := after.TotalAlloc - before.TotalAlloc; made > most {
					t.Errorf("%x into %s: %d bytes of memory, at most %d", data, name, made, most)
				}
			}
		}
	}
}
