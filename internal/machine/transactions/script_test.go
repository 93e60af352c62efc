package transactions_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/twopc"
)

// Failures of the accounts and the scripts.
const (
	errPoor    functions.Failure = "poor"
	errScript  functions.Failure = "script"
	errRevoked functions.Failure = "revoked"
)

type account struct{ Balance int64 }

var (
	accounts = functions.NewType[account]("a")
	open     = functions.Create(accounts, "open", func(_ *functions.Ctx, a *account, n int64) error { a.Balance = n; return nil })
	debit    = functions.Update(accounts, "debit", debitAccount)
	credit   = functions.Update(accounts, "credit", func(_ *functions.Ctx, a *account, n int64) error { a.Balance += n; return nil })
	mark     = functions.Update(accounts, "mark", markAccount)
	boom     = functions.Update(accounts, "boom", func(_ *functions.Ctx, a *account, n int64) error { a.Balance = n; panic("boom") })
	balance  = functions.View(accounts, "balance", func(_ *functions.Ctx, a account) (int64, error) { return a.Balance, nil })
	shut     = functions.Delete(accounts, "shut", func(*functions.Ctx, *account) error { return nil })
	egress   = functions.NewEgress[int64]("out")
)

func debitAccount(_ *functions.Ctx, a *account, n int64) error {
	a.Balance -= n
	if a.Balance < 0 {
		return fmt.Errorf("%w by %d", errPoor, -a.Balance)
	}
	return nil
}

// markAccount changes the state and has an effect of each kind.
func markAccount(ctx *functions.Ctx, a *account, n int64) error {
	a.Balance++
	ctx.Emit(egress.Record(ctx.Self().ID, n))
	ctx.Send(credit.On("sink", n))
	if n == 13 {
		return errPoor
	}
	return nil
}

var commands = map[string]functions.Command[int64]{"open": open, "debit": debit, "credit": credit, "mark": mark, "boom": boom}

// script is the body of a transaction, a statement per line:
//
//	debit a 30            a call: open, debit, credit, mark, boom with an amount, shut without
//	x = balance a         a question; y = exists a gives 0 or 1
//	debit a 30 & credit b x   several at once
//	try debit a 30        the error is swallowed
//	may z debit a 30      a call that may fail, also z and a question: z is 1 if it succeeded, else 0
//	must debit a 30       an error is a panic
//	if x < 30 fail        a statement under a condition: <, =, >
//	fail, panic           return an error, panic
//	on-commit n, on-abort n   emit n with the outcome
//	log text              tell the trace
//	recover               recover what the rest panics with, and return nil: a statement for the first line
//	return                return nil
type script struct {
	lines []string
	log   func(text string)
	saw   map[string]int64 // the variables
}

func (s *script) run(tx *twopc.Tx) (err error) {
	s.saw = map[string]int64{}
	for _, line := range s.lines {
		if line == "recover" {
			defer func() { _ = recover() }()
			continue
		}
		done, err := s.statement(tx, strings.Fields(line))
		if done || err != nil {
			return err
		}
	}
	return nil
}

// statement runs one statement, and reports whether it was the last.
func (s *script) statement(tx *twopc.Tx, words []string) (done bool, err error) {
	switch words[0] {
	case "if":
		if x, y := s.value(words[1]), s.value(words[3]); !map[string]bool{"<": x < y, "=": x == y, ">": x > y}[words[2]] {
			return false, nil
		}
		return s.statement(tx, words[4:])
	case "try":
		_, err := s.statement(tx, words[1:])
		s.log(fmt.Sprintf("swallows %v", err))
		return false, nil
	case "may":
		call, then := s.call(words[2:])
		err := tx.Try(call)
		if s.saw[words[1]] = 0; err == nil {
			s.saw[words[1]] = 1
			then()
		}
		s.log(fmt.Sprintf("%s is %d, %v", words[1], s.saw[words[1]], err))
	case "must":
		if _, err := s.statement(tx, words[1:]); err != nil {
			panic(err)
		}
	case "fail":
		return true, errScript
	case "panic":
		panic("script")
	case "return":
		return true, nil
	case "log":
		s.log(strings.Join(words[1:], " "))
	case "on-commit":
		tx.OnCommit(egress.Record("committed", s.value(words[1])))
	case "on-abort":
		tx.OnAbort(egress.Record("aborted", s.value(words[1])))
	default:
		return false, s.calls(tx, words)
	}
	return false, nil
}

func (s *script) calls(tx *twopc.Tx, words []string) error {
	var calls []functions.Call
	var after []func()
	for part := range strings.SplitSeq(strings.Join(words, " "), " & ") {
		call, then := s.call(strings.Fields(part))
		calls, after = append(calls, call), append(after, then)
	}
	var err error
	if len(calls) == 1 {
		err = tx.Do(calls[0])
	} else {
		err = tx.All(calls...)
	}
	for _, then := range after {
		if err == nil {
			then()
		}
	}
	return err
}

// call makes one call, and what to do when it succeeds.
func (s *script) call(words []string) (functions.Call, func()) {
	switch {
	case words[0] == "shut":
		return shut.On(words[1]), func() {}
	case words[1] != "=":
		return commands[words[0]].On(words[1], s.value(words[2])), func() {}
	case words[2] == "exists":
		there := new(bool)
		return accounts.Exists(words[3]).Into(there), func() {
			s.saw[words[0]] = 0
			if *there {
				s.saw[words[0]] = 1
			}
		}
	}
	n := new(int64)
	return balance.On(words[3]).Into(n), func() { s.saw[words[0]] = *n }
}

// value is a number or a variable.
func (s *script) value(word string) int64 {
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		return n
	}
	return s.saw[word]
}
