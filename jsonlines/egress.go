package jsonlines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/concordat-dev/concordat/engine"
)

// Egress makes an egress that appends each record to a file as one line of JSON:
//
//	{"seq":7,"key":"alice","value":{"Amount":30}}
//
// Each record is in the file exactly once, over restarts and crashes: the file's last line says how far it is, and what a crash
// left half-written behind that is written anew. The file is made if it is missing, its directory is not. It is opened by engine.Open,
// and belongs to one egress of one engine. A relative path is of the directory in which the process is then.
//
// The file may be moved away or deleted, also while the engine is open: the next record starts a new one, or goes into an empty one that
// has the path by then, and what was moved keeps what it has. So it can be rotated by renaming it, with nothing to tell the engine. What
// is deleted is gone: the engine does not keep records that were taken. A file that is replaced by a copy, as editors do, is gone on
// with if its last line is the last record that was written; any other one is an error of each Write, until the right one, or none, has
// the path. Rotation that copies the file and cuts it (copytruncate) is such an error too. What was being written when the file was
// moved is taken out of it and written to the new one; only a crash at that moment can leave it in both.
//
// The value is what the record's encoding holds: structs and maps are objects with sorted keys, slices arrays, integers of any
// size exact numbers, times strings (RFC 3339, nanoseconds), byte slices base64. Keys of maps that are no strings are written
// as strings. NaN and the infinities, which JSON lacks, are the strings "NaN", "+Inf" and "-Inf"; bytes that are no UTF-8 in a
// string become U+FFFD.
//
// A record whose value has two keys that would have the same name, or is no value that JSON can hold, is parked (see
// [engine.Engine.ParkedRecords]), and the line in its place says why:
//
//	{"seq":8,"key":"bob","parked":"two keys of a map are both \"1\" in JSON"}
//
// A file with content that it did not write is an error at engine.Open; so is one that is damaged among the last lines, which
// are all it reads. So is one that another egress writes to, of this engine or another one, in this process or another, by whatever name
// (on file systems with locks), also as this process's output. If lines are missing from the end, because somebody cut the file or put
// back an old copy, the next Write fails, and goes on failing.
//
// What is at path may also be a device or a named pipe, such as /dev/null or /dev/stdout. That keeps no position: after a restart, and
// after an error in the midst of a Write, records may come again, with the same numbers, as with [engine.Callback]. A pipe that nobody reads
// holds up its egress until somebody does. A pipe belongs to one egress, as a file does (in another process: while that has it open to
// write). Devices, and the process's own output, may be those of several, which write whole lines in turns.
//
// A line for which a pipe has no room left may be cut short by Close or by a crash. If its reader stays, the line after it begins on a
// line of its own, as long as the process is the same. Another process does not know of it: its first line comes right behind what was
// cut short.
//
// What it makes is one egress of one engine at a time.
func Egress(path string) engine.Egress {
	return &egress{path: path, open: openLines}
}

// errTaken: two egresses would write to one file, each at its own idea of the end.
var errTaken = errors.New("another egress writes to the file")

// openLines opens a file for one egress.
func openLines(path string) (linesFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if !lockFile(file) {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, errTaken), file.Close())
	}
	return file, nil
}

// linesFile is what an egress needs of its file.
type linesFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	Stat() (os.FileInfo, error)
}

// egress is what Egress makes.
type egress struct {
	path string
	open func(path string) (linesFile, error)

	users linesUsers // what follows belongs to one of them

	place  string      // the path, also in another directory
	stream *lineStream // instead of a file: a device or a pipe

	file  linesFile
	held  *targetHold // of the file
	size  int64       // of the lines that are synced
	last  uint64      // the last of them; 0 if there is none
	torn  bool        // there is something behind size, left by a crash or a failed Write: it has to go
	lines bytes.Buffer
}

// linesUsers counts the engines that have called Position of one egress and not Close. All but the first were refused; the Close that they
// owe must not close what is the first one's. When it is the first that closes while one that was refused is about to, they change
// places.
type linesUsers struct {
	mu sync.Mutex
	n  int
}

// begin reports whether nobody else is there.
func (u *linesUsers) begin() (alone bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n++
	return u.n == 1
}

// end reports whether nobody is left.
func (u *linesUsers) end() (last bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n = max(0, u.n-1)
	return u.n == 0
}

// Validate reports what is wrong with the egress, before anything is opened.
func (j *egress) Validate() error {
	if j.path == "" {
		return errors.New("JSON lines: the path is empty")
	}
	return nil
}

// recordLine is a record's line.
type recordLine struct {
	Seq   uint64 `json:"seq"`
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// parkedLine stands in the place of a record that cannot be expressed.
type parkedLine struct {
	Seq    uint64 `json:"seq"`
	Key    string `json:"key"`
	Parked string `json:"parked"`
}

// Position implements [engine.Egress].
func (j *egress) Position() (position uint64, err error) {
	if !j.users.begin() {
		return 0, fmt.Errorf("JSON lines: %s: %w", j.path, errTwice)
	}
	j.last, j.size, j.torn = 0, 0, false // of an earlier engine
	if err := j.begin(); err != nil {
		return 0, fmt.Errorf("JSON lines: %w", err)
	}
	if j.stream != nil {
		return 0, nil
	}
	tail, err := readTail(j.file)
	if err != nil {
		return 0, errors.Join(fmt.Errorf("JSON lines: %s: %w", j.path, err), j.closeFile())
	}
	j.size, j.last, j.torn = tail.cut, tail.last, tail.cut < tail.size
	return j.last, nil
}

// begin opens what is at the path. If another egress of this process writes to it, the error says by which path.
func (j *egress) begin() (err error) {
	if j.place, err = standing(j.path); err == nil {
		j.stream, err = streamAt(j.place)
	}
	if err == nil && j.stream == nil {
		err = j.openFile()
	}
	if errors.Is(err, errTaken) {
		if others := linesOut.pathsOf(j.place); len(others) > 0 {
			err = fmt.Errorf("%w: one of this process, as %s", err, strings.Join(others, ", "))
		}
	}
	return err
}

// openFile opens the file, and makes its name durable in case it is new.
func (j *egress) openFile() error {
	file, err := j.open(j.place)
	if err != nil {
		return err
	}
	j.file = file
	if err := j.holdFile(); err != nil {
		return errors.Join(err, j.closeFile())
	}
	err = syncDir(filepath.Dir(j.place))
	if errors.Is(err, fs.ErrPermission) { // a directory that can be passed and not listed cannot be synced
		err = file.Sync()
	}
	if err != nil {
		return errors.Join(err, j.closeFile())
	}
	return nil
}

// syncDir makes the names in a directory durable. Windows does not let anybody ask for that.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// holdFile takes the file for this egress: its lock says nothing of those who write to it as the process's output.
func (j *egress) holdFile() error {
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	held, free := linesOut.hold(info, j.path, nil)
	if !free {
		return fmt.Errorf("%s: %w", j.path, errTaken)
	}
	j.held = held
	return nil
}

// Write implements [engine.Egress].
//
// After a failed write or sync nothing is known of what is behind the last synced line. A sync that is tried again may succeed
// without the data having reached the disk, so the next Write cuts the file and writes the lines afresh. It does the same with
// what a crash left. The engine still has all those records; if it does not, their numbers have a gap, and nothing is cut.
func (j *egress) Write(ctx context.Context, records []engine.Record) error {
	if err := j.write(ctx, records); err != nil {
		return fmt.Errorf("JSON lines: %s: %w", j.path, err)
	}
	return nil
}

func (j *egress) write(ctx context.Context, records []engine.Record) error {
	if len(records) == 0 {
		return nil
	}
	if j.stream == nil {
		if err := j.goOn(records[0].Seq); err != nil {
			return err
		}
	}
	last, encodeErr := j.encode(records)
	if j.lines.Len() == 0 {
		return encodeErr
	}
	put := j.append
	if j.stream != nil {
		put = func() error { return j.stream.write(ctx, j.lines.Bytes()) }
	}
	if err := put(); err != nil {
		return err
	}
	j.last = last
	return encodeErr
}

// append puts the encoded lines behind the last synced line of the file, durably.
func (j *egress) append() error {
	switch info, err := j.file.Stat(); {
	case err != nil:
		return err
	case info.Size() < j.size:
		return fmt.Errorf("it has %d bytes, of %d that were written: somebody has cut it", info.Size(), j.size)
	}
	if j.torn {
		if err := j.file.Truncate(j.size); err != nil {
			return err
		}
	}
	j.torn = true
	if _, err := j.file.WriteAt(j.lines.Bytes(), j.size); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	switch named, err := j.isNamed(); {
	case err != nil:
		return err
	case !named:
		return errors.Join(errMoved, j.cutBack())
	}
	j.size, j.torn = j.size+int64(j.lines.Len()), false
	return nil
}

// maxKeptBytes bounds the memory for lines that is kept from one Write to the next.
const maxKeptBytes = 1 << 20

// encode puts the lines of the records that the file does not have into j.lines, up to one that cannot be expressed.
func (j *egress) encode(records []engine.Record) (last uint64, err error) {
	if j.lines.Cap() > maxKeptBytes {
		j.lines = bytes.Buffer{}
	}
	j.lines.Reset()
	last = j.last
	for _, r := range records {
		if r.Seq <= last {
			continue
		}
		if last != 0 && r.Seq != last+1 {
			return last, fmt.Errorf("record %d comes after record %d: lines that were written are missing from the file", r.Seq, last)
		}
		whole := j.lines.Len()
		if err := encodeLine(&j.lines, &r); err != nil {
			j.lines.Truncate(whole)
			return last, engine.Refuse(r.Seq, err)
		}
		last = r.Seq
	}
	return last, nil
}

// encodeLine appends the line of a record, or what stands in the place of one that was parked.
func encodeLine(lines *bytes.Buffer, r *engine.Record) error {
	encoder := json.NewEncoder(lines)
	encoder.SetEscapeHTML(false)
	if r.Parked != "" {
		return encoder.Encode(parkedLine{r.Seq, r.Key, r.Parked})
	}
	value, err := jsonValue(r.Value)
	if err != nil {
		return err
	}
	return encoder.Encode(recordLine{r.Seq, r.Key, value})
}

// NotesParked implements [engine.ParkedNoter]: what is parked has a line, so that the numbers have no gaps.
func (j *egress) NotesParked() {}

// Close implements [engine.Egress].
func (j *egress) Close() error {
	if !j.users.end() {
		return nil
	}
	if j.stream != nil {
		return j.stream.close()
	}
	return j.closeFile()
}

func (j *egress) closeFile() error {
	if j.file == nil {
		return nil
	}
	j.held.release()
	err := j.file.Close()
	j.file, j.held = nil, nil
	return err
}
