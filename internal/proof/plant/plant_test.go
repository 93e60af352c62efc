package plant

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var plants = flag.String("plants", "few", "what TestPlants builds with: few, all, or names with commas between them")

// few are the plants that every run of the tests goes through: one of each layer that is quick to build.
var few = []string{"skip-sync", "upgrade-forgets-readers", "cancel-forgets-undo", "read-unsealed"}

// root is the root of the module, from here.
const root = "../../.."

// TestPlants builds with each plant and demands that its check fails, for the reason that the table names. With -plants all it
// takes some minutes: nearly all of it is building what depends on the planted package.
func TestPlants(t *testing.T) {
	chosen := strings.Split(*plants, ",")
	switch *plants {
	case "all":
		chosen = nil
		for _, c := range table {
			chosen = append(chosen, c.name)
		}
	case "few":
		chosen = few
	}
	start, caught := time.Now(), 0
	for _, name := range chosen {
		at := slices.IndexFunc(table, func(c plant) bool { return c.name == name })
		if at < 0 {
			t.Errorf("no plant has the name %q", name)
			continue
		}
		if t.Run(name, func(t *testing.T) { table[at].mustFail(t) }) {
			caught++
		}
	}
	t.Logf("%d of %d plants caught in %v", caught, len(chosen), time.Since(start).Round(time.Second))
}

// source reads a file of the product.
func source(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// apply returns the files that the plant changes, as it has them. What it does not fit is an error.
func (p plant) apply(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for _, e := range p.edits {
		text, begun := files[e.file]
		if !begun {
			text = source(t, e.file)
		}
		if n := strings.Count(text, e.old); n != 1 {
			t.Fatalf("%s: %s has this %d times, not once; where the code has changed, the plant has to follow:\n%s", p.name, e.file, n, e.old)
		}
		files[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	return files
}

// overlay writes what the go command needs to build with the plant, and returns the path of its description.
func (p plant) overlay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	replace := make(map[string]string)
	for file, text := range p.apply(t) {
		planted := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(planted, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(here, file)] = planted
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPlantsFit: each plant changes the product's code as it is, into code that parses, and the test is there that catches it.
func TestPlantsFit(t *testing.T) {
	if len(table) < 60 {
		t.Errorf("only %d plants", len(table))
	}
	names := make(map[string]bool)
	for _, p := range table {
		if names[p.name] || p.breaks == "" || len(p.edits) == 0 {
			t.Errorf("%s is there twice, changes nothing, or does not say what it breaks", p.name)
		}
		names[p.name] = true
		for file, text := range p.apply(t) {
			if text == source(t, file) {
				t.Errorf("%s leaves %s as it is", p.name, file)
			}
			if _, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution); err != nil {
				t.Errorf("%s: %v", p.name, err)
			}
		}
		p.checkExists(t)
	}
}

// checkExists checks that the test is there that is to fail.
func (p plant) checkExists(t *testing.T) {
	t.Helper()
	if _, err := regexp.Compile(p.why); err != nil || p.why == "" {
		t.Errorf("%s: the reason %q: %v", p.name, p.why, err)
	}
	files, err := filepath.Glob(filepath.Join(root, p.pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+p.test+"(t ") {
			return
		}
	}
	t.Errorf("%s: %s has no test %s", p.name, p.pkg, p.test)
}

// mustFail runs the check on a build with the plant.
func (p plant) mustFail(t *testing.T) {
	args := []string{"test", "-overlay", p.overlay(t), "-count=1", "-timeout=5m", "-run", "^" + p.test + "$", "./" + p.pkg}
	args = append(args, strings.Fields(p.args)...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if why := p.verdict(string(out), err); why != "" {
		t.Errorf("go %s: %s\n%s", strings.Join(args, " "), why, cut(string(out)))
		return
	}
	t.Logf("%s: %s catches it in %v: %s", p.pkg, p.test, time.Since(start).Round(100*time.Millisecond), p.reason(string(out)))
}

// verdict says why a run of a check does not count as catching the plant, or nothing if it does.
func (p plant) verdict(out string, err error) string {
	switch {
	case err == nil:
		return "the check passes: it does not catch the plant"
	case !strings.Contains(out, "--- FAIL: "+p.test):
		return fmt.Sprintf("the check did not fail, but could not be run: %v", err)
	case p.reason(out) == "":
		return fmt.Sprintf("the check fails for another reason than %q", p.why)
	}
	return ""
}

// reason is the first place in the output that tells the reason for which the check is to fail.
func (p plant) reason(out string) string { return regexp.MustCompile(p.why).FindString(out) }

// cut shortens a test's output to what can be read.
func cut(out string) string {
	const most = 4000
	if len(out) > most {
		return out[:most] + "..."
	}
	return out
}

// TestVerdicts: a check that passes, that does not build, that dies without failing, or that fails for another reason catches
// nothing.
func TestVerdicts(t *testing.T) {
	p := plant{name: "x", test: "TestX", why: `want \d+`}
	failed := fmt.Errorf("exit status 1")
	for _, o := range []struct {
		out  string
		err  error
		want string
	}{
		{"--- FAIL: TestX (0.1s)\n    x_test.go:1: got 2, want 3\n", failed, ""},
		{"ok\n", nil, "the check passes"},
		{"./x.go:1: undefined: y\nFAIL\t[build failed]\n", failed, "could not be run"},
		{"panic: test timed out\n want 3", failed, "could not be run"},
		{"--- FAIL: TestX (0.1s)\n    x_test.go:9: too little happened\n", failed, "for another reason"},
	} {
		if got := p.verdict(o.out, o.err); (got == "") != (o.want == "") || !strings.Contains(got, o.want) {
			t.Errorf("%q: the verdict is %q, want %q", o.out, got, o.want)
		}
	}
}
