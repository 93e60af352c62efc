package ycsb

import (
	"bufio"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

//go:embed workloads
var shipped embed.FS

// Property is a line of a property file.
type Property struct {
	Key, Value string
	Where      string // file and line, for errors
}

// Properties are those of one or several files; of several with the same key the last counts.
type Properties []Property

// Bounds of property files.
const (
	maxPropertyBytes = 1 << 20 // of a file
	maxProperties    = 10_000  // of a file
)

// ReadProperties reads files and then overrides of the form key=value. A file that is not there, and whose name has neither a
// dot nor a slash, is looked for among those that come along: workloada to workloadf, and transfers. A file of more than a
// mebibyte is an error.
func ReadProperties(files, overrides []string) (Properties, error) {
	var all Properties
	for _, name := range files {
		p, err := readFile(name)
		if err != nil {
			return nil, fmt.Errorf("properties: %w", err)
		}
		all = append(all, p...)
	}
	for _, text := range overrides {
		key, value, ok := strings.Cut(text, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, fmt.Errorf("property: %q is not of the form key=value", text)
		}
		all = append(all, Property{Key: key, Value: strings.TrimSpace(value), Where: "property " + key})
	}
	return all, nil
}

func readFile(name string) (Properties, error) {
	var source io.ReadCloser
	source, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) && !strings.ContainsAny(name, `./\`) {
		var shippedErr error
		if source, shippedErr = shipped.Open("workloads/" + strings.ToLower(name)); shippedErr != nil {
			return nil, fmt.Errorf("%w, and none of those that come along: %s", err, strings.Join(ShippedWorkloads(), ", "))
		}
		err = nil
	}
	if err != nil {
		return nil, err
	}
	p, err := ParseProperties(source, name)
	return p, errors.Join(err, source.Close())
}

// ShippedWorkloads are the names of the property files that come along.
func ShippedWorkloads() []string {
	entries, err := shipped.ReadDir("workloads")
	if err != nil {
		panic("ycsb: the property files are part of the program: " + err.Error())
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// ParseProperties reads the format of java.util.Properties: lines of key=value, key:value or "key value"; comments that begin
// with # or !; a backslash at the end continues a line, and before a character escapes it (\n, \t, \r, \f, \uXXXX, or itself).
// Unlike Java's, text is UTF-8. The name is for errors.
func ParseProperties(r io.Reader, name string) (Properties, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPropertyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxPropertyBytes {
		return nil, fmt.Errorf("%s: has more than %d bytes", name, maxPropertyBytes)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s: is not text in UTF-8", name)
	}
	var all Properties
	lines := bufio.NewScanner(strings.NewReader(string(data)))
	lines.Buffer(nil, maxPropertyBytes+1)
	lines.Split(splitLines)
	for number := 1; lines.Scan(); number++ {
		where := fmt.Sprintf("%s:%d", name, number)
		text := strings.TrimLeft(lines.Text(), " \t\f")
		if text == "" || text[0] == '#' || text[0] == '!' {
			continue
		}
		for continues(text) && lines.Scan() {
			number++
			text = text[:len(text)-1] + strings.TrimLeft(lines.Text(), " \t\f")
		}
		p, err := parseProperty(text, where)
		if err != nil {
			return nil, err
		}
		if all = append(all, p); len(all) > maxProperties {
			return nil, fmt.Errorf("%s: has more than %d properties", name, maxProperties)
		}
	}
	return all, lines.Err()
}

// splitLines is a bufio.SplitFunc for lines that end in \n, \r\n or \r.
func splitLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	for i, b := range data {
		switch {
		case b == '\n', b == '\r' && (i+1 < len(data) && data[i+1] != '\n' || i+1 == len(data) && atEOF):
			return i + 1, data[:i], nil
		case b == '\r' && i+1 < len(data):
			return i + 2, data[:i], nil
		}
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// continues reports whether a line ends in an odd number of backslashes.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// parseProperty splits a line at the first separator that is not escaped.
func parseProperty(line, where string) (Property, error) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
		} else if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(line[end:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	key, err := unescape(line[:end], where)
	if err != nil {
		return Property{}, err
	}
	value, err := unescape(rest, where)
	if err == nil && key == "" {
		err = fmt.Errorf("%s: a property without a key", where)
	}
	return Property{Key: key, Value: strings.TrimSpace(value), Where: where}, err
}

func unescape(s, where string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			if s[i] != '\\' {
				out.WriteByte(s[i])
			}
			continue
		}
		i++
		switch s[i] {
		case 'n':
			out.WriteByte('\n')
		case 't':
			out.WriteByte('\t')
		case 'r':
			out.WriteByte('\r')
		case 'f':
			out.WriteByte('\f')
		case 'u':
			code, err := strconv.ParseUint(s[min(i+1, len(s)):min(i+5, len(s))], 16, 16)
			if err != nil || i+5 > len(s) {
				return "", fmt.Errorf(`%s: \u is not followed by four hexadecimal digits`, where)
			}
			out.WriteRune(rune(code))
			i += 4
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String(), nil
}

// last are the properties that count, in the order in which their keys came up first.
func (p Properties) last() Properties {
	var kept Properties
	for _, property := range p {
		i := slices.IndexFunc(kept, func(k Property) bool { return k.Key == property.Key })
		if i < 0 {
			kept = append(kept, property)
		} else {
			kept[i] = property
		}
	}
	return kept
}
