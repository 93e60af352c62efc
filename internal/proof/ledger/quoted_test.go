package ledger

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/ycsb/page"
)

var update = flag.Bool("update", false, "write the ledger's sums into docs/GUARANTEES.md")

// block is the place in the documentation that is made from the ledger.
var block = regexp.MustCompile(`(?s)(<!-- begin ledger -->\n).*?(<!-- end ledger -->)`)

// rows are those of the table: what a check does, in words with the names of its counts in braces, and what it is for.
var rows = []struct{ check, done, promises string }{
	{"sim", "{seeds} seeds: {requests} requests, {starts} starts after crashes, {deadlocks} deadlocks broken, {simulated_seconds} simulated seconds",
		"durability and atomicity, exactly once, serializability, sagas, deadlocks, timers and messages"},
	{"sweep", "{points} crash points", "durability and atomicity, recovery, damaged files"},
	{"topics", "{seeds} seeds: {records} records, {lost_answers} lost answers, {late_commits} late commits, {crashes} crashes",
		"from topic to topic exactly once, in the order of each key"},
	{"chaos", "{kills} kills, {kills_during_recovery} of them while recovering; {asked_again} requests asked again",
		"durability on a real disk, the same outcome for the same id, full disks"},
	{"load", "{transactions_checked} transactions of checked histories", "strict serializability"},
	{"fuzz", "{executions} executions", "whatever bytes are read"},
}

// table tells what the ledger adds up to: on the commit of its last simulation, and on all.
func table(entries []Entry) string {
	var last string
	for _, e := range entries {
		if e.Check == "sim" {
			last = e.Commit
		}
	}
	var of []Entry
	for _, e := range entries {
		if e.Commit == last {
			of = append(of, e)
		}
	}
	var w strings.Builder
	fmt.Fprintf(&w, "| check | on %s | violations | on all commits | violations | promises that it tries |\n|---|---|---:|---|---:|---|\n", last[:min(12, len(last))])
	for _, r := range rows {
		fmt.Fprintf(&w, "| `prove %s` |", r.check)
		for _, entries := range [][]Entry{of, entries} {
			done := regexp.MustCompile(`\{(\w+)\}`).ReplaceAllStringFunc(r.done, func(name string) string {
				sum, _ := Sum(entries, r.check, strings.Trim(name, "{}"))
				return page.Thousands(sum)
			})
			_, violations := Sum(entries, r.check, "")
			if strings.HasPrefix(done, "0 ") {
				done = "-"
			}
			fmt.Fprintf(&w, " %s | %d |", done, violations)
		}
		fmt.Fprintf(&w, " %s |\n", r.promises)
	}
	return w.String()
}

// TestGuaranteesQuoteTheLedger: what the documentation says was tried and found is what the ledger adds up to.
func TestGuaranteesQuoteTheLedger(t *testing.T) {
	const guarantees = "../../../docs/GUARANTEES.md"
	entries, err := Read("../../../results/ledger.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(guarantees)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(block.FindAll(text, -1)); n != 1 {
		t.Fatalf("%s has %d places for the ledger", guarantees, n)
	}
	now := block.ReplaceAllString(string(text), "${1}"+table(entries)+"${2}")
	switch {
	case now == string(text):
	case *update:
		if err := os.WriteFile(guarantees, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not say what the ledger adds up to: go test ./internal/proof/ledger -update", guarantees)
	}
}
