package figures

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A text quotes numbers in blocks that are made from templates, so that it reads well as source:
//
//	<!-- begin figures from docs/figures/transfers.md -->
//	does 108,000 a second
//	<!-- end figures -->
//
// The path is that of the template, from the text's folder. There a number is asked for in braces:
//
//	does {transfers/serializable/5000/1 rate ~3} a second
//
// That names an experiment and a cell of it, joined by a slash, and a [Field], of which it is the median; with .low or .high it is an
// end of the range, and with .of what the number is of, for a field with subjects. "over EXPERIMENT/CELL" divides it by the same field of
// another cell, "over EXPERIMENT/CELL FIELD" by another one. "~3" rounds to three digits.
//
// A block that quotes an experiment of the plan without any results says so in the place of its template, and which command measures it.
var (
	blocks = regexp.MustCompile(`(?s)(<!-- begin figures from (\S+) -->\n).*?(<!-- end figures -->)`)
	quotes = regexp.MustCompile(`\{([^{}]*)\}`)
)

// Quote brings the blocks of a text up to date and tells how many numbers they quote. A block whose template read does not find, a
// number that cannot be understood, or one of a cell that is not there, is an error that names it.
func Quote(text string, read func(template string) (string, error), summaries map[string]*Summary) (updated string, count int, err error) {
	found := len(blocks.FindAllString(text, -1))
	if begun, ended := strings.Count(text, "<!-- begin figures"), strings.Count(text, "<!-- end figures"); begun != found || ended != found {
		err = fmt.Errorf("figures: of %d blocks that begin and %d that end, %d are whole", begun, ended, found)
	}
	updated = blocks.ReplaceAllStringFunc(text, func(block string) string {
		parts := blocks.FindStringSubmatch(block)
		template, readErr := read(parts[2])
		if readErr != nil {
			err = errors.Join(err, readErr)
			return block
		}
		filled, n, fillErr := fill(template, summaries)
		if fillErr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", parts[2], fillErr))
			return block
		}
		if missing := unmeasured(template, summaries); len(missing) > 0 {
			filled, n = notMeasured(missing), 0
		}
		count += n
		return parts[1] + strings.TrimSuffix(filled, "\n") + "\n" + parts[3]
	})
	return updated, count, err
}

// unmeasured are the experiments that a template quotes and that have no results.
func unmeasured(template string, summaries map[string]*Summary) (names []string) {
	for _, quote := range quotes.FindAllStringSubmatch(template, -1) {
		name, _, _ := strings.Cut(quote[1], "/")
		if summaries[name] == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// notMeasured is what stands in the place of numbers that there are not.
func notMeasured(experiments []string) string {
	return fmt.Sprintf("Not measured yet: `go run ./cmd/results --only %s`.", strings.Join(experiments, ","))
}

// fill puts numbers into a template.
func fill(template string, summaries map[string]*Summary) (text string, count int, err error) {
	text = quotes.ReplaceAllStringFunc(template, func(quote string) string {
		marker := strings.Trim(quote, "{}")
		count++
		number, quoteErr := quoted(marker, summaries)
		if quoteErr != nil {
			err = errors.Join(err, fmt.Errorf("figures: quote %q: %w", marker, quoteErr))
		}
		return number
	})
	return text, count, err
}

// quoted is the number that a pair of braces asks for.
func quoted(marker string, summaries map[string]*Summary) (string, error) {
	words := strings.Fields(marker)
	if len(words) < 2 {
		return "", errors.New("it needs a cell and a field")
	}
	if field, isSubject := strings.CutSuffix(words[1], ".of"); isSubject && len(words) == 2 {
		return subject(words[0], Field(field), summaries)
	}
	v, digits, err := look(words[0], words[1], summaries)
	if err != nil {
		return "", err
	}
	for rest := words[2:]; len(rest) > 0; {
		rounding, rounds := strings.CutPrefix(rest[0], "~")
		switch {
		case rounds:
			significant, err := strconv.Atoi(rounding)
			if err != nil || significant < 1 || significant > 9 {
				return "", fmt.Errorf("%q is not ~ with a number of digits from 1 to 9", rest[0])
			}
			v, digits = roundTo(v, significant)
			rest = rest[1:]
		case rest[0] == "over" && len(rest) > 1:
			path, field := rest[1], words[1]
			if rest = rest[2:]; len(rest) > 0 && !strings.HasPrefix(rest[0], "~") {
				field, rest = rest[0], rest[1:]
			}
			by, _, err := look(path, field, summaries)
			if err != nil {
				return "", err
			}
			if by == 0 {
				return "", fmt.Errorf("the %s of %s is 0", field, path)
			}
			v, digits = v/by, 2
		default:
			return "", fmt.Errorf("%q is not understood", rest[0])
		}
	}
	return format(v, digits), nil
}

// find finds a cell by its experiment and name.
func find(path string, summaries map[string]*Summary) (*Summed, error) {
	experiment, cell, _ := strings.Cut(path, "/")
	s := summaries[experiment]
	switch {
	case s == nil:
		return planned(experiment, cell)
	case s.Quick:
		return nil, fmt.Errorf("what there is of %s is of a quick run, whose numbers are not quoted", experiment)
	}
	c := s.find(cell)
	if c == nil {
		return nil, fmt.Errorf("%s has no cell %s", experiment, cell)
	}
	return c, nil
}

// planned stands in for a cell of an experiment without results, so that a template can be checked before there are any: each of its
// numbers is 1.
func planned(experiment, cell string) (*Summed, error) {
	e, found := NewPlan(false).Find(experiment)
	switch {
	case !found:
		return nil, fmt.Errorf("there are no results of %s, and no such experiment", experiment)
	case !slices.ContainsFunc(e.Cells, func(c Cell) bool { return c.Name == cell }):
		return nil, fmt.Errorf("%s has no cell %s", experiment, cell)
	}
	c := &Summed{Name: cell, values: make(map[Field]Value)}
	for f := range fields {
		c.values[f] = Value{Median: 1, Low: 1, High: 1}
	}
	return c, nil
}

// subject is what a number of a cell is of.
func subject(path string, f Field, summaries map[string]*Summary) (string, error) {
	of := subjects[f]
	if of == nil {
		return "", fmt.Errorf("there is no field %s that is of something", f)
	}
	c, err := find(path, summaries)
	if err != nil {
		return "", err
	}
	if _, measured := c.Value(f); !measured {
		return "", fmt.Errorf("%s of %s was not measured", f, path)
	}
	return of(*c), nil
}

// look finds the number of a cell, and with how many digits it is written.
func look(path, name string, summaries map[string]*Summary) (v float64, digits int, err error) {
	c, err := find(path, summaries)
	if err != nil {
		return 0, 0, err
	}
	base, part, _ := strings.Cut(name, ".")
	f, known := fields[Field(base)]
	if !known {
		return 0, 0, fmt.Errorf("there is no field %s", base)
	}
	value, ok := c.Value(Field(base))
	if !ok {
		return 0, 0, fmt.Errorf("%s of %s was not measured", base, path)
	}
	switch part {
	case "":
		return value.Median, f.digits, nil
	case "low":
		return value.Low, f.digits, nil
	case "high":
		return value.High, f.digits, nil
	}
	return 0, 0, fmt.Errorf("of a field there are .low and .high, not .%s", part)
}

// roundTo rounds to so many significant digits, and tells how many of them are behind the point.
func roundTo(v float64, significant int) (rounded float64, digits int) {
	if v == 0 {
		return 0, 0
	}
	digits = significant - 1 - int(math.Floor(math.Log10(math.Abs(v))))
	scale := math.Pow(10, float64(digits))
	return math.Round(v*scale) / scale, max(0, digits)
}

// Requote brings the quoted numbers of files up to date with the summaries of a directory of results. A file in which something is
// wrong is left as it is.
func Requote(dir string, files []string) error {
	summaries, err := ReadSummaries(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		updated, _, err := Quote(string(text), templatesOf(path), summaries)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		} else if updated != string(text) {
			errs = append(errs, rewrite(path, []byte(updated)))
		}
	}
	return errors.Join(errs...)
}

// templatesOf reads templates by their paths from the folder of a text, or of what it is a link to.
func templatesOf(text string) func(string) (string, error) {
	return func(template string) (string, error) {
		real, err := filepath.EvalSymlinks(text)
		if err != nil {
			return "", err
		}
		data, err := os.ReadFile(filepath.Join(filepath.Dir(real), filepath.FromSlash(template)))
		return string(data), err
	}
}

// rewrite replaces what a file holds. Its mode stays, and a link to it stays a link.
func rewrite(path string, data []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return replace(path, data, info.Mode().Perm())
}
