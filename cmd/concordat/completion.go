package main

import (
	"fmt"

	"github.com/concordat-dev/concordat/internal/cli"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Help is shown by kong.
func (*completionCommand) Help() string {
	return `It writes a script that has the shell complete command lines of concordat:

    bash: source <(concordat completion bash)        in ~/.bashrc
    zsh:  source <(concordat completion zsh)         in ~/.zshrc, behind compinit
    fish: concordat completion fish | source         in ~/.config/fish/config.fish`
}

// Run is called by kong.
func (c *completionCommand) Run(p *program) error {
	return cli.WriteCompletion(p.stdout, c.Shell, "concordat")
}

// completeCommand is what such a script calls.
type completeCommand struct {
	Words []string `arg:"" optional:"" empty:"" help:"The words of a command line; the last one is to be completed."`
}

// Run is called by kong.
func (c *completeCommand) Run(p *program) error {
	for _, word := range cli.Complete(new(commands), "concordat", c.Words) {
		if _, err := fmt.Fprintln(p.stdout, word); err != nil {
			return err
		}
	}
	return nil
}
