package cli

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a terminal of its own, and the side on which a person would sit.
func terminal(t *testing.T) (file, master *os.File) {
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
	file, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there is no terminal: %v", err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file, master
}

// TestLinesDoNotWrap: of a line that is drawn again and again there is as much as fits, whatever the terminal is.
func TestLinesDoNotWrap(t *testing.T) {
	tty, master := terminal(t)
	t.Setenv("TERM", "xterm")
	line := NewLine(tty)
	if line == nil || NewLine(new(bytes.Buffer)) != nil {
		t.Fatal("a terminal is none, or another thing is one")
	}
	for columns, want := range map[int]string{0: "one██ and more\rtwo", 6: "one██\rtwo", 2: "o\rt", 1: "\r"} {
		if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 9, Col: uint16(columns)}); err != nil {
			t.Fatal(err)
		}
		line.column = 0
		if n, err := fmt.Fprint(line, "one██ and more", "\rtwo"); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		got := make([]byte, 100)
		n, err := master.Read(got)
		if err != nil || string(got[:n]) != want {
			t.Errorf("%d columns: %q, %v", columns, got[:n], err)
		}
		if room := line.Room(4, 30); columns == 6 && room != 1 || columns == 2 && room != 0 || columns == 0 && room != 30 {
			t.Errorf("%d columns: there is room for %d", columns, room)
		}
	}
}

// TestColours: only a terminal has them, and not one that cannot or whose user does not want them; bars need the first two.
func TestColours(t *testing.T) {
	tty, _ := terminal(t)
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
