package plant

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
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

// TestPlants builds with each plant and demands that its check fails, for the reason that the table names; without a plant, the
// same build has to pass it. With -plants all it takes some minutes.
func TestPlants(t *testing.T) {
	var chosen []plant
	for _, p := range table {
		if *plants == "all" || *plants == "few" && slices.Contains(few, p.name) || slices.Contains(strings.Split(*plants, ","), p.name) {
			chosen = append(chosen, p)
		}
	}
	if *plants != "all" && *plants != "few" && len(chosen) != len(strings.Split(*plants, ",")) {
		t.Errorf("not every one of %q is the name of a plant, once", *plants)
	}
	start, caught := time.Now(), 0
	together, apart := fuse(t, chosen)
	fusedBuild := build(t, together.files, chosen)
	t.Logf("built in %v", time.Since(start).Round(time.Second))
	passed := make(map[string]bool) // the checks that pass without a plant
	for _, p := range chosen {
		if t.Run(p.name, func(t *testing.T) {
			b := fusedBuild
			if slices.ContainsFunc(apart, func(a plant) bool { return a.name == p.name }) {
				b = build(t, p.apply(t), []plant{p})
			} else if check := p.pkg + p.test + p.args; !passed[check] {
				b.mustPass(t, p)
				passed[check] = true
			}
			b.mustFail(t, p)
		}) {
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

// built are the tests of some packages, built with changed files.
type built struct{ dir string }

// build builds the tests of the plants' checks with files, which the go command takes in the place of those of the product.
func build(t *testing.T, files map[string]string, plants []plant) built {
	t.Helper()
	dir := t.TempDir()
	args := []string{"test", "-c", "-overlay", overlay(t, dir, files), "-o", dir + string(filepath.Separator)}
	for _, p := range plants {
		if pkg := "./" + p.pkg; !slices.Contains(args, pkg) {
			args = append(args, pkg)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, cut(string(out)))
	}
	return built{dir}
}

// overlay writes files, by path from the root, and their description for the go command into dir, and returns the description's path.
func overlay(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	replace := make(map[string]string)
	for file, text := range files {
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

// run runs the check of a plant with one chosen, or with none, and returns what it prints.
func (b built) run(t *testing.T, p plant, chosen string) (string, error) {
	args := append([]string{"-test.timeout=5m", "-test.run", "^" + p.test + "$"}, strings.Fields(p.args)...)
	cmd := exec.CommandContext(t.Context(), filepath.Join(b.dir, path.Base(p.pkg)+".test"), args...)
	cmd.Dir = filepath.Join(root, p.pkg)
	cmd.Env = append(os.Environ(), chosenBy+"="+chosen)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// mustPass runs the check of a plant without it.
func (b built) mustPass(t *testing.T, p plant) {
	t.Helper()
	if out, err := b.run(t, p, ""); err != nil {
		t.Errorf("without a plant, %s of %s: %v\n%s", p.test, p.pkg, err, cut(out))
	}
}

// mustFail runs the check of a plant with it.
func (b built) mustFail(t *testing.T, p plant) {
	t.Helper()
	start := time.Now()
	out, err := b.run(t, p, p.name)
	if why := p.verdict(out, err); why != "" {
		t.Errorf("%s of %s: %s\n%s", p.test, p.pkg, why, cut(out))
		return
	}
	t.Logf("%s: %s catches it in %v: %s", p.pkg, p.test, time.Since(start).Round(100*time.Millisecond), p.reason(out))
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
