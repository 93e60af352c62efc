package figures

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
)

//go:embed report.html
var reportHTML string

var reportLayout = template.Must(template.New("report").Parse(reportHTML))

// report makes the page, which needs no other file.
func report(exhibits []exhibit, vectors map[string]template.HTML) ([]byte, error) {
	type section struct {
		exhibit
		Anchor, Missing, Origin string
		Pictures                []template.HTML
	}
	var sections []section
	for _, x := range exhibits {
		s := section{exhibit: x, Anchor: x.Experiment.Name, Missing: x.Summary.missing(), Origin: x.Summary.origin()}
		for _, p := range x.Charts {
			s.Pictures = append(s.Pictures, vectors[p.Name])
		}
		sections = append(sections, s)
	}
	warning := ""
	if quick(exhibits) {
		warning = quickWarning
	}
	var out bytes.Buffer
	err := reportLayout.Execute(&out, map[string]any{
		"Sections": sections, "Origins": origins(exhibits), "How": howMeasured, "Paper": paperWords(readPaper()), "Warning": warning,
	})
	if err != nil {
		return nil, fmt.Errorf("figures: render the report: %w", err)
	}
	return out.Bytes(), nil
}
