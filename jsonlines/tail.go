package jsonlines

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/concordat-dev/concordat/engine"
)

// linesTail is what the end of a file of JSON lines says.
type linesTail struct {
	last uint64 // the number of the last whole line; 0 if there is none
	cut  int64  // where it ends
	size int64  // of the file
}

// readTail reads the lines of a file that one Write may have written without a sync: engine.MaxDelivery of them, and the one before.
// All earlier ones were synced. A power failure can leave of the last Write a part, also with holes, which read as zeros; what
// is behind that is no use. Anything else that is no record was not written by this egress, or is damage.
func readTail(file linesFile) (t linesTail, err error) {
	info, err := file.Stat()
	if err != nil {
		return t, err
	}
	t.size = info.Size()
	if t.cut, err = lastLines(file, t.size, engine.MaxDelivery+1); err != nil {
		return t, err
	}
	lines := bufio.NewReaderSize(io.NewSectionReader(file, t.cut, t.size-t.cut), int(min(t.size-t.cut, 1<<16)))
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return t, t.checkTorn(line)
		}
		if err != nil {
			return t, err
		}
		seq, ok := lineNumber(line)
		switch {
		case !ok && bytes.IndexByte(line, 0) >= 0:
			return t, t.checkTorn(line)
		case !ok:
			return t, t.errForeign(line)
		case t.last != 0 && seq != t.last+1:
			return t, fmt.Errorf("the line at byte %d is record %d after record %d: the file is damaged", t.cut, seq, t.last)
		}
		t.last = seq
		t.cut += int64(len(line))
	}
}

// checkTorn refuses to cut off what cannot be the beginning of a record, or a hole in its place.
func (t *linesTail) checkTorn(line []byte) error {
	const start = `{"seq":`
	written, rest, holed := bytes.Cut(line, []byte{0})
	n := min(len(written), len(start))
	switch {
	case string(written[:n]) != start[:n]:
		return t.errForeign(line)
	case holed && n == 0 && t.cut == 0 && len(bytes.Trim(rest, "\x00")) > 0:
		return t.errForeign(line) // not one record, and somebody's data
	}
	return nil
}

func (t *linesTail) errForeign(line []byte) error {
	return fmt.Errorf("what is at byte %d is no record: the file is damaged or somebody else's: %.60q", t.cut, line)
}

// lastLines finds where the last n whole lines of a file begin, or an earlier line if there are fewer.
func lastLines(file io.ReaderAt, size int64, n int) (int64, error) {
	buf := make([]byte, min(size, 1<<16))
	ends := 0 // line ends seen, from the back
	for end := size; end > 0; {
		start := max(0, end-int64(len(buf)))
		chunk := buf[:end-start]
		if _, err := file.ReadAt(chunk, start); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for i := len(chunk) - 1; i >= 0; i-- {
			if chunk[i] != '\n' {
				continue
			}
			if ends++; ends > n {
				return start + int64(i) + 1, nil
			}
		}
		end = start
	}
	return 0, nil
}

// lineNumber reads the number of a record's line.
func lineNumber(line []byte) (seq uint64, ok bool) {
	var l struct {
		Seq    uint64          `json:"seq"`
		Key    *string         `json:"key"`
		Value  json.RawMessage `json:"value"`
		Parked *string         `json:"parked"`
	}
	err := json.Unmarshal(line, &l)
	return l.Seq, err == nil && l.Seq > 0 && l.Key != nil && (l.Value != nil || l.Parked != nil)
}
