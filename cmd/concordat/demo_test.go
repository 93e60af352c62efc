package main

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// TestDemo: the command says where its page is, the page is there then, with both banks at work, and after an interrupt nothing is left.
func TestDemo(t *testing.T) {
	c := newChild(t, "demo --no-browser --address 127.0.0.1:0")
	c.Stdout = nil
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	url, found := strings.CutPrefix(strings.TrimSpace(line), "the demo is at ")
	if err != nil || !found {
		t.Fatalf("%q, %v, %s", line, err, c.errs.String())
	}
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(answer.Body)
	if err != nil || !strings.Contains(string(page), "Pull the plug") {
		t.Errorf("%v, %s", err, page)
	}
	watched, err := http.Get(url + "/state")
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewReader(watched.Body); ; {
		text, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(text, `"adds":true`) == 2 {
			break
		}
	}
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if status := c.ended(t); status != exitOK {
		t.Errorf("status %d: %s", status, c.errs.String())
	}
	command(t, exitFailed, "no address of the loopback interface", "demo", "--no-browser", "--address", "0.0.0.0:0")
}
