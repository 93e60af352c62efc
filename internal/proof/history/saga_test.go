package history

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// sagaScript makes a saga history from lines such as
//
//	s1 do 1 a -10       step 1 on account a
//	s1 undo 1 a 10      its compensation
//	s1 do 1/2 a -10     step 1 of stage 2
//	s1 done 2           the outcome, of two steps
//	read a 90           a balance in the end
//
// in the order in which things happened.
func sagaScript(t *testing.T, header Header, text string) *History {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, header)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range lines(text) {
		words := strings.Fields(line)
		if words[0] == "read" {
			err = w.Tx(&Tx{Process: 0, Start: int64(100 + i), End: int64(100 + i), Ops: []Op{{Kind: Read, Key: words[1], Value: number(words[2])}}})
		} else if ending := slices.Index(endingNames[:], words[1]); ending >= 0 {
			err = w.Outcome(&Outcome{Saga: words[0], Ending: Ending(ending), Steps: int32(number(words[2]))})
		} else {
			step := Step{Saga: words[0], Undo: words[1] == "undo", Instance: words[3], Amount: number(words[4]), Seq: int64(i + 1)}
			place, stage, hasStage := strings.Cut(words[2], "/")
			if step.Number = int32(number(place)); hasStage {
				step.Stage = int32(number(stage))
			}
			err = w.Step(&step)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := Decode(&file)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// sagaAnomalies are histories of sagas, and what is wrong with them.
var sagaAnomalies = []struct {
	name, text string
	want       []Kind
}{
	{"done", "s do 1 a -10\n s do 2 b 10\n s done 2\n read a 90\n read b 110", nil},
	{"undone", "s do 1 a -10\n s undo 1 a 10\n s undone 2\n read a 100", nil},
	{"undone before the first step", "s undone 2\n read a 100", nil},
	{"undone in reverse", "s do 1 a -10\n s do 2 b 5\n s undo 2 b -5\n s undo 1 a 10\n s undone 3", nil},
	{"stages are undone at once", "s do 1/1 a -5\n s do 2/1 b -5\n s undo 1/1 a 5\n s undo 2/1 b 5\n s undone 3", nil},
	{"unknown and done", "s do 1 a -10\n s do 2 b 10\n s unknown 2", nil},
	{"unknown and undone", "s do 1 a -10\n s undo 1 a 10\n s unknown 2", nil},
	{"no outcome", "s do 1 a -10\n s do 2 b 10", nil},
	{"stuck", "s do 1 a -10\n s do 2 b 5\n s undo 2 b -5\n s stuck 3\n read a 90", nil},
	{"two sagas, interleaved", "s do 1 a -10\n q do 1 a -5\n s do 2 b 10\n q undo 1 a 5\n q undone 2\n s done 2", nil},

	{"a step twice", "s do 1 a -10\n s do 1 a -10\n s do 2 b 20\n s done 2", []Kind{StepTwice}},
	{"a compensation twice", "s do 1 a -10\n s undo 1 a 10\n s undo 1 a 10\n s undone 2", []Kind{StepTwice, HalfSaga}},
	{"a compensation without its step", "s undo 1 a 10\n s undone 2", []Kind{UndoWithoutStep, HalfSaga}},
	{"a compensation before its step", "s undo 1 a 10\n s do 1 a -10\n s undone 2", []Kind{UndoWithoutStep, UndoOrder}},
	{"compensations in order", "s do 1 a -10\n s do 2 b 5\n s undo 1 a 10\n s undo 2 b -5\n s undone 3", []Kind{UndoOrder}},
	{"on with it after a compensation", "s do 1 a -10\n s undo 1 a 10\n s do 2 b 10\n s undo 2 b -10\n s undone 2", []Kind{UndoOrder, UndoOrder}},
	{"half of it stays", "s do 1 a -10\n s do 2 b 5\n s undo 2 b -5\n s undone 3", []Kind{HalfSaga}},
	{"done and half undone", "s do 1 a -10\n s do 2 b 10\n s undo 2 b -10\n s done 2", []Kind{HalfSaga}},
	{"done and a step is missing", "s do 1 a -10\n s done 2", []Kind{HalfSaga}},
	{"done and nothing happened", "s done 2", []Kind{HalfSaga}},
	{"said to have failed, and done", "s do 1 a -10\n s do 2 b 10\n s undone 2", []Kind{HalfSaga}},
	{"unknown and half done", "s do 1 a -10\n s unknown 2", []Kind{HalfSaga}},
	{"money appears", "s do 1 a -10\n s do 2 b 11\n s done 2", []Kind{HalfSaga}},
	{"compensated with another amount", "s do 1 a -10\n s undo 1 a 9\n s undone 2", []Kind{HalfSaga}},
	{"a balance that its steps do not leave", "s do 1 a -10\n s do 2 b 10\n s done 2\n read a 100\n read b 110", []Kind{WrongBalance}},
}

func TestSagaAnomalies(t *testing.T) {
	for _, test := range sagaAnomalies {
		t.Run(test.name, func(t *testing.T) {
			r := Check(sagaScript(t, BankHeader(Sagas, 2, 100), test.text))
			if got := kinds(r); !slices.Equal(got, test.want) && len(got)+len(test.want) > 0 {
				t.Errorf("found %q, want %q:\n%s", got, test.want, reportText(t, r))
			}
		})
	}
}

// TestUnsettledSagas: while sagas are under way, one whose outcome is unknown may be half done; one that was answered may not.
func TestUnsettledSagas(t *testing.T) {
	header := BankHeader(Sagas, 2, 100)
	header.Unsettled = true
	if r := Check(sagaScript(t, header, "s do 1 a -10\n s unknown 2\n q do 1 a -10\n read a 90")); !r.OK() {
		t.Error(reportText(t, r))
	}
	r := Check(sagaScript(t, header, "s do 1 a -10\n s done 2"))
	if got := kinds(r); !slices.Equal(got, []Kind{HalfSaga}) {
		t.Errorf("found %q", got)
	}
}

// TestSagasBuiltInMemory: the builder takes what a file can hold.
func TestSagasBuiltInMemory(t *testing.T) {
	header := BankHeader(Sagas, 2, 100)
	want := sagaScript(t, header, "s do 1 a -10\n s do 2/2 b 10\n s done 2")
	b, err := NewBuilder(header)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range want.steps {
		if err := b.AddStep(step); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.AddOutcome(want.outcomes[0]); err != nil {
		t.Fatal(err)
	}
	got, err := b.History()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if err := emptyBuilder(t, header).AddStep(Step{Saga: "s", Number: 0, Seq: 1}); err == nil {
		t.Error("a step without a number is taken")
	}
	if err := emptyBuilder(t, NewHeader(ListAppend)).AddOutcome(Outcome{Saga: "s"}); err == nil {
		t.Error("a list history takes a saga")
	}
}

func emptyBuilder(t *testing.T, header Header) *Builder {
	t.Helper()
	b, err := NewBuilder(header)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
