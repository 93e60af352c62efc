package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/report/figures"
	"github.com/concordat-dev/concordat/ycsb"
)

// settle fills in the defaults that hang on other flags, and reports flags that contradict each other.
func (f *flags) settle(given map[string]bool) error {
	f.Quote = slices.DeleteFunc(f.Quote, func(path string) bool { return path == "" }) // --quote= is none
	if f.Quick && len(f.Quote) > 0 {
		return cli.Usage(errors.New("quick: numbers of a quick run are not quoted; leave out --quote"))
	}
	for _, mode := range []struct {
		on   bool
		name string
		idle []string
	}{
		{f.Render, "render", []string{"work", "only", "quick", "fresh", "seed"}},
		{f.List, "list", []string{"out", "work", "fresh", "seed", "quote"}},
	} {
		for _, name := range mode.idle {
			if mode.on && given[name] {
				return cli.Usage(fmt.Errorf("%s: nothing is measured, so --%s has no meaning", mode.name, name))
			}
		}
	}
	if err := f.settlePairs(given); err != nil {
		return err
	}
	if !given["quote"] && !f.Quick {
		f.Quote = quoting
	}
	if !given["out"] {
		f.Out = "results"
		if f.Quick {
			f.Out = "results-quick"
		}
	}
	if given["only"] && len(f.Only) == 0 {
		return cli.Usage(errors.New("only: it names no experiment"))
	}
	return nil
}

// refuse refuses to measure what no commit has, other than in a hurry.
func (f flags) refuse(e ycsb.Environment) error {
	if f.Quick || !strings.HasSuffix(e.Commit, "+dirty") {
		return nil
	}
	return cli.Usage(errors.New("the working tree has changes, so nobody could repeat what is measured: commit them, or give --quick"))
}

// check looks at everything that is going to be written, before the first measurement.
func (f flags) check(work string) error {
	errs := []error{cli.CheckDir("out", f.Out), cli.CheckDir("work", work), place("out", f.Out), place("work", work)}
	for _, dir := range figures.Folders(f.Out) {
		if _, err := os.Stat(dir); err == nil {
			errs = append(errs, cli.CheckDir("out", dir))
		}
	}
	if samePath(f.Out, work) {
		errs = append(errs, cli.Usage(fmt.Errorf("work: %s is the directory of --out, too", work)))
	}
	for i, path := range f.Quote {
		errs = append(errs, cli.CheckRewritten("quote", path))
		if slices.ContainsFunc(f.Quote[:i], func(other string) bool { return samePath(other, path) }) {
			errs = append(errs, cli.Usage(fmt.Errorf("quote: %s is given twice", path)))
		}
		if below(f.Out, path) {
			errs = append(errs, cli.Usage(fmt.Errorf("quote: %s is in the directory of --out", path)))
		}
	}
	return firstOf(errs)
}

func place(flag, dir string) error {
	if err := figures.CheckPlace(dir); err != nil {
		return cli.Usage(fmt.Errorf("%s: %w", flag, err))
	}
	return nil
}

// firstOf is the first error: the others are often its consequence.
func firstOf(errs []error) error {
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}

// real is a path without links, as far as there is something.
func real(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(real(parent), filepath.Base(path))
	}
	return path
}

func samePath(a, b string) bool { return real(a) == real(b) }

// below reports whether a file is somewhere in a directory that results are written into.
func below(dir, path string) bool {
	return slices.ContainsFunc(append(figures.Folders(dir), dir), func(folder string) bool {
		return strings.TrimPrefix(real(path), real(folder)+string(filepath.Separator)) == filepath.Base(real(path))
	})
}
