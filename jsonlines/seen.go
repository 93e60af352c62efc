package jsonlines

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxSeen bounds the bytes before a position by which a file is known again.
const maxSeen = 256

// seenBytes are the last bytes before a position of a file, whatever lines they are of. A file that has others there is another one, or
// was written anew.
type seenBytes struct {
	at    int64
	bytes []byte
}

// take reads the bytes before a position that a file has.
func (s *seenBytes) take(file io.ReaderAt, at int64) error {
	s.at, s.bytes = at, make([]byte, min(at, maxSeen))
	_, err := io.ReadFull(io.NewSectionReader(file, at-int64(len(s.bytes)), maxSeen), s.bytes)
	return err
}

// add goes on behind a line.
func (s *seenBytes) add(line []byte) {
	s.at += int64(len(line))
	line = line[max(0, len(line)-maxSeen):]
	stay := min(len(s.bytes), maxSeen-len(line))
	copy(s.bytes, s.bytes[len(s.bytes)-stay:])
	s.bytes = append(s.bytes[:stay], line...)
}

// set makes s what other is.
func (s *seenBytes) set(other *seenBytes) {
	s.at, s.bytes = other.at, append(s.bytes[:0], other.bytes...)
}

// errReplaced: the bytes of a position are those of another file.
var errReplaced = errors.New("a position is of one file only: read the new one as an ingress with another name")

// check makes sure that a file has these bytes.
func (s *seenBytes) check(file io.ReaderAt) error {
	if len(s.bytes) == 0 {
		return nil
	}
	var buf [maxSeen]byte
	found := buf[:len(s.bytes)]
	switch _, err := file.ReadAt(found, s.at-int64(len(found))); {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("it was read up to byte %d, and ends before that now: it was cut or replaced: %w", s.at, errReplaced)
	case err != nil:
		return err
	case !bytes.Equal(found, s.bytes):
		return fmt.Errorf("it was read up to byte %d, and has other bytes before that now: it was replaced: %w", s.at, errReplaced)
	}
	return nil
}
