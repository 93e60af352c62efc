package figures

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/concordat-dev/concordat/ycsb"
)

// recorder is a Measure that answers 100 a second and keeps what it was asked.
type recorder struct {
	orders []Order
	answer func(Order) (Measurement, error)
}

func (r *recorder) measure(_ context.Context, o Order) (Measurement, error) {
	r.orders = append(r.orders, o)
	if r.answer != nil {
		return r.answer(o)
	}
	return made(100), nil
}

func (r *recorder) names() (names []string) {
	for _, o := range r.orders {
		names = append(names, o.Cell.Name)
	}
	return names
}

func testPlan() Plan {
	first, second, loaded := simple("a"), simple("bb"), simple("ccc")
	first.Rounds, second.Rounds = 2, 2
	loaded.LoadOf, loaded.LoadShare = "a", 0.25
	return Plan{Experiments: []Experiment{{Name: "test", Cells: []Cell{first, second, loaded}}}}
}

func testRunner(t *testing.T, dir string, r *recorder) *Runner {
	t.Helper()
	return &Runner{Dir: dir, Data: t.TempDir(), Seed: 5, Command: "results", Environment: ycsb.Environment{Commit: "abc", Go: "go1", CPU: "cpu"}, Measure: r.measure}
}

// TestRun: rounds alternate between the cells, have seeds of their own, and begin in directories that are removed; a load is a
// share of what was measured.
func TestRun(t *testing.T) {
	r := &recorder{}
	r.answer = func(o Order) (Measurement, error) {
		if _, err := os.Stat(filepath.Dir(o.Dir)); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(o.Dir, nil, 0o600); err != nil {
			t.Errorf("the directory was there before, or cannot be made: %v", err)
		}
		return made(100), nil
	}
	dir := t.TempDir()
	runner := testRunner(t, dir, r)
	sheets, err := runner.Run(t.Context(), testPlan())
	if err != nil || len(sheets) != 1 || !sheets[0].Summary().Complete() {
		t.Fatalf("%+v, %v", sheets, err)
	}
	if got := r.names(); !slices.Equal(got, []string{"a", "bb", "ccc", "a", "bb"}) {
		t.Errorf("measured in the order %v", got)
	}
	if r.orders[0].Seed != 5 || r.orders[3].Seed != 6 || r.orders[0].Rate != 0 || r.orders[2].Rate != 25 {
		t.Errorf("orders %+v", r.orders)
	}
	if left, err := os.ReadDir(runner.Data); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	read, err := ReadSheet(SheetPath(dir, "test"))
	if err != nil || read.Commit != "abc" || read.Seed != 5 || len(read.Cells) != 3 || len(read.Cells[0].Rounds) != 2 {
		t.Errorf("%+v, %v", read, err)
	}
}

// TestGoOn: what was measured on this commit is not measured again; on any other, or changed, program, seed or cell it is.
func TestGoOn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Runner, *Plan)
		again  int
	}{
		"same":          {func(*Runner, *Plan) {}, 0},
		"fresh":         {func(r *Runner, _ *Plan) { r.Fresh = true }, 5},
		"other commit":  {func(r *Runner, _ *Plan) { r.Environment.Commit = "def" }, 5},
		"other Go":      {func(r *Runner, _ *Plan) { r.Environment.Go = "go2" }, 5},
		"other seed":    {func(r *Runner, _ *Plan) { r.Seed = 6 }, 5},
		"quick":         {func(_ *Runner, p *Plan) { p.Quick = true }, 5},
		"changed cell":  {func(_ *Runner, p *Plan) { p.Experiments[0].Cells[1].Keys = 200 }, 2},
		"one more":      {func(_ *Runner, p *Plan) { p.Experiments[0].Cells = append(p.Experiments[0].Cells, simple("dddd")) }, 1},
		"one fewer":     {func(_ *Runner, p *Plan) { p.Experiments[0].Cells = p.Experiments[0].Cells[:2] }, 0},
		"more rounds":   {func(_ *Runner, p *Plan) { p.Experiments[0].Cells[0].Rounds = 3 }, 3},
		"dirty program": {func(r *Runner, _ *Plan) { r.Environment.Commit = "abc+dirty" }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := testRunner(t, dir, &recorder{}).Run(t.Context(), testPlan()); err != nil {
				t.Fatal(err)
			}
			again := &recorder{}
			runner, plan := testRunner(t, dir, again), testPlan()
			c.change(runner, &plan)
			sheets, err := runner.Run(t.Context(), plan)
			if err != nil || len(again.orders) != c.again || !sheets[0].Summary().Complete() {
				t.Errorf("measured %d times more, want %d; %v", len(again.orders), c.again, err)
			}
		})
	}
}

// TestDirtyIsNeverGoneOnWith: nobody knows whether it is the same program.
func TestDirtyIsNeverGoneOnWith(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		r := &recorder{}
		runner := testRunner(t, dir, r)
		runner.Environment.Commit = "abc+dirty"
		if _, err := runner.Run(t.Context(), testPlan()); err != nil || len(r.orders) != 5 {
			t.Errorf("%d measurements, %v", len(r.orders), err)
		}
	}
}

// TestInterrupt: what was measured is kept, what was under way is not, and the same command goes on.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	r := &recorder{}
	r.answer = func(Order) (Measurement, error) {
		m := made(100)
		if len(r.orders) == 3 {
			cancel()
			m.Report.Interrupted = true
		}
		return m, nil
	}
	sheets, err := testRunner(t, dir, r).Run(ctx, testPlan())
	if !errors.Is(err, ErrInterrupted) || len(sheets) != 1 || sheets[0].measured() != 2 {
		t.Fatalf("%+v, %v", sheets, err)
	}
	again := &recorder{}
	sheets, err = testRunner(t, dir, again).Run(t.Context(), testPlan())
	if err != nil || len(again.orders) != 3 || !sheets[0].Summary().Complete() {
		t.Errorf("measured %d times more, %v", len(again.orders), err)
	}
}

// TestWrongAudit: the run goes on, all wrong audits are told, and such a measurement is made again the next time.
func TestWrongAudit(t *testing.T) {
	dir := t.TempDir()
	r := &recorder{}
	r.answer = func(o Order) (Measurement, error) {
		if o.Cell.Name == "bb" {
			return wrong(), ycsb.ErrAudit
		}
		return made(100), nil
	}
	sheets, err := testRunner(t, dir, r).Run(t.Context(), testPlan())
	if err != nil || len(r.orders) != 5 {
		t.Fatalf("%d measurements, %v", len(r.orders), err)
	}
	err = Wrong(sheets)
	if !errors.Is(err, ycsb.ErrAudit) || strings.Count(err.Error(), "cell bb: the books do not balance") != 2 {
		t.Errorf("error %v", err)
	}
	again := &recorder{}
	sheets, err = testRunner(t, dir, again).Run(t.Context(), testPlan())
	if err != nil || !slices.Equal(again.names(), []string{"bb", "bb"}) || Wrong(sheets) != nil {
		t.Errorf("measured again: %v, %v", again.names(), err)
	}
}

// TestFailure: an error other than a wrong audit ends the run and names the cell; what was measured is returned.
func TestFailure(t *testing.T) {
	broken := errors.New("the disk is full")
	r := &recorder{}
	r.answer = func(o Order) (Measurement, error) {
		if o.Cell.Name == "bb" {
			return Measurement{}, broken
		}
		return made(100), nil
	}
	sheets, err := testRunner(t, t.TempDir(), r).Run(t.Context(), testPlan())
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "test, cell bb") || len(sheets) != 1 || sheets[0].measured() != 1 {
		t.Errorf("%+v, %v", sheets, err)
	}
	if _, err := testRunner(t, t.TempDir(), r).Run(t.Context(), Plan{Experiments: []Experiment{{Cells: []Cell{{}}}}}); err == nil {
		t.Error("a plan that is wrong was run")
	}
}

// TestSchema: sheets of other versions, and files that are none, are errors that say so, before anything is measured.
func TestSchema(t *testing.T) {
	for name, text := range map[string]string{
		"schema 101": `{"figures_schema": 101, "experiment": "test", "cells": "of another form"}`,
		"no figures": `[{"schema": 2}]`,
		"has no":     `{"schema": 2}`,
		"not a":      `nonsense`,
	} {
		dir := t.TempDir()
		if err := writeFile(SheetPath(dir, "test"), []byte(text)); err != nil {
			t.Fatal(err)
		}
		r := &recorder{}
		_, err := testRunner(t, dir, r).Run(t.Context(), testPlan())
		if !errors.Is(err, ErrSchema) || len(r.orders) > 0 {
			t.Errorf("%s: error %v after %d measurements", name, err, len(r.orders))
		}
		fresh := testRunner(t, dir, r)
		fresh.Fresh = true
		if _, err := fresh.Run(t.Context(), testPlan()); err != nil {
			t.Errorf("%s: afresh: %v", name, err)
		}
	}
}

// TestFullDisk: a sheet that cannot be written ends the run, says so, and leaves no half of a file.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	path := SheetPath(dir, "test")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.Symlink("/dev/full", path+".new")); err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	sheets, err := testRunner(t, dir, r).Run(t.Context(), testPlan())
	if !errors.Is(err, syscall.ENOSPC) || len(r.orders) != 1 || len(sheets) != 1 {
		t.Errorf("%d measurements, %v", len(r.orders), err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("left behind %v, %v", left, err)
	}
}
