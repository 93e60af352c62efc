package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Outputs are the files that a command writes besides its standard output. All are opened before it begins, so that a run of an hour
// does not end with a path that cannot be written, and none is touched before there is something to write. Each is written to by one
// flag only. They are for one goroutine.
type Outputs struct {
	ctx            context.Context
	stdout, stderr io.Writer
	all            []*Output
	read           []named // the files that the command reads
}

// named is a file and the flag that names it.
type named struct {
	flag string
	info fs.FileInfo
}

// NewOutputs makes a set without any. The context ends the wait for the reader of a named pipe.
func NewOutputs(ctx context.Context, stdout, stderr io.Writer) *Outputs {
	return &Outputs{ctx: ctx, stdout: stdout, stderr: stderr}
}

// Output is what a flag has written. The zero value is none.
type Output struct {
	flag, path string
	to         io.Writer // nil: none
	file       *os.File  // nil: standard output or error
	made       string    // the path of the file if it was not there before
	beside     string    // the path of a file that is to take its place, "" if there is none
	appends    bool
	isStdout   bool
	held       bytes.Buffer
	closed     bool
}

// Input notes that a flag's file is read, so that no output may replace it.
func (o *Outputs) Input(flag, path string) {
	if info, err := os.Stat(path); err == nil {
		o.read = append(o.read, named{flag, info})
	}
}

// Open opens what a flag names: "" is none, "-" the standard output, and so is any other name of it. What a regular file holds is
// replaced when the output is closed. A device or a pipe is written as it is; for somebody who reads a named pipe it waits. An error is
// [ErrUsage] and names the flag: a path that cannot be written, that another flag has, or that is read; or [ErrInterrupted].
func (o *Outputs) Open(flag, path string) (*Output, error) { return o.open(flag, path, 0) }

// OpenToAppend is Open of a file that what is written is added to.
func (o *Outputs) OpenToAppend(flag, path string) (*Output, error) {
	return o.open(flag, path, os.O_APPEND)
}

func (o *Outputs) open(flag, path string, how int) (*Output, error) {
	out := &Output{flag: flag, path: path, appends: how == os.O_APPEND}
	if path == "" {
		return out, nil
	}
	if err := o.resolve(out, how); errors.Is(err, ErrInterrupted) {
		return nil, err
	} else if err != nil {
		return nil, Usage(fmt.Errorf("%s: %w", flag, err))
	}
	o.all = append(o.all, out)
	if other := o.taken(out); other != "" {
		return nil, Usage(fmt.Errorf("%s: %s is the file of --%s, too", flag, path, other))
	}
	return out, nil
}

// resolve finds what the path stands for.
func (o *Outputs) resolve(out *Output, how int) (err error) {
	info, statErr := os.Stat(out.path)
	switch {
	case out.path == "-" || statErr == nil && isFile(o.stdout, info):
		out.to, out.isStdout = o.stdout, true
		return nil
	case statErr == nil && isFile(o.stderr, info):
		out.to = o.stderr
		return nil
	case statErr == nil && info.Mode()&fs.ModeNamedPipe != 0:
		out.file, err = o.openPipe(out.flag, out.path)
	default:
		out.file, err = os.OpenFile(out.path, os.O_WRONLY|os.O_CREATE|how, 0o644)
	}
	if err != nil {
		return err
	}
	out.to = out.file
	if errors.Is(statErr, fs.ErrNotExist) {
		out.made, err = filepath.EvalSymlinks(out.path)
	}
	return err
}

// openPipe opens a pipe and waits for somebody who reads it.
func (o *Outputs) openPipe(flag, path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if !errors.Is(err, syscall.ENXIO) {
		return file, err
	}
	fmt.Fprintf(o.stderr, "note: %s: %s is a pipe that nobody reads yet; waiting\n", flag, path)
	type opened struct {
		file *os.File
		err  error
	}
	result := make(chan opened, 1)
	go func() { // an interrupt leaves it behind: what waits in open cannot be called off, and the program is about to end
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		result <- opened{file, err}
	}()
	select {
	case r := <-result:
		return r.file, r.err
	case <-o.ctx.Done():
		return nil, ErrInterrupted
	}
}

// isFile reports whether w is the file. Of the null device there is no need to know.
func isFile(w io.Writer, info fs.FileInfo) bool {
	if s, ok := w.(*Stdout); ok {
		w = s.to
	}
	f, ok := w.(*os.File)
	if !ok || isNull(info) {
		return false
	}
	its, err := f.Stat()
	return err == nil && os.SameFile(its, info)
}

// HasName reports whether a path names a file that other files can have a similar name beside, there or not. The standard output and
// error, pipes, devices, directories and what the process has open can not.
func (o *Outputs) HasName(path string) bool {
	info, err := os.Stat(path)
	switch {
	case path == "-" || filepath.Dir(path) == "/dev/fd" || strings.HasPrefix(path, "/proc/"):
		return false
	case err != nil:
		return true // there is none yet, or opening it tells what is wrong
	}
	return info.Mode().IsRegular() && !isFile(o.stdout, info) && !isFile(o.stderr, info)
}

// isNull reports whether it is the null device, which may be given any number of times.
func isNull(info fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(null, info)
}

// taken is the flag that reads or writes the same file, "" if there is none.
func (o *Outputs) taken(out *Output) string {
	info := out.info()
	for _, other := range o.all {
		if other != out && (other.isStdout && out.isStdout || same(other.info(), info)) {
			return other.flag
		}
	}
	if at := slices.IndexFunc(o.read, func(n named) bool { return same(n.info, info) }); at >= 0 {
		return o.read[at].flag
	}
	return ""
}

func same(a, b fs.FileInfo) bool { return a != nil && b != nil && os.SameFile(a, b) && !isNull(a) }

// info is that of the file below, nil if there is none.
func (o *Output) info() fs.FileInfo {
	f, ok := o.to.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	return info
}

// Close writes what all outputs hold and closes them; see [Output.Close].
func (o *Outputs) Close() (err error) {
	for _, out := range o.all {
		err = errors.Join(err, out.Close())
	}
	return err
}

// Elsewhere reports whether something is written to anything but the standard output.
func (o *Outputs) Elsewhere() bool {
	return slices.ContainsFunc(o.all, func(out *Output) bool { return out.file != nil })
}

// Text is where a command tells people things: the standard output, or the standard error if an output is the standard one.
func (o *Outputs) Text() io.Writer {
	if slices.ContainsFunc(o.all, (*Output).ToStdout) {
		return o.stderr
	}
	return o.stdout
}

// Used reports whether there is an output.
func (o *Output) Used() bool { return o.to != nil }

// ToStdout reports whether it is the standard output.
func (o *Output) ToStdout() bool { return o.isStdout }

// Path is the file's name as it was given; "" of the standard output and of none.
func (o *Output) Path() string {
	if o.file == nil {
		return ""
	}
	return o.path
}

// Regular reports whether it is a regular file, which can be written and read at will.
func (o *Output) Regular() bool {
	info := o.info()
	return o.file != nil && info != nil && info.Mode().IsRegular()
}

// Write holds data until Close. It never fails.
func (o *Output) Write(data []byte) (int, error) { return o.held.Write(data) }

// Close writes what the output holds and closes it. A regular file then has that and nothing else, or is as it was before if there
// was nothing to write, or no room for it. A new file that could not be written as a whole is removed. Further calls do nothing.
func (o *Output) Close() error {
	if o.closed || o.to == nil {
		return nil
	}
	o.closed = true
	wrote := o.held.Len() > 0
	err := o.flush()
	if o.file != nil {
		err = errors.Join(err, o.file.Close())
	}
	if o.beside != "" {
		err = errors.Join(err, os.Remove(o.beside))
	}
	if o.made != "" && (!wrote || err != nil) {
		err = errors.Join(err, os.Remove(o.made))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o.flag, err)
	}
	return nil
}

// flush writes what is held. What a regular file held is gone only when all of that is written; where no file can be made beside it, or
// take its place, it is written over.
func (o *Output) flush() error {
	switch {
	case o.held.Len() == 0:
		return nil
	case !o.Regular() || o.appends || o.made != "":
		_, err := o.held.WriteTo(o.to)
		return err
	}
	if path, err := o.Beside(); err == nil {
		if err := os.WriteFile(path, o.held.Bytes(), 0); err != nil {
			return err
		}
		if o.replace() == nil {
			return nil
		}
	}
	if err := o.file.Truncate(0); err != nil {
		return err
	}
	_, err := o.held.WriteTo(o.to)
	return err
}

// Beside makes an empty file beside a regular output's, for somebody who writes it by its name, and may fail: [Output.Replace] puts it in
// the output's place. Without that Close removes it, and the output's file is as it was before.
func (o *Output) Beside() (path string, err error) {
	real, err := filepath.EvalSymlinks(o.path)
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp(filepath.Dir(real), ".*-"+filepath.Base(o.path)) // the end of its name may say what it holds
	if err != nil {
		return "", err
	}
	o.beside = file.Name()
	return o.beside, file.Close()
}

// Replace puts the file of [Output.Beside] in the output's place, with the output's permissions. If that fails it stays where it is, and
// the error says where.
func (o *Output) Replace() error {
	if err := o.replace(); err != nil {
		from := o.beside
		o.beside = ""
		return fmt.Errorf("%s: %w; what was written is in %s", o.flag, err, from)
	}
	return nil
}

func (o *Output) replace() error {
	real, err := filepath.EvalSymlinks(o.path)
	if err != nil {
		return err
	}
	info := o.info()
	giveTo(o.beside, info)
	if err := errors.Join(os.Chmod(o.beside, info.Mode().Perm()), os.Rename(o.beside, real)); err != nil {
		return err
	}
	o.beside, o.made = "", ""
	return nil
}
