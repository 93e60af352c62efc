package functions_test

import (
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// Users are to hear of a mistake from the compiler where it can tell them: each line of testdata/mistakes that is marked as wrong
// does not compile, for the reason given there, and all others do.
func TestMistakesDoNotCompile(t *testing.T) {
	pkgs, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports,
	}, "./testdata/mistakes")
	must(t, err)
	pkg := pkgs[0]
	wanted := map[int]string{} // by line
	for _, group := range pkg.Syntax[0].Comments {
		for _, c := range group.List {
			if text, ok := strings.CutPrefix(c.Text, "// error: "); ok {
				wanted[pkg.Fset.Position(c.Pos()).Line] = text
			}
		}
	}
	if len(wanted) < 40 {
		t.Fatalf("only %d mistakes were found", len(wanted))
	}
	failed := map[int]bool{}
	for _, e := range pkg.Errors {
		if e.Kind != packages.TypeError {
			continue // the same ones again, from the go command
		}
		line := lineOf(t, e.Pos)
		failed[line] = true
		if want, ok := wanted[line]; !ok || !strings.Contains(e.Msg, want) {
			t.Errorf("line %d: %s\nwant %q", line, e.Msg, want)
		}
	}
	for line, want := range wanted {
		if !failed[line] {
			t.Errorf("line %d compiles; want an error with %q", line, want)
		}
	}
}

// lineOf is the line of a position file:line:column.
func lineOf(t *testing.T, pos string) int {
	t.Helper()
	parts := strings.Split(pos, ":")
	if len(parts) < 3 {
		t.Fatalf("an error without position: %q", pos)
	}
	line, err := strconv.Atoi(parts[len(parts)-2])
	must(t, err)
	return line
}
