// Package rules is what the yardsticks of package ycsb, which are written by hand, have in common: how an operation on rows ends (a
// [Status]), when a transfer is made ([Pay]), and by what two requests with one id are told apart (fingerprint.go).
package rules

import (
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
)

// Status is how a request ended, as it is kept in its outcome row.
type Status byte

// The statuses.
const (
	Done Status = iota // it took effect
	NotFound
	Insufficient
	Refused
	Exists
)

// Err is the error that a request with this status is answered with.
func (s Status) Err() error {
	switch s {
	case Done:
		return nil
	case NotFound:
		return functions.ErrNotFound
	case Insufficient:
		return ycsb.ErrInsufficientFunds
	case Exists:
		return functions.ErrExists
	}
	return ycsb.ErrRefused
}

// Pay is how a transfer ends that takes an amount out of a row with this balance, and that may be refused once it has. there says
// whether all its rows exist.
func Pay(there bool, balance, amount int64, refuse bool) Status {
	switch {
	case !there:
		return NotFound
	case balance < amount:
		return Insufficient
	case refuse:
		return Refused
	}
	return Done
}
