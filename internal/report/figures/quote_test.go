package figures

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func quotableSheet() *Sheet {
	return sheetOf("zipf", measuredAs("saga/1", 108_432, 100_000, 123_456), measuredAs("saga/2", 54_216), measuredAs("none"))
}

func quotable() map[string]*Summary { return map[string]*Summary{"zipf": quotableSheet().Summary()} }

func TestQuote(t *testing.T) {
	for marker, want := range map[string]string{
		"zipf/saga/1 rate":                        "108,432",
		"zipf/saga/1 rate ~2":                     "110,000",
		"zipf/saga/1 rate.low":                    "100,000",
		"zipf/saga/1 rate.high ~3":                "123,000",
		"zipf/saga/1 rate over zipf/saga/2":       "2.00",
		"zipf/saga/2 rate over zipf/saga/1 ~1":    "0.5",
		"zipf/saga/1 p99":                         "3.25",
		"zipf/saga/1 p99 ~1":                      "3",
		"zipf/saga/1 p50 over zipf/saga/2":        "1.00",
		"zipf/saga/2 deadlocks_per_10000 ~2":      "0.55",
		"zipf/saga/2  rate   over zipf/saga/1 ~2": "0.50",
	} {
		text := "about 1,234.5<!-- figure " + marker + " --> a second, 7 times"
		got, n, err := Quote(text, quotable())
		if err != nil || n != 1 || got != strings.Replace(text, "1,234.5", want, 1) {
			t.Errorf("%s: %q, %d, %v", marker, got, n, err)
		}
		if again, _, err := Quote(got, quotable()); err != nil || again != got {
			t.Errorf("%s: brought up to date twice it is %q, %v", marker, again, err)
		}
	}
}

func TestBadQuotes(t *testing.T) {
	for text, want := range map[string]string{
		"1<!-- figure zipf/saga/1 -->":                     "needs a cell and a field",
		"1<!-- figure latency/saga/1 rate -->":             "no results of latency",
		"1<!-- figure zipf/saga/3 rate -->":                "no cell saga/3",
		"1<!-- figure zipf/saga/1 speed -->":               "no field speed",
		"1<!-- figure zipf/saga/1 rate.mean -->":           ".low and .high",
		"1<!-- figure zipf/saga/1 rate ~0 -->":             "digits from 1 to 9",
		"1<!-- figure zipf/saga/1 rate under -->":          `"under" is not understood`,
		"1<!-- figure zipf/saga/1 rate over -->":           `"over" is not understood`,
		"1<!-- figure zipf/saga/1 rate over zipf/none -->": "not measured",
		"1<!-- figure zipf/none rate -->":                  "not measured",
		"one<!-- figure zipf/saga/1 rate -->":              "not all stand right behind a number",
		"1<!-- figure zipf/saga/1 rate":                    "not all stand right behind a number",
	} {
		if got, _, err := Quote(text, quotable()); err == nil || !strings.Contains(err.Error(), want) || got != text {
			t.Errorf("%s: %q, error %v, which does not contain %q", text, got, err, want)
		}
	}
}

// TestRequote: files are brought up to date, and left alone if something in them is wrong.
func TestRequote(t *testing.T) {
	dir := t.TempDir()
	if err := Publish([]*Sheet{quotableSheet()}, dir); err != nil {
		t.Fatal(err)
	}
	good, bad := filepath.Join(dir, "good.md"), filepath.Join(dir, "bad.md")
	const quote, mistake = "1<!-- figure zipf/saga/2 rate -->", " 2<!-- figure zipf/saga/9 rate -->"
	for path, text := range map[string]string{good: quote, bad: quote + mistake} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Requote(dir, []string{bad, good}); err == nil || !strings.Contains(err.Error(), "bad.md") {
		t.Errorf("error %v", err)
	}
	for path, want := range map[string]string{good: "54,216" + quote[1:], bad: quote + mistake} {
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}
