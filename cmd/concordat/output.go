package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// output is where a report goes. It is opened before the run, so that a run of an hour does not end with a path that can not
// be written, and takes its place in the file only when there is something to write.
type output struct {
	w       io.Writer
	file    *os.File // nil for standard output and for none
	path    string
	isNew   bool // the file was not there before
	written bool
}

// createOutput opens the file; "" is no output and "-" standard output.
func (p *program) createOutput(path string) (*output, error) {
	switch path {
	case "":
		return &output{}, nil
	case "-":
		return &output{w: p.stdout}, nil
	}
	_, statErr := os.Stat(path)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return &output{w: file, file: file, path: path, isNew: errors.Is(statErr, fs.ErrNotExist)}, nil
}

func (o *output) used() bool     { return o.w != nil }
func (o *output) toStdout() bool { return o.w != nil && o.file == nil }

// Write replaces what the file held before.
func (o *output) Write(data []byte) (int, error) {
	if o.file != nil && !o.written {
		if err := o.file.Truncate(0); err != nil {
			return 0, err
		}
	}
	o.written = true
	return o.w.Write(data)
}

// close closes the file, and removes it if it was made for nothing.
func (o *output) close() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	if o.isNew && !o.written {
		err = errors.Join(err, os.Remove(o.path))
	}
	return err
}
