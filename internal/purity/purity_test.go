package purity

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const syntaxMode = packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo

func load(t *testing.T, mode packages.LoadMode, patterns ...string) []*packages.Package {
	t.Helper()
	pkgs, err := packages.Load(&packages.Config{Mode: mode}, patterns...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pkgs {
		for _, e := range p.Errors {
			t.Errorf("%s: %v", p.PkgPath, e)
		}
	}
	return pkgs
}

func TestPurePackagesArePure(t *testing.T) {
	var paths []string
	for path := range pure {
		paths = append(paths, path)
	}
	pkgs := load(t, syntaxMode, paths...)
	if len(pkgs) != len(pure) {
		t.Errorf("%d packages are checked, want %d", len(pkgs), len(pure))
	}
	for _, p := range pkgs {
		if len(p.Syntax) == 0 {
			t.Errorf("%s has no files", p.PkgPath)
		}
		for _, f := range check(p, pure[p.PkgPath]) {
			t.Error(f)
		}
	}
}

// TestChecker proves that the check can fail: it finds each line of testdata/impure that is marked, for the reason given there, and
// no other.
func TestChecker(t *testing.T) {
	pkgs := load(t, syntaxMode, "./testdata/impure")
	wanted := map[int]string{}
	for _, group := range pkgs[0].Syntax[0].Comments {
		for _, c := range group.List {
			if text, ok := strings.CutPrefix(c.Text, "// impure: "); ok {
				wanted[pkgs[0].Fset.Position(c.Pos()).Line] = text
			}
		}
	}
	if len(wanted) < 35 {
		t.Fatalf("only %d marked lines", len(wanted))
	}
	for _, f := range check(pkgs[0], nil) {
		want, ok := wanted[f.pos.Line]
		if !ok || !strings.Contains(f.text, want) {
			t.Errorf("%v; want %q", f, want)
		}
		wanted[f.pos.Line] = "found"
	}
	for line, want := range wanted {
		if want != "found" {
			t.Errorf("line %d: nothing found, want %q", line, want)
		}
	}
}

// TestImportsRunOneWay: what is pure imports nothing of what is not, on no way, and the store is reached through one door.
func TestImportsRunOneWay(t *testing.T) {
	for path, imports := range pure {
		for _, other := range imports {
			if _, ok := pure[other]; !ok && strings.HasPrefix(other, module) {
				t.Errorf("%s may import %s, which is not pure", path, other)
			}
			if slices.Contains(pure[other], path) {
				t.Errorf("%s and %s may import each other", path, other)
			}
		}
	}
	pkgs := load(t, packages.NeedName|packages.NeedImports|packages.NeedFiles, module+"...")
	if len(pkgs) < len(pure)+3 {
		t.Fatalf("only %d packages", len(pkgs))
	}
	for _, p := range pkgs {
		for path := range p.Imports {
			if strings.HasPrefix(path, "github.com/cockroachdb/pebble") && !mayImportPebble(p.PkgPath) {
				t.Errorf("%s imports %s: only internal/store, internal/log, internal/table, internal/seams, internal/proof/sim, internal/proof/topics, engine and ycsb may", p.PkgPath, path)
			}
		}
	}
}

func mayImportPebble(path string) bool {
	for _, owner := range []string{"internal/store", "internal/log", "internal/table", "internal/seams", "internal/proof/sim", "internal/proof/topics", "engine", "ycsb"} {
		if path == module+owner || strings.HasPrefix(path, module+owner+"/") {
			return true
		}
	}
	return false
}

// TestPureTestsExist: a pure package without tests would have lost what it is pure for.
func TestPureTestsExist(t *testing.T) {
	for path := range pure {
		tests, err := filepath.Glob(filepath.Join("../..", strings.TrimPrefix(path, module), "*_test.go"))
		if err != nil || len(tests) == 0 {
			t.Errorf("%s has no tests: %v", path, err)
		}
	}
}
