package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Shells are those that [WriteCompletion] writes for.
var Shells = []string{"bash", "zsh", "fish"}

// scripts have a shell ask the program, by its command complete, which words may come next; where it knows none the shell offers files.
var scripts = map[string]string{
	"bash": `_%[1]s() {
	local IFS=$'\n'
	COMPREPLY=($(%[1]s complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _%[1]s %[1]s
`,
	"zsh": `#compdef %[1]s
_%[1]s() {
	local -a found
	found=("${(@f)$(%[1]s complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n "$found[1]" ]]; then compadd -a found; else _files; fi
}
compdef _%[1]s %[1]s
`,
	"fish": `function __%[1]s_complete
	set -l words (commandline -opc) (commandline -ct)
	%[1]s complete -- $words[2..-1] 2>/dev/null
end
complete -c %[1]s -a '(__%[1]s_complete)'
`,
}

// WriteCompletion writes the script that has a shell complete the command lines of a program, which has to have a command complete with the
// words of the line behind "--" that writes what [Complete] returns.
func WriteCompletion(w io.Writer, shell, name string) error {
	script := scripts[shell]
	if script == "" {
		return fmt.Errorf("%w: there is no completion for %q: there is for %s", ErrInput, shell, strings.Join(Shells, ", "))
	}
	_, err := fmt.Fprintf(w, script, name)
	return err
}

// Complete returns what the last of the words, which may be empty, can become: commands, flags, or the values of one that has only some. flags
// is what [Parse] takes.
func Complete(flags any, name string, words []string) []string {
	parser, err := kong.New(flags, kong.Name(name), kong.Exit(func(int) {}))
	if err != nil {
		panic(name + ": the flags are not well-formed: " + err.Error())
	}
	if len(words) == 0 {
		words = []string{""}
	}
	l := line{node: parser.Model.Node}
	last := len(words) - 1
	for _, word := range words[:last] {
		l.take(word)
	}
	return l.candidates(words[last])
}

// line is a command line as far as it was read.
type line struct {
	node  *kong.Node  // the command
	args  int         // arguments of it
	value *kong.Value // of the flag that the next word is for
	plain bool        // behind "--"
}

// take reads a word.
func (l *line) take(word string) {
	name, _, valued := strings.Cut(word, "=")
	switch {
	case word == "=": // bash has it as a word
	case l.value != nil:
		l.value = nil
	case l.plain || !strings.HasPrefix(word, "-"):
		if i := slices.IndexFunc(l.node.Children, func(n *kong.Node) bool { return n.Name == word }); i >= 0 && !l.plain {
			l.node, l.args = l.node.Children[i], 0
			return
		}
		l.args++
	case word == "--":
		l.plain = true
	case !valued:
		if f := l.flag(name); f != nil && !f.IsBool() {
			l.value = f.Value
		}
	}
}

// flag finds a flag of the command or of those that it belongs to.
func (l *line) flag(name string) *kong.Flag {
	for _, group := range l.node.AllFlags(true) {
		for _, f := range group {
			if name == "--"+f.Name || f.Short != 0 && name == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

// candidates are what a word can become.
func (l *line) candidates(word string) (all []string) {
	if word == "=" {
		word = ""
	}
	add := func(prefix string, words ...string) {
		for _, w := range words {
			if strings.HasPrefix(prefix+w, word) {
				all = append(all, prefix+w)
			}
		}
	}
	name, _, valued := strings.Cut(word, "=")
	switch {
	case l.value != nil:
		add("", values(l.value)...)
	case !l.plain && strings.HasPrefix(word, "-") && valued:
		if f := l.flag(name); f != nil {
			add(name+"=", values(f.Value)...)
		}
	case !l.plain && strings.HasPrefix(word, "-"):
		for _, group := range l.node.AllFlags(true) {
			for _, f := range group {
				add("--", f.Name)
			}
		}
	case l.args < len(l.node.Positional):
		add("", values(l.node.Positional[l.args])...)
	case l.args == 0:
		for _, child := range l.node.Children {
			if !child.Hidden {
				add("", child.Name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// values are those that a flag or an argument has to be one of; nothing if it may be anything.
func values(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}
