package plant

import (
	"flag"
	"fmt"
	"os/exec"
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
const root = "../.."

// TestPlants builds with each plant and demands that its check fails, for the reason that the table names. With -plants all it
// takes some minutes: nearly all of it is building what depends on the planted package.
func TestPlants(t *testing.T) {
	chosen := strings.Split(*plants, ",")
	switch *plants {
	case "all":
		chosen = nil
		for _, c := range table {
			chosen = append(chosen, c.plant)
		}
	case "few":
		chosen = few
	}
	start, caught := time.Now(), 0
	for _, name := range chosen {
		at := slices.IndexFunc(table, func(c check) bool { return c.plant == name })
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

// mustFail runs the check on a build with the plant.
func (c check) mustFail(t *testing.T) {
	args := []string{"test", "-tags", tagOf(c.plant), "-count=1", "-timeout=2m", "-run", "^" + c.test + "$", "./" + c.pkg}
	args = append(args, strings.Fields(c.args)...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if why := c.verdict(string(out), err); why != "" {
		t.Errorf("go %s: %s\n%s", strings.Join(args, " "), why, cut(string(out)))
		return
	}
	t.Logf("%s: %s catches it in %v: %s", c.pkg, c.test, time.Since(start).Round(100*time.Millisecond), c.reason(string(out)))
}

// verdict says why a run of a check does not count as catching the plant, or nothing if it does.
func (c check) verdict(out string, err error) string {
	switch {
	case err == nil:
		return "the check passes: it does not catch the plant"
	case !strings.Contains(out, "--- FAIL: "+c.test):
		return fmt.Sprintf("the check did not fail, but could not be run: %v", err)
	case c.reason(out) == "":
		return fmt.Sprintf("the check fails for another reason than %q", c.why)
	}
	return ""
}

// reason is the first place in the output that tells the reason for which the check is to fail.
func (c check) reason(out string) string { return regexp.MustCompile(c.why).FindString(out) }

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
	c := check{plant: "x", test: "TestX", why: `want \d+`}
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
		if got := c.verdict(o.out, o.err); (got == "") != (o.want == "") || !strings.Contains(got, o.want) {
			t.Errorf("%q: the verdict is %q, want %q", o.out, got, o.want)
		}
	}
}
