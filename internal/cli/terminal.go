package cli

import (
	"io"
	"os"

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
