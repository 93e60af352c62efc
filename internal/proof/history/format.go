package history

import (
	"errors"
	"fmt"
)

// Format and Version name the file format, in the header of each file.
const (
	Format  = "concordat-history"
	Version = 1
)

// Workload says what the operations of a history mean.
type Workload string

// The workloads.
const (
	// ListAppend: append(key, value) puts a value at the end of a list, each value once for its key; read(key) is the whole list.
	ListAppend Workload = "list-append"
	// Register: write(key, value) sets a value, each value once for its key; read(key) is the value, or none before the first write.
	Register Workload = "register"
	// Bank: add(account, amount) changes a balance, and the amounts of a transaction sum up to nothing; read(account) is the balance.
	Bank Workload = "bank"
	// Counter: add(key, amount) changes a number that begins with 0, read(key) is the number. Each transaction is one operation.
	Counter Workload = "counter"
	// Sagas: what each saga did and undid, its outcome, and a read of all balances once all have settled.
	Sagas Workload = "saga"
)

// Header is the first line of a file.
type Header struct {
	Format   string   `json:"format"`
	Version  int      `json:"version"`
	Workload Workload `json:"workload"`
	// Accounts is the number of accounts of a bank or of sagas, and Opening the balance with which each of them begins.
	Accounts int   `json:"accounts,omitempty"`
	Opening  int64 `json:"opening,omitempty"`
	// Unsettled says of a saga history that it was recorded while sagas were still under way: those may be half done.
	Unsettled bool `json:"unsettled,omitempty"`
}

// ErrFormat is the error of a file that is no history, or not of this version.
var ErrFormat = errors.New("not a history of this program")

// NewHeader is the header of a new history without accounts.
func NewHeader(w Workload) Header { return Header{Format: Format, Version: Version, Workload: w} }

// BankHeader is the header of a new history of accounts.
func BankHeader(w Workload, accounts int, opening int64) Header {
	return Header{Format: Format, Version: Version, Workload: w, Accounts: accounts, Opening: opening}
}

// Validate reports what is wrong with the header.
func (h Header) Validate() error {
	switch {
	case h.Format != Format:
		return fmt.Errorf("%w: its format is %q, not %q", ErrFormat, h.Format, Format)
	case h.Version != Version:
		return fmt.Errorf("%w: its version is %d, this program reads version %d", ErrFormat, h.Version, Version)
	}
	switch h.Workload {
	case ListAppend, Register, Counter:
		if h.Accounts != 0 || h.Opening != 0 {
			return fmt.Errorf("%w: a %s history has no accounts", ErrFormat, h.Workload)
		}
	case Bank, Sagas:
		if h.Accounts < 1 {
			return fmt.Errorf("%w: a %s history needs accounts, it has %d", ErrFormat, h.Workload, h.Accounts)
		}
	default:
		return fmt.Errorf("%w: the workload is %q, known are %s, %s, %s, %s and %s",
			ErrFormat, h.Workload, ListAppend, Register, Bank, Counter, Sagas)
	}
	if h.Unsettled && h.Workload != Sagas {
		return fmt.Errorf("%w: only a %s history can be unsettled", ErrFormat, Sagas)
	}
	return nil
}

// total is the money of all accounts.
func (h Header) total() int64 { return int64(h.Accounts) * h.Opening }

// Status is what a client knows of the outcome of a transaction.
type Status uint8

// The outcomes.
const (
	// OK: it happened between its start and its end.
	OK Status = iota
	// Failed: it did not happen and never will.
	Failed
	// Unknown: it may have happened at any time after its start, may still happen, or never will.
	Unknown
)

var statusNames = [...]string{OK: "ok", Failed: "fail", Unknown: "unknown"}

func (s Status) String() string { return statusNames[s] }

// OpKind is the kind of an operation.
type OpKind uint8

// The kinds of operations.
const (
	Append OpKind = iota // to a list
	Write                // a register
	Add                  // to a balance
	Read                 // of any of them
)

var opNames = [...]string{Append: "append", Write: "write", Add: "add", Read: "read"}

func (k OpKind) String() string { return opNames[k] }

// Op is one operation of a transaction. The results of reads count in transactions that are OK only.
type Op struct {
	Kind OpKind
	Key  string
	// Value is what is appended, written, added or, from a register or balance, read.
	Value int64
	// List is what was read from a list.
	List []int64
	// Absent: the register that was read has no value.
	Absent bool
}

// Tx is a transaction as its client recorded it.
type Tx struct {
	// Process is the client. It does one transaction at a time. After an outcome that is unknown it may go on.
	Process int32
	// Start and End are nanoseconds since any moment that is the same for the whole history, on a clock that never goes back. The
	// transaction began after Start was read and had ended before End was. End means nothing if the outcome is unknown.
	Start, End int64
	Status     Status
	Ops        []Op
}
