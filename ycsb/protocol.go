package ycsb

import "fmt"

// Protocol is the protocol under which a workload makes the calls of an operation that takes several; 0 is none.
type Protocol uint8

// The protocols.
const (
	Saga         Protocol = iota + 1 // steps with compensations: package saga
	Serializable                     // two-phase locking and two-phase commit: package twopc
)

// String returns "saga" or "serializable".
func (p Protocol) String() string {
	switch p {
	case Saga:
		return "saga"
	case Serializable:
		return "serializable"
	}
	return fmt.Sprintf("Protocol(%d)", uint8(p))
}
