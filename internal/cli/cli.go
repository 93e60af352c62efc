// Package cli is what the project's programs do alike with their command lines: [Parse] reads one, [Context] ends with a signal,
// [Stdout] notices when nobody reads any more, [Outputs] are the files that a command writes, [CheckDir] looks at directories before
// anything is run, [LockDir] keeps others out of one, [Group] is for programs that it starts, a [Line] is one that is drawn again and
// again, and an [Ending] makes an error a message and an exit status.
package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"al.essio.dev/pkg/shellescape"
	"github.com/alecthomas/kong"
)

// Parse reads a command line into flags, a pointer to a struct with kong's tags. If all it asks for is help, that is written to stdout,
// with the exit statuses, and chosen is nil. A value that is given and empty is an error, as it comes of a mistake, and what it would
// mean is what the flag means when it is left out; flags of which "" says something have the tag empty. It panics if the struct's tags
// are not well-formed.
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
	if err != nil {
		return nil, err
	}
	if err := notEmpty(chosen); err != nil {
		return nil, err
	}
	return chosen, nil
}

// notEmpty reports values that are given and empty.
func notEmpty(chosen *kong.Context) error {
	var errs []error
	for _, step := range chosen.Path {
		value := step.Positional
		if step.Flag != nil {
			value = step.Flag.Value
		}
		if value == nil || value.Tag.Has("empty") {
			continue
		}
		what := map[string]string{"DIR": "name of the directory", "FILE": "name of the file"}[value.Tag.PlaceHolder]
		if isEmpty(value.Target.Interface()) {
			errs = append(errs, fmt.Errorf("%s: the %s is empty", value.Name, cmp.Or(what, "value")))
		}
	}
	return errors.Join(errs...)
}

// isEmpty reports whether text, or one of several texts, is empty.
func isEmpty(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case []string:
		return len(v) == 0 || slices.Contains(v, "")
	}
	return false
}

// Given are the flags that the command line has.
func Given(chosen *kong.Context) map[string]bool {
	flags := make(map[string]bool)
	for _, step := range chosen.Path {
		if step.Flag != nil {
			flags[step.Flag.Name] = true
		}
	}
	return flags
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
