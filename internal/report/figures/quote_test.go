package figures

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func quotableSheet() *Sheet {
	return sheetOf("zipf", measuredAs("saga/1", 108_432, 100_000, 123_456), measuredAs("saga/2", 54_216), measuredAs("none"))
}

func quotable() map[string]*Summary { return map[string]*Summary{"zipf": quotableSheet().Summary()} }

// inBlock is a text whose one block is made from this template, and how that is read.
func inBlock(template string) (text string, read func(string) (string, error)) {
	return "before\n<!-- begin figures from t.md -->\nold\n<!-- end figures -->\nafter\n", func(path string) (string, error) {
		if path != "t.md" {
			return "", fmt.Errorf("there is no %s", path)
		}
		return template, nil
	}
}

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
		"zipf/saga/1 p99 over zipf/saga/2 p50":    "2.17",
		"zipf/saga/1 p99 over zipf/saga/2 p50 ~1": "2",
		"zipf/saga/1 written":                     "700",
		"zipf/saga/2  rate   over zipf/saga/1 ~2": "0.50",
	} {
		text, read := inBlock("about {" + marker + "} a second, 7 times\n")
		got, n, err := Quote(text, read, quotable())
		if err != nil || n != 1 || got != strings.Replace(text, "old", "about "+want+" a second, 7 times", 1) {
			t.Errorf("%s: %q, %d, %v", marker, got, n, err)
		}
		if again, _, err := Quote(got, read, quotable()); err != nil || again != got {
			t.Errorf("%s: brought up to date twice it is %q, %v", marker, again, err)
		}
	}
}

func TestBadQuotes(t *testing.T) {
	for template, want := range map[string]string{
		"{zipf/saga/1}":                             "needs a cell and a field",
		"{}":                                        "needs a cell and a field",
		"{zipfs/saga/1 rate}":                       "no results of zipfs, and no such experiment",
		"{latency/saga/1 rate}":                     "latency has no cell saga/1",
		"{latency/saga/5000/10 speed}":              "no field speed", // is not measured, and wrong all the same
		"{zipf/saga/1 rate.of}":                     "no field rate that is of something",
		"{zipf/saga/1 cpu_longest.of}":              "not measured",
		"{zipf/saga/3 rate}":                        "no cell saga/3",
		"{zipf/saga/1 speed}":                       "no field speed",
		"{zipf/saga/1 rate.mean}":                   ".low and .high",
		"{zipf/saga/1 rate ~0}":                     "digits from 1 to 9",
		"{zipf/saga/1 rate under}":                  `"under" is not understood`,
		"{zipf/saga/1 rate over}":                   `"over" is not understood`,
		"{zipf/saga/1 rate over zipf/none}":         "not measured",
		"{zipf/none rate}":                          "not measured",
		"{zipf/saga/1 rate over zipf/saga/2 speed}": "no field speed",
		"{zipf/saga/1 append_p50}":                  "not measured",
	} {
		text, read := inBlock(template)
		if got, _, err := Quote(text, read, quotable()); err == nil || !strings.Contains(err.Error(), want) || got != text {
			t.Errorf("%s: %q, error %v, which does not contain %q", template, got, err, want)
		}
	}
	text, read := inBlock("7")
	for _, broken := range []string{
		strings.Replace(text, "<!-- end figures -->", "", 1), strings.Replace(text, "<!-- begin figures from t.md -->", "", 1),
		strings.Replace(text, "from ", "", 1), strings.Replace(text, "t.md", "u.md", 1),
	} {
		if got, _, err := Quote(broken, read, quotable()); err == nil || got != broken {
			t.Errorf("%q: %q, %v", broken, got, err)
		}
	}
}

// TestRequote: files are brought up to date, and left alone if something in them is wrong.
func TestRequote(t *testing.T) {
	dir := t.TempDir()
	if err := Publish([]*Sheet{quotableSheet()}, dir); err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- begin figures from quotes/%s.md -->\n", "<!-- end figures -->\n"
	good, bad := fmt.Sprintf(begin, "good"), fmt.Sprintf(begin, "bad")
	for path, text := range map[string]string{
		"quotes/good.md": "{zipf/saga/2 rate}", "quotes/bad.md": "{zipf/saga/9 rate}", "good.md": good + end, "bad.md": good + end + bad + end,
	} {
		if err := writeFile(filepath.Join(dir, path), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Requote(dir, []string{filepath.Join(dir, "bad.md"), filepath.Join(dir, "good.md")}); err == nil || !strings.Contains(err.Error(), "bad.md") {
		t.Errorf("error %v", err)
	}
	for path, want := range map[string]string{"good.md": good + "54,216\n" + end, "bad.md": good + end + bad + end} {
		if text, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}

// TestNotMeasured: a block about what is not measured yet says so, and is checked all the same; once it is measured it has its numbers.
func TestNotMeasured(t *testing.T) {
	text, read := inBlock("{stages/saga/10 cpu_longest.of} takes {stages/saga/10 cpu_longest} of {zipf/saga/1 rate over zipf/saga/2}\n")
	got, n, err := Quote(text, read, quotable())
	want := strings.Replace(text, "old", "Not measured yet: `go run ./cmd/results --only stages`.", 1)
	if err != nil || n != 0 || got != want {
		t.Fatalf("%q, %d, %v", got, n, err)
	}
	all := quotable()
	all["stages"] = staged(t).Summary()
	got, n, err = Quote(got, read, all)
	want = strings.Replace(text, "old", "sealer takes 3.00 of 2.00", 1)
	if err != nil || n != 3 || got != want {
		t.Errorf("%q, %d, %v", got, n, err)
	}
}
