// Package ledger keeps the file that says what has been proven, when, and on which commit: a line of JSON for each run of a check.
package ledger

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Entry is a line of the ledger.
type Entry struct {
	Date    time.Time `json:"date"` // when the run ended
	Commit  string    `json:"commit"`
	Command string    `json:"command"` // the command line that repeats it
	Check   string    `json:"check"`   // sim, sweep, topics, chaos, load, check or fuzz
	Seconds float64   `json:"seconds"`
	// Counts are what was done, by name: seeds, crash points, kills, transactions.
	Counts     map[string]int `json:"counts"`
	Violations int            `json:"violations"`
	Go         string         `json:"go"`
	CPU        string         `json:"cpu"`
}

// Validate reports what is wrong with an entry: one that counts nothing, or without its commit or command, proves nothing.
func (e Entry) Validate() error {
	switch {
	case e.Date.IsZero() || e.Commit == "" || e.Command == "" || e.Check == "":
		return errors.New("ledger: an entry needs a date, a commit, a command and a check")
	case len(e.Counts) == 0:
		return errors.New("ledger: an entry without counts proves nothing")
	}
	return nil
}

// Write writes an entry as a line, in one go.
func Write(w io.Writer, e Entry) error {
	if err := e.Validate(); err != nil {
		return err
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// Append adds an entry to the file, which is made if it is missing.
func Append(path string, e Entry) error {
	if err := e.Validate(); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return errors.Join(Write(f, e), f.Close())
}

// Read reads the file.
func Read(path string) (entries []Entry, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var e Entry
		err := json.Unmarshal(lines.Bytes(), &e)
		if err == nil {
			err = e.Validate()
		}
		if err != nil {
			return nil, fmt.Errorf("ledger: %s, line %d: %w", path, n, err)
		}
		entries = append(entries, e)
	}
	return entries, lines.Err()
}

// Sum adds up a count over all entries of a check, and their violations.
func Sum(entries []Entry, check, count string) (sum, violations int) {
	for _, e := range entries {
		if e.Check == check {
			sum += e.Counts[count]
			violations += e.Violations
		}
	}
	return sum, violations
}
