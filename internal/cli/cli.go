// Package cli is what the project's programs do alike with their command lines: [Parse] reads one, [Context] ends with a signal,
// [Stdout] notices when nobody reads any more, [Outputs] are the files that a command writes, [CheckDir] looks at directories before
// anything is run, [LockDir] keeps others out of one, [Group] is for programs that it starts, and an [Ending] makes an error a message and an exit status.
package cli

import (
	"fmt"
	"io"

	"al.essio.dev/pkg/shellescape"
	"github.com/alecthomas/kong"
)

// Parse reads a command line into flags, a pointer to a struct with kong's tags. If all it asks for is help, that is written to stdout,
// with the exit statuses, and chosen is nil. It panics if the struct's tags are not well-formed.
func Parse(flags any, name, about string, args []string, stdout, stderr io.Writer) (chosen *kong.Context, err error) {
	helped := false
	parser, err := kong.New(flags, kong.Name(name), kong.Description(about), kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }), kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Help(help))
	if err != nil {
		panic(name + ": the flags are not well-formed: " + err.Error())
	}
	chosen, err = parser.Parse(args)
	if helped {
		return nil, nil // what was parsed after the help does not count
	}
	return chosen, err
}

// help writes kong's help and the exit statuses.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprint(ctx.Stdout, "\n"+Statuses)
	return err
}

// Command is a command line that a shell takes for these words.
func Command(words ...string) string { return shellescape.QuoteCommand(words) }
