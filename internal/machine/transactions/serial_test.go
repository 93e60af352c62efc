package transactions_test

import (
	"maps"
	"strings"
)

// model runs scripts one after the other on a map: the serial execution that transactions must look like.
type model struct{ balances map[string]int64 }

// run runs a script: what it read, and whether it committed.
func (m *model) run(lines []string) (saw map[string]int64, committed bool) {
	before := maps.Clone(m.balances)
	t := &serial{model: m, saw: map[string]int64{}}
	for _, line := range lines {
		if t.line(strings.Fields(line)); t.ended {
			break
		}
	}
	if t.failed {
		m.balances = before
	}
	return t.saw, !t.failed
}

// serial is a script on its way through a model.
type serial struct {
	*model
	saw    map[string]int64
	failed bool // it cannot commit
	ended  bool
}

func (t *serial) line(words []string) {
	switch words[0] {
	case "if":
		x, y := t.value(words[1]), t.value(words[3])
		if (words[2] == "<" && x < y) || (words[2] == "=" && x == y) || (words[2] == ">" && x > y) {
			t.line(words[4:])
		}
	case "fail", "panic":
		t.failed, t.ended = true, true
	case "try":
		t.calls(words[1:])
	case "may":
		t.may(words[1], words[2:])
	default:
		t.ended = !t.calls(words)
	}
}

// calls makes calls at once. After a failure none succeeds, and no answer arrives.
func (t *serial) calls(words []string) bool {
	answers := map[string]int64{}
	for call := range strings.SplitSeq(strings.Join(words, " "), " & ") {
		if t.failed || !t.call(strings.Fields(call), answers) {
			t.failed = true
			return false
		}
	}
	maps.Copy(t.saw, answers)
	return true
}

// may makes a call that may fail: then nothing of it stays.
func (t *serial) may(name string, words []string) {
	before, answers := maps.Clone(t.balances), map[string]int64{}
	t.saw[name] = 0
	switch {
	case t.failed:
	case t.call(words, answers):
		t.saw[name] = 1
		maps.Copy(t.saw, answers)
	default:
		t.balances = before
	}
}

func (t *serial) call(words []string, answers map[string]int64) bool {
	if words[1] == "=" {
		n, exists := t.balances[words[3]]
		if words[2] == "exists" {
			n = map[bool]int64{true: 1}[exists]
		}
		answers[words[0]] = n
		return exists || words[2] == "exists"
	}
	id, n := words[1], t.value(words[2])
	_, exists := t.balances[id]
	switch words[0] {
	case "open":
		t.balances[id] = n
		return !exists
	case "debit":
		n = -n
	}
	t.balances[id] += n
	return exists && t.balances[id] >= 0
}

func (t *serial) value(word string) int64 { return (&script{saw: t.saw}).value(word) }
