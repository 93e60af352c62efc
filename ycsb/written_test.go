package ycsb

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/concordat-dev/concordat/internal/scratch"
)

// TestParseWritten: what was cancelled does not count, and what is not such a text is an error that names what is missing or wrong.
func TestParseWritten(t *testing.T) {
	const rest = "rchar: 6976\nwchar: 1\nsyscr: 10\nsyscw: 0\nread_bytes: 77\n"
	for text, want := range map[string]uint64{
		rest + "write_bytes: 8192\ncancelled_write_bytes: 0\n":                     8192,
		rest + "write_bytes: 8192\ncancelled_write_bytes: 4096\n":                  4096,
		rest + "write_bytes: 0\ncancelled_write_bytes: 4096\n":                     0, // of pages that another process has written to
		"cancelled_write_bytes: 1\nwrite_bytes:\t18446744073709551615 \nmore: 5\n": 18446744073709551614,
		"write_bytes: 3\ncancelled_write_bytes: 0":                                 3,
	} {
		if got, err := parseWritten(text); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                         "/proc/self/io has no write_bytes",
		rest:                       "has no write_bytes",
		"write_bytes: 3\n":         "has no cancelled_write_bytes",
		"cancelled_write_bytes: 3": "has no write_bytes",
		"write_bytes: -3\ncancelled_write_bytes: 0":                   "write_bytes of /proc/self/io",
		"write_bytes: many\ncancelled_write_bytes: 0":                 "invalid syntax",
		"write_bytes:\ncancelled_write_bytes: 0":                      "invalid syntax",
		"write_bytes 3\ncancelled_write_bytes: 0":                     "has no write_bytes",
		"write_bytes: 3\ncancelled_write_bytes: 18446744073709551616": "out of range",
		"write_bytes: 3 4\ncancelled_write_bytes: 0":                  "invalid syntax",
	} {
		if got, err := parseWritten(text); !matches(err, want) || got != 0 {
			t.Errorf("%q: %d, error %v, want %q", text, got, err, want)
		}
	}
}

// TestBytesWritten: what the process writes to a disk is counted, where the system tells at all.
func TestBytesWritten(t *testing.T) {
	before := bytesWritten()
	if _, err := os.Stat(ioFile); err != nil {
		if before != nil || writtenSince(before) != nil {
			t.Errorf("there is no %s, and it tells of %d bytes", ioFile, *before)
		}
		return
	}
	dir, err := scratch.Dir("concordat-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if scratch.InMemory(dir) {
		t.Skip("there is no disk")
	}
	const size = 1 << 20
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if n := writtenSince(before); n == nil || *n < size {
		t.Errorf("%v bytes were written, want at least %d", n, size)
	}
	most := ^uint64(0)
	if n := writtenSince(&most); n == nil || *n != 0 {
		t.Errorf("fewer were written than before: %v", n)
	}
}

// appender is a target that has appended something since it was asked last.
type appender struct {
	*memory
	appends []Histogram
}

func (a *appender) Appends() (next Histogram) {
	next, a.appends = a.appends[0], a.appends[1:]
	return next
}

// TestAppendsOfTheMeasuredPart: those before it do not count, and only a lone client's are told in the report.
func TestAppendsOfTheMeasuredPart(t *testing.T) {
	for clients, told := range map[int]bool{1: true, 2: false} {
		synctest.Test(t, func(t *testing.T) {
			var early, measured Histogram
			early.Add(time.Second, 5)
			measured.Add(3*time.Millisecond, 2)
			c := Config{Keys: 2, Driving: Driving{Clients: clients, Duration: time.Second}}
			r, err := runBubble(t.Context(), c, &appender{newMemory(time.Millisecond), []Histogram{early, measured}})
			if err != nil || r.Appends.Count() != 2 || !near(r.Appends.Latency().Max, 3) {
				t.Errorf("%d appends, %+v, %v", r.Appends.Count(), r.Appends.Latency(), err)
			}
			report := NewReport(Setup{Protocol: "limit"}, c, r, Environment{})
			if (report.Append != nil) != told || told && !near(report.Append.P50, 3) {
				t.Errorf("%d clients: the report tells of %+v", clients, report.Append)
			}
		})
	}
}
