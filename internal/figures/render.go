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
	"strings"
)

// Files of a directory of results, besides the raw ones.
const (
	readmeFile = "README.md"
	reportFile = "report.html"
	csvDir     = "csv"
	chartsDir  = "charts"
)

// RenderDir renders all sheets of a directory of results beside them, and removes what earlier renderings left that is not rendered
// any more.
func RenderDir(dir string) error {
	sheets, err := ReadSheets(dir)
	if err != nil {
		return err
	}
	files, err := Render(sheets)
	if err != nil {
		return err
	}
	for _, old := range []string{csvDir, chartsDir} {
		err = errors.Join(err, removeOthers(dir, old, files))
	}
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

// Publish puts sheets into a directory of results.
func Publish(sheets []*Sheet, dir string) error {
	for _, s := range sheets {
		if err := s.Write(SheetPath(dir, s.Experiment)); err != nil {
			return err
		}
	}
	return nil
}

// Render makes all files but the raw ones, by their paths below the directory of results. A sheet of an experiment that there is
// not is an error.
func Render(sheets map[string]*Sheet) (map[string][]byte, error) {
	exhibits, err := exhibitsOf(sheets)
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	vectors := make(map[string]template.HTML)
	for _, x := range exhibits {
		data, err := x.csv()
		if err != nil {
			return nil, err
		}
		files[filepath.Join(csvDir, x.Experiment.Name+".csv")] = data
		for _, p := range x.Charts {
			for _, format := range []string{"svg", "png"} {
				data, err := p.draw(format)
				if err != nil {
					return nil, err
				}
				files[filepath.Join(chartsDir, p.Name+"."+format)] = data
			}
			svg := files[filepath.Join(chartsDir, p.Name+".svg")]
			vectors[p.Name] = template.HTML(svg[max(0, bytes.Index(svg, []byte("<svg"))):]) // HTML has no place for an XML declaration
		}
	}
	files[readmeFile] = readme(exhibits)
	files[reportFile], err = report(exhibits, vectors)
	return files, err
}

// exhibitsOf makes the exhibits in the order of the plan.
func exhibitsOf(sheets map[string]*Sheet) (exhibits []exhibit, err error) {
	paper := readPaper()
	plan := NewPlan(false)
	for _, e := range plan.Experiments {
		if s := sheets[e.Name]; s != nil && s.measured() > 0 {
			exhibits = append(exhibits, newExhibit(e, s, paper))
		}
	}
	for name := range sheets {
		if _, known := plan.Find(name); !known {
			err = errors.Join(err, fmt.Errorf("figures: there is a sheet of %s, and no such experiment", name))
		}
	}
	if len(exhibits) == 0 {
		err = errors.Join(err, errors.New("figures: nothing has been measured"))
	}
	return exhibits, err
}

// origins are where the exhibits come from: one line if all are from one place.
func origins(exhibits []exhibit) []string {
	return slices.Compact(distinct(exhibits, func(x exhibit) string { return x.Sheet.origin() }))
}

// quick reports whether any of it is of a quick plan.
func quick(exhibits []exhibit) bool {
	return slices.ContainsFunc(exhibits, func(x exhibit) bool { return x.Sheet.Quick })
}

// missing tells which rounds of the plan were not measured.
func (x exhibit) missing() string {
	var cells []string
	for _, m := range x.Sheet.Cells {
		if len(m.Rounds) == 0 {
			cells = append(cells, m.Cell.Name)
		}
	}
	return strings.Join(cells, ", ")
}
