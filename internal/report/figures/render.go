package figures

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// What is in a directory of results. The sheets and the page are not kept in a repository.
const (
	rawDir     = "raw"
	readmeFile = "README.md"
	reportFile = "report.html"
	csvDir     = "csv"
	chartsDir  = "charts"
)

// ErrResults: a directory has no results, or such as cannot be rendered.
var ErrResults = errors.New("figures: there is nothing to render")

// RenderDir renders all summaries of a directory of results beside them, and removes charts that earlier renderings left and this one
// has not. After an [ErrResults] nothing was written.
func RenderDir(dir string) error {
	summaries, err := ReadSummaries(dir)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrResults, err)
	}
	files, err := Render(summaries)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrResults, err)
	}
	err = removeOthers(dir, chartsDir, files)
	for name, data := range files {
		err = errors.Join(err, writeFile(filepath.Join(dir, name), data))
	}
	return err
}

// CheckPlace reports why a directory is no place for results: one whose README is of something else, which rendering would replace.
func CheckPlace(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, readmeFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !bytes.HasPrefix(text, []byte(readmeHead)):
		return fmt.Errorf("%s is not of results, and would be replaced", filepath.Join(dir, readmeFile))
	}
	return nil
}

// Folders are those of a directory of results.
func Folders(dir string) []string {
	return []string{filepath.Join(dir, rawDir), filepath.Join(dir, csvDir), filepath.Join(dir, chartsDir)}
}

// removeOthers removes the files of a folder that are not among these.
func removeOthers(dir, folder string, files map[string][]byte) error {
	entries, err := os.ReadDir(filepath.Join(dir, folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		name := filepath.Join(folder, entry.Name())
		if _, stays := files[name]; !stays && !entry.IsDir() {
			err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
		}
	}
	return err
}

// Publish puts sheets and their summaries into a directory of results.
func Publish(sheets []*Sheet, dir string) error {
	for _, s := range sheets {
		data, err := s.Summary().csv()
		if err == nil {
			err = errors.Join(s.Write(SheetPath(dir, s.Experiment)), writeFile(csvPath(dir, s.Experiment), data))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Render makes the README, the charts and the page, by their paths below the directory of results. A summary of an experiment that
// there is not is an error.
func Render(summaries map[string]*Summary) (map[string][]byte, error) {
	exhibits, err := exhibitsOf(summaries)
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	vectors := make(map[string]template.HTML)
	for _, x := range exhibits {
		for _, p := range x.Charts {
			svg, err := p.draw()
			if err != nil {
				return nil, err
			}
			files[filepath.Join(chartsDir, p.Name+".svg")] = svg
			vectors[p.Name] = template.HTML(svg[max(0, bytes.Index(svg, []byte("<svg"))):]) // HTML has no place for an XML declaration
		}
	}
	files[readmeFile] = readme(exhibits)
	files[reportFile], err = report(exhibits, vectors)
	return files, err
}

// exhibitsOf makes the exhibits in the order of the plan.
func exhibitsOf(summaries map[string]*Summary) (exhibits []exhibit, err error) {
	paper := readPaper()
	plan := NewPlan(false)
	for _, e := range plan.Experiments {
		if s := summaries[e.Name]; s != nil && s.measured() {
			exhibits = append(exhibits, newExhibit(e, s, paper))
		}
	}
	for name := range summaries {
		if _, known := plan.Find(name); !known {
			err = errors.Join(err, fmt.Errorf("figures: there are results of %s, and no such experiment", name))
		}
	}
	if len(exhibits) == 0 {
		err = errors.Join(err, errors.New("figures: nothing has been measured"))
	}
	return exhibits, err
}

// origins are where the exhibits come from: one line if all are from one place.
func origins(exhibits []exhibit) []string {
	return slices.Compact(distinct(exhibits, func(x exhibit) string { return x.Summary.origin() }))
}

// quick reports whether any of it is of a quick plan.
func quick(exhibits []exhibit) bool {
	return slices.ContainsFunc(exhibits, func(x exhibit) bool { return x.Summary.Quick })
}
