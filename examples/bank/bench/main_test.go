package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/ycsb"
)

// few is a mix of 400 operations.
func few() ycsb.Config {
	return ycsb.Config{
		Keys: 20, Mix: ycsb.Mix{Read: 0.5, Transfer: 0.5}, Driving: ycsb.Driving{Clients: 8, Operations: 400, Seed: 1},
	}
}

// TestCompare: a line for each protocol, and nothing is left behind.
func TestCompare(t *testing.T) {
	t.Chdir(t.TempDir())
	var out strings.Builder
	if err := compare(t.Context(), &out, few()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"saga ", "serializable ", "committed/s, 0 failed"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestRefused: transfers that are to be refused fail and leave the money where it is.
func TestRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	config := few()
	config.Mix, config.Rollbacks = ycsb.Mix{Transfer: 1}, 0.5
	for _, protocol := range []string{"saga", "serializable"} {
		r, err := measure(t.Context(), protocol, config)
		if err != nil || r.Failed < 100 || r.Committed < 100 || !errors.Is(r.FirstFailure, bank.ErrInsufficientFunds) {
			t.Errorf("%s: %+v, %v", protocol, r, err)
		}
	}
}

// TestWhatTheBankCanNot is an error, and so is an interrupt before there was anything to measure.
func TestWhatTheBankCanNot(t *testing.T) {
	t.Chdir(t.TempDir())
	config := few()
	config.Mix = ycsb.Mix{Scan: 1}
	if err := compare(t.Context(), new(strings.Builder), config); !errors.Is(err, ycsb.ErrUnable) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := compare(ctx, new(strings.Builder), few()); !errors.Is(err, ycsb.ErrInterrupted) {
		t.Errorf("error %v", err)
	}
}

// TestUnknownOutcomes: of a request that the engine lost nobody knows what became.
func TestUnknownOutcomes(t *testing.T) {
	if err := classify(engine.ErrUnknown); !errors.Is(err, ycsb.ErrUnknown) {
		t.Errorf("error %v", err)
	}
	if err := classify(bank.ErrInsufficientFunds); errors.Is(err, ycsb.ErrUnknown) {
		t.Errorf("a failure counts as unknown: %v", err)
	}
}
