//go:build !unix

package cli

import "os/exec"

// Group does nothing: when the context of the command ends, it is killed.
func Group(*exec.Cmd) {}

// EndGroup does nothing.
func EndGroup(*exec.Cmd) {}
