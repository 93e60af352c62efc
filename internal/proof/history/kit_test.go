package history

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// script makes a history from lines such as
//
//	p1 10-20 ok: a x 1, r x [1 2], r y nil, w y 5, add x -3
//
// "10-" has no end. Times may be left out, "p1 ok: ...": then each transaction overlaps all others.
func script(t testing.TB, header Header, text string) *History {
	t.Helper()
	b, err := NewBuilder(header)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range lines(text) {
		tx := parseTx(line)
		if err := b.Add(&tx); err != nil {
			t.Fatalf("line %d, %q: %v", i+2, line, err)
		}
	}
	h, err := b.History()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// lines are the lines that are not empty, trimmed.
func lines(text string) (all []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

func parseTx(line string) Tx {
	head, body, _ := strings.Cut(line, ":")
	fields := strings.Fields(head)
	tx := Tx{Process: int32(number(strings.TrimPrefix(fields[0], "p"))), Start: 0, End: 1_000_000}
	if len(fields) == 3 {
		from, to, _ := strings.Cut(fields[1], "-")
		tx.Start = number(from)
		if to != "" {
			tx.End = number(to)
		}
	}
	switch fields[len(fields)-1] {
	case "fail":
		tx.Status = Failed
	case "unknown":
		tx.Status = Unknown
	}
	for _, op := range strings.Split(body, ",") {
		if words := strings.Fields(op); len(words) > 0 {
			tx.Ops = append(tx.Ops, parseOp(words))
		}
	}
	return tx
}

func parseOp(words []string) Op {
	o := Op{Key: words[1]}
	switch words[0] {
	case "a":
		o.Kind, o.Value = Append, number(words[2])
	case "w":
		o.Kind, o.Value = Write, number(words[2])
	case "add":
		o.Kind, o.Value = Add, number(words[2])
	case "r":
		o.Kind = Read
		switch rest := strings.Join(words[2:], " "); {
		case rest == "nil":
			o.Absent = true
		case strings.HasPrefix(rest, "["):
			o.List = []int64{}
			for _, word := range strings.Fields(strings.Trim(rest, "[]")) {
				o.List = append(o.List, number(word))
			}
		case rest != "":
			o.Value = number(rest)
		}
	default:
		panic(fmt.Sprintf("no operation: %q", words))
	}
	return o
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// kinds are the names of a report's anomalies.
func kinds(r *Report) []Kind {
	all := []Kind{}
	for _, a := range r.Anomalies {
		all = append(all, a.Kind)
	}
	return all
}

// reportText is the report without the line that has the time.
func reportText(t testing.TB, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "checked in") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
