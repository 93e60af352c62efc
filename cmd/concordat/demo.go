package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/demo"
	"github.com/concordat-dev/concordat/internal/scratch"
)

type demoCommand struct {
	Address string `default:"127.0.0.1:7410" help:"Where the page is served, on the loopback interface. If nothing is given and that is taken, somewhere else."`
	Browser bool   `default:"true" negatable:"" help:"Open the page in a browser, where there is one."`
}

// Help is shown by kong.
func (*demoCommand) Help() string {
	return `It runs a bank twice, in sagas and in serializable transactions, each in an engine that is a process of its own, and serves a page that shows
both side by side, with buttons: make a deadlock, fail a step, pull the plug (SIGKILL), hot key. The data are in a temporary directory, which is
removed at the end. It ends with SIGINT or SIGTERM.`
}

// Run is called by kong.
func (c *demoCommand) Run(p *program) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := scratch.Dir("concordat-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o := demo.Options{
		Dir: dir, Address: c.Address,
		Engine: func(dir, address string) *exec.Cmd {
			cmd := exec.CommandContext(context.Background(), self, "demo-engine", dir, address)
			cli.Group(cmd) // a terminal interrupts the demo alone, which ends its engines
			return cmd
		},
		OnServing: func(url string) {
			fmt.Fprintf(p.stdout, "the demo is at %s\n", url)
			if c.Browser {
				openBrowser(url)
			}
		},
	}
	err = demo.Run(p.ctx, o)
	if errors.Is(err, syscall.EADDRINUSE) && !p.given["address"] {
		o.Address = "127.0.0.1:0"
		err = demo.Run(p.ctx, o)
	}
	return err
}

// openBrowser opens a page where there is a browser with a screen. Whether it does nobody need know: the address was written.
func openBrowser(url string) {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return
		}
	}
	if cmd := exec.Command(name, args...); cmd.Start() == nil {
		go func() { _ = cmd.Wait() }()
	}
}

// demoEngineCommand is an engine of the demo, in a process of its own.
type demoEngineCommand struct {
	Dir     string `arg:""`
	Address string `arg:""`
}

// Run is called by kong.
func (c *demoEngineCommand) Run(p *program) error {
	return demo.RunEngine(p.ctx, c.Dir, c.Address, os.Stdin, p.stdout, p.stderr)
}
