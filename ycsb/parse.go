package ycsb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
)

// ErrSchema: a file is no report of this program's version.
var ErrSchema = errors.New("ycsb: not a report of this version")

// ReadReports reads a file with a report, or with an array of them. Anything that is not one, or is of another [Schema], is
// [ErrSchema]; the error says where in the file it is.
func ReadReports(path string) ([]Report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	reports, err := ParseReports(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return reports, nil
}

// ParseReports reads what [Report.WriteJSON] or [WriteReports] wrote.
func ParseReports(data []byte) ([]Report, error) {
	parts, err := oneOrMore(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrSchema)
	}
	reports := make([]Report, len(parts))
	for i, part := range parts {
		if err := parseReport(part, &reports[i]); err != nil {
			return nil, fmt.Errorf("%w: report %d %w", ErrSchema, i+1, err)
		}
	}
	return reports, nil
}

// oneOrMore splits an array, or takes anything else as an array of one. Its errors are those of text that is no JSON.
func oneOrMore(data []byte) (parts []json.RawMessage, err error) {
	var whole json.RawMessage
	err = json.Unmarshal(data, &whole)
	var syntax *json.SyntaxError
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return nil, fmt.Errorf("it is empty: %w", err)
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(data)):
		return nil, fmt.Errorf("it is no JSON, or cut off: line %d: %w", lineAt(data, syntax.Offset), err)
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("it is no JSON: line %d: %w", lineAt(data, syntax.Offset), err)
	case err != nil:
		return nil, err
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")):
		err = json.Unmarshal(data, &parts)
		return parts, err
	}
	return []json.RawMessage{whole}, nil
}

// lineAt is the number of the line that a byte is in.
func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(offset, int64(len(data)))], []byte("\n"))
}

// parseReport reads one report. Errors name the field.
func parseReport(data []byte, r *Report) error {
	var version struct {
		Schema  *int             `json:"schema"`
		Search  *json.RawMessage `json:"search_schema"`
		Figures *json.RawMessage `json:"figures_schema"`
	}
	switch err := json.Unmarshal(data, &version); {
	case err != nil:
		return fieldError(err)
	case version.Search != nil:
		return errors.New("is that of a search, which cannot be compared")
	case version.Figures != nil:
		return errors.New("is a sheet of cmd/results")
	case version.Schema == nil:
		return errors.New("has no schema; before 2 there was none, and what other programs write has none")
	case *version.Schema != Schema:
		return fmt.Errorf("has schema %d, not %d", *version.Schema, Schema)
	}
	if err := damagedHistogram(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, r); err != nil {
		return fieldError(err)
	}
	return nil
}

// fieldError says which field is not what it should be.
func fieldError(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return fmt.Errorf("cannot be read: %w", err)
	}
	if wrong.Field == "" {
		return fmt.Errorf("is no object but a JSON %s: %w", wrong.Value, err)
	}
	return fmt.Errorf("has a wrong field %s: %w", wrong.Field, err)
}

// damagedHistogram names the histogram that does not decode: the error of the report as a whole does not.
func damagedHistogram(data []byte) error {
	type holder struct {
		Histogram json.RawMessage `json:"histogram"`
	}
	var all struct {
		Kinds  map[string]holder `json:"kinds"`
		Lag    *holder           `json:"generator_lag"`
		Append *holder           `json:"append"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return fieldError(err)
	}
	histograms := make(map[string]json.RawMessage)
	for name, kind := range all.Kinds {
		histograms["kinds."+name+".histogram"] = kind.Histogram
	}
	for name, times := range map[string]*holder{"generator_lag": all.Lag, "append": all.Append} {
		if times != nil {
			histograms[name+".histogram"] = times.Histogram
		}
	}
	for _, name := range slices.Sorted(maps.Keys(histograms)) {
		raw := histograms[name]
		if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			continue // there is none
		}
		if err := new(Histogram).UnmarshalJSON(raw); err != nil {
			return fmt.Errorf("has a damaged %s: %w", name, err)
		}
	}
	return nil
}
