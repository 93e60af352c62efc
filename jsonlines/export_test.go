package jsonlines

import (
	"os"

	"github.com/concordat-dev/concordat/engine"
)

// File is the file of an egress.
type File = linesFile

// EgressOn is Egress with a file that the test wraps.
func EgressOn(path string, wrap func(File) File) engine.Egress {
	return &egress{path: path, open: func(path string) (linesFile, error) {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		return wrap(file), err
	}}
}
