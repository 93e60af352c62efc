// Package cli is what the project's programs do alike with their command lines.
package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Context ends with the first SIGINT or SIGTERM; the second has its usual effect. Call stop when it is no longer needed.
func Context() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// Parse reads a command line into flags, a pointer to a struct with kong's tags. If all it asks for is help, that is written to stdout
// and chosen is nil. It panics if the struct's tags are not well-formed.
func Parse(flags any, name, about string, args []string, stdout, stderr io.Writer) (chosen *kong.Context, err error) {
	helped := false
	parser, err := kong.New(flags, kong.Name(name), kong.Description(about), kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		panic(name + ": the flags are not well-formed: " + err.Error())
	}
	chosen, err = parser.Parse(args)
	if helped {
		return nil, nil // what was parsed after the help does not count
	}
	return chosen, err
}
