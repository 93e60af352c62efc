package purity_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is where the module is.
const root = "../.."

// packages are the folders with Go files that are no tests, with those files.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && path != root) {
			if err == nil {
				err = fs.SkipDir
			}
			return err
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			dir, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			found[dir] = append(found[dir], d.Name())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 25 {
		t.Fatalf("there are only %d packages", len(found))
	}
	return found
}

// TestFileMap: the file map of docs/ARCHITECTURE.md has every package, and nothing that is gone; where it says to start there is a file.
func TestFileMap(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, fileMap, found := strings.Cut(string(page), "## File map")
	fileMap, _, ends := strings.Cut(fileMap, "\n## ")
	if !found || !ends {
		t.Fatal("there is no file map")
	}
	there, named := packages(t), map[string]bool{}
	for line := range strings.Lines(fileMap) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		var files []string
		for _, m := range regexp.MustCompile("`([^`]+)/`").FindAllStringSubmatch(cells[1], -1) {
			named[m[1]] = true
			files = append(files, there[m[1]]...)
			if info, err := os.Stat(filepath.Join(root, m[1])); err != nil || !info.IsDir() {
				t.Errorf("the map names %s/, which is gone", m[1])
			}
		}
		for _, name := range regexp.MustCompile(`\w+\.go`).FindAllString(cells[3], -1) {
			if !slices.Contains(files, name) {
				t.Errorf("the map says to start at %s in %s, where it is not", name, cells[1])
			}
		}
	}
	for dir := range there {
		if !named[dir] && !strings.HasPrefix(dir, "examples") {
			t.Errorf("the map does not have %s/", dir)
		}
	}
}

// TestNamedFilesExist: the files that the pages and the comments of packages name are there.
func TestNamedFilesExist(t *testing.T) {
	there := packages(t)
	inPages := regexp.MustCompile("`((?:[a-z]+/)+\\w+\\.go)`")
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) < 8 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, path := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inPages.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s, which is gone", filepath.Base(path), m[1])
			}
		}
	}
	for dir, files := range there {
		for _, name := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			known := slices.Clone(files)
			for of, more := range there { // "package ycsb/tpcc: stock.go" is of that one
				if strings.Contains(parsed.Doc.Text(), "package "+of) {
					known = append(known, more...)
				}
			}
			for _, other := range regexp.MustCompile(`\b[a-z]\w*\.go\b`).FindAllString(parsed.Doc.Text(), -1) {
				if !slices.Contains(known, other) {
					t.Errorf("the comment of package %s names %s, which is not there", dir, other)
				}
			}
		}
	}
}

// TestProofIsApart: what exists to prove and to report is imported by its own commands only, so that the product knows nothing of it.
func TestProofIsApart(t *testing.T) {
	apart := regexp.MustCompile("^\"github.com/concordat-dev/concordat/internal/(proof|report)/")
	from := regexp.MustCompile(`^(internal/(proof|report)/|cmd/(prove|results)$)`)
	for dir, files := range packages(t) {
		for _, name := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, dir, name), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range parsed.Imports {
				if apart.MatchString(i.Path.Value) && !from.MatchString(dir) {
					t.Errorf("%s/%s imports %s", dir, name, i.Path.Value)
				}
			}
		}
	}
}
