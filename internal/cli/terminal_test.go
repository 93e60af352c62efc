package cli

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a terminal of its own.
func terminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there is no terminal: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skipf("there is no terminal: %v", err)
	}
	file, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there is no terminal: %v", err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// TestColours: only a terminal has them, and not one that cannot or whose user does not want them; bars need the first two.
func TestColours(t *testing.T) {
	tty := terminal(t)
	for _, test := range []struct {
		term, noColor string
		draws, red    bool
	}{
		{"xterm", "", true, true}, {"xterm", "1", true, false}, {"dumb", "", false, false}, {"dumb", "1", false, false}, {"", "", true, true},
	} {
		t.Setenv("TERM", test.term)
		t.Setenv("NO_COLOR", test.noColor)
		if draws, red := Terminal(tty), Red(tty, "x") != "x"; draws != test.draws || red != test.red {
			t.Errorf("TERM=%s NO_COLOR=%s: draws %v, red %v", test.term, test.noColor, draws, red)
		}
	}
	t.Setenv("TERM", "xterm")
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if Terminal(null) || Terminal(new(bytes.Buffer)) || Red(null, "x") != "x" {
		t.Error("what is no terminal is one")
	}
}
