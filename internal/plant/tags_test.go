package plant

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func tagOf(plant string) string { return "plant_" + strings.ReplaceAll(plant, "-", "_") }

// TestNoneIsActive: a program that is built without one of the tags has no plant.
func TestNoneIsActive(t *testing.T) {
	if Active != "" {
		t.Fatalf("this program is built with the plant %q", Active)
	}
}

// TestTags: each constant has its own tag file, a place in the tag file of the product, one line in the table whose test exists,
// and a use in the product's code; and there is nothing else.
func TestTags(t *testing.T) {
	constants := readConstants(t)
	if len(constants) < 20 {
		t.Errorf("only %d plants", len(constants))
	}
	sources := readSources(t)
	inTable := map[string]int{}
	for _, c := range table {
		inTable[c.plant]++
		checkExists(t, c)
	}
	for name, plant := range constants {
		checkTagFile(t, plant)
		if n := inTable[plant]; n != 1 {
			t.Errorf("%s is in the table %d times", plant, n)
		}
		if !regexp.MustCompile(`\bplant\.` + name + `\b`).MatchString(sources) {
			t.Errorf("%s is used nowhere", name)
		}
	}
	files, err := filepath.Glob("tag_*.go")
	if err != nil || len(table) != len(constants) || len(files) != len(constants)+1 {
		t.Errorf("%d constants, %d lines in the table, %d tag files and one for none (%v)", len(constants), len(table), len(files)-1, err)
	}
}

// readConstants reads plant.go: the plants by the names of their constants. Each must be documented.
func readConstants(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "plant.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name == "Active" {
			return true
		}
		name := spec.Names[0].Name
		equal, ok := spec.Values[0].(*ast.BinaryExpr)
		if !ok || equal.Op != token.EQL {
			t.Fatalf("%s is not a comparison with the active plant", name)
		}
		literal, ok := equal.Y.(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is not compared with a text", name)
		}
		if !strings.HasPrefix(spec.Doc.Text(), name+": ") {
			t.Errorf("%s has no comment that says what it breaks", name)
		}
		constants[name], err = strconv.Unquote(literal.Value)
		return err == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return constants
}

// checkTagFile checks the file that makes a plant active, and that the one for none excludes its tag.
func checkTagFile(t *testing.T, plant string) {
	t.Helper()
	tag := tagOf(plant)
	name := "tag_" + strings.TrimPrefix(tag, "plant_") + ".go"
	text, err := os.ReadFile(name)
	if want := fmt.Sprintf("//go:build %s\n\npackage plant\n\nconst active = %q\n", tag, plant); err != nil || string(text) != want {
		t.Errorf("%s (%v) is %q, want %q", name, err, text, want)
	}
	none, err := os.ReadFile("tag_none.go")
	if err != nil || !regexp.MustCompile(`[( ]`+tag+`[ )]`).Match(none) {
		t.Errorf("tag_none.go (%v) does not exclude %s", err, tag)
	}
}

// checkExists checks that the test is there that a line of the table names.
func checkExists(t *testing.T, c check) {
	t.Helper()
	if _, err := regexp.Compile(c.why); err != nil || c.why == "" {
		t.Errorf("%s: the reason %q: %v", c.plant, c.why, err)
	}
	files, err := filepath.Glob(filepath.Join(root, c.pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+c.test+"(t ") {
			return
		}
	}
	t.Errorf("%s: %s has no test %s", c.plant, c.pkg, c.test)
}

// readSources is all code of the product, besides this package.
func readSources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		if here, err := filepath.Abs(filepath.Dir(path)); err != nil || filepath.Base(here) == "plant" {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
