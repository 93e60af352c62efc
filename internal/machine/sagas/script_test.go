package sagas_test

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
)

// Failures of the accounts and the scripts.
const (
	errPoor   functions.Failure = "poor"
	errFaulty functions.Failure = "faulty"
	errScript functions.Failure = "script"
)

type account struct{ Balance int64 }

var (
	accounts = functions.NewType[account]("a")
	debit    = functions.Update(accounts, "debit", debitAccount)
	credit   = functions.Update(accounts, "credit", func(_ *functions.Ctx, a *account, n int64) error { a.Balance += n; return nil })
	balance  = functions.View(accounts, "balance", func(_ *functions.Ctx, a account) (int64, error) { return a.Balance, nil })
	egress   = functions.NewEgress[int64]("out")
)

func debitAccount(_ *functions.Ctx, a *account, n int64) error {
	if a.Balance < n {
		return fmt.Errorf("%w: has %d", errPoor, a.Balance)
	}
	a.Balance -= n
	return nil
}

// script is the body of a saga, a statement per line:
//
//	debit a 30 undo credit a 30       a step; "noundo" if it has no compensation
//	debit a 1 noundo & credit b 1 noundo   several at once
//	x = balance a                     a question
//	sleep 5s
//	try debit a 30 noundo             the error is swallowed
//	else debit b 30 noundo            a statement that runs if the last try failed
//	if x < 30 fail                    a statement under a condition: <, =, >
//	fail, panic, return
//	on-success n, on-failure n        emit n with the outcome
type script struct {
	lines []string
	saw   map[string]int64
	tried error
	log   func(text string)
}

func (s *script) run(r *saga.Run) error {
	s.saw, s.tried = map[string]int64{}, nil
	for _, line := range s.lines {
		done, err := s.statement(r, strings.Fields(line))
		if done || err != nil {
			return err
		}
	}
	return nil
}

// statement runs one statement, and reports whether it was the last.
func (s *script) statement(r *saga.Run, words []string) (done bool, err error) {
	switch words[0] {
	case "if":
		if x, y := s.value(words[1]), s.value(words[3]); !map[string]bool{"<": x < y, "=": x == y, ">": x > y}[words[2]] {
			return false, nil
		}
		return s.statement(r, words[4:])
	case "try":
		_, s.tried = s.statement(r, words[1:])
		s.log(fmt.Sprintf("swallows %v", s.tried))
		return false, nil
	case "else":
		if s.tried == nil {
			return false, nil
		}
		return s.statement(r, words[1:])
	case "fail":
		return true, errScript
	case "panic":
		panic("script")
	case "return":
		return true, nil
	case "on-success":
		r.OnSuccess(egress.Record("success", s.value(words[1])))
	case "on-failure":
		r.OnFailure(egress.Record("failure", s.value(words[1])))
	case "sleep":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			panic(err)
		}
		return false, r.Sleep(d)
	default:
		return false, s.steps(r, words)
	}
	return false, nil
}

func (s *script) steps(r *saga.Run, words []string) error {
	if words[1] == "=" {
		n, err := saga.Ask(r, balance.On(words[3]))
		s.saw[words[0]] = n
		return err
	}
	var steps []saga.Step
	for part := range strings.SplitSeq(strings.Join(words, " "), " & ") {
		w := strings.Fields(part)
		step := saga.Step{Do: s.call(w), Undo: saga.NoUndo}
		if w[3] == "undo" {
			step.Undo = s.call(w[4:])
		}
		steps = append(steps, step)
	}
	if len(steps) == 1 {
		return r.Do(steps[0].Do, steps[0].Undo)
	}
	return r.All(steps...)
}

func (s *script) call(words []string) functions.Call {
	return map[string]functions.Command[int64]{"debit": debit, "credit": credit}[words[0]].On(words[1], s.value(words[2]))
}

// value is a number or a variable.
func (s *script) value(word string) int64 {
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		return n
	}
	return s.saw[word]
}
