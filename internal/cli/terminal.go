package cli

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Terminal reports whether w is a terminal on which something can be drawn, such as a progress bar: TERM=dumb is none.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// Red makes text red, if it goes to a terminal and nobody has asked for no colours (NO_COLOR, see no-color.org).
func Red(w io.Writer, text string) string {
	if os.Getenv("NO_COLOR") != "" || !Terminal(w) {
		return text
	}
	return "\x1b[31;1m" + text + "\x1b[0m"
}

// usualColumns is the width of a terminal that does not tell its own.
const usualColumns = 80

// Line is the line of a terminal that something is drawn on again and again, each time after a carriage return. What does not fit is
// left out: a line that wraps is two, and the return goes to the beginning of the second only. It is for one goroutine.
type Line struct {
	to     *os.File
	column int
}

// NewLine makes one, or returns nil if w is no [Terminal].
func NewLine(w io.Writer) *Line {
	f, ok := w.(*os.File)
	if !ok || !Terminal(w) {
		return nil
	}
	return &Line{to: f}
}

// Columns is how many characters fit, as the terminal is now. One column stays free: some terminals wrap when the last one is written.
func (l *Line) Columns() int {
	columns, _, err := term.GetSize(int(l.to.Fd()))
	if err != nil || columns < 1 {
		columns = usualColumns
	}
	return columns - 1
}

// Room is the width of a bar beside a text of so many characters: what fits, up to most.
func (l *Line) Room(text, most int) int { return max(0, min(most, l.Columns()-text)) }

// Write implements io.Writer. Each character of the text takes one column.
func (l *Line) Write(text []byte) (int, error) {
	var fits strings.Builder
	columns := l.Columns()
	for _, c := range string(text) {
		switch {
		case c == '\r' || c == '\n':
			l.column = 0
		case l.column >= columns:
			continue
		default:
			l.column++
		}
		fits.WriteRune(c)
	}
	if _, err := io.WriteString(l.to, fits.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}
