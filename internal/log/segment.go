package log

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// segment is a file of the log.
type segment struct {
	header
	path string
	file vfs.File
	size int64
	end  int64   // behind the last frame
	ends []int64 // behind each frame
}

const (
	segmentSuffix = ".log"
	spareSuffix   = ".old"
)

func segmentName(number uint64) string { return fmt.Sprintf("%016x", number) + segmentSuffix }

// endOf is where the first n frames end.
func (s *segment) endOf(n int) int64 {
	if n == 0 {
		return headerBytes
	}
	return s.ends[n-1]
}

// next is the number of the entry behind its last.
func (s *segment) next() uint64 { return s.first + uint64(len(s.ends)) }

// frame reads the frame of an entry, without the entry.
func (s *segment) frame(index uint64) (f frame, err error) {
	var b [frameBytes]byte
	at := s.endOf(int(index - s.first))
	if _, err := s.file.ReadAt(b[:], at); err != nil {
		return f, fmt.Errorf("log: read %s at %d: %w", s.path, at, err)
	}
	f.take(b[:])
	return f, nil
}

// read reads an entry.
func (s *segment) read(index uint64, buffer []byte) (e Entry, err error) {
	i := int(index - s.first)
	at := s.endOf(i)
	buffer = slices.Grow(buffer[:0], int(s.ends[i]-at))[:s.ends[i]-at]
	if _, err := s.file.ReadAt(buffer, at); err != nil {
		return e, fmt.Errorf("log: read %s at %d: %w", s.path, at, err)
	}
	f, ok := readFrame(buffer)
	if !ok || f.index != index {
		return e, s.damaged(at, "entry %d is not what was written", index)
	}
	return Entry{Index: index, Term: f.term, Data: buffer[frameBytes:]}, nil
}

func (s *segment) damaged(at int64, text string, args ...any) error {
	return fmt.Errorf("%w: %s at %d: %s", ErrDamaged, s.path, at, fmt.Sprintf(text, args...))
}

const (
	// portionBytes is how much of a file that is made ahead is synced at a time.
	portionBytes = 1 << 20
	// pieceBytes is how much of it is written at a time: a page. The system keeps a file in memory in pieces as large as the writes that
	// made them, and takes the whole of one for written, in what it tells of the process, whenever a byte in it changes.
	pieceBytes = 4 << 10
)

var zeros = make([]byte, pieceBytes)

// clear overwrites what is behind the last frame with zeros and syncs that: of what was cut off nothing is to be taken for evidence.
func (s *segment) clear(to int64) error {
	for at := s.end; at < to; {
		n, err := s.file.WriteAt(zeros[:min(int64(len(zeros)), to-at)], at)
		if err != nil {
			return fmt.Errorf("log: clear %s: %w", s.path, err)
		}
		at += int64(n)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("log: sync %s: %w", s.path, err)
	}
	return nil
}

// addSegment adds a segment for frames from a number on: one that was cut off, or a new one full of zeros. If there is no room for it the
// log is as before.
func (l *Log) addSegment(size int64, first, before uint64) (*segment, error) {
	number := max(l.mark.front, 1)
	if n := len(l.segments); n > 0 {
		number = l.segments[n-1].number + 1
	}
	s := &segment{header: header{l.options.ID, number, first, before}, end: headerBytes}
	s.path = l.options.FS.PathJoin(l.options.Dir, segmentName(number))
	if err := l.fill(s, size); err != nil {
		err = errors.Join(err, s.close())
		if removed := l.options.FS.Remove(s.path); removed != nil && s.file != nil {
			l.failed = removed
			err = errors.Join(err, removed)
		}
		return nil, err
	}
	l.mu.Lock()
	l.segments = append(l.segments, s)
	l.mu.Unlock()
	return s, nil
}

func (s *segment) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// fill makes the file of a new segment and syncs it, with its directory.
func (l *Log) fill(s *segment, size int64) (err error) {
	disk := l.options.FS
	if n := len(l.spares); n > 0 && size == l.options.SegmentBytes {
		spare := l.spares[n-1]
		l.spares = l.spares[:n-1]
		if err := disk.Rename(spare, s.path); err != nil {
			return fmt.Errorf("log: %w", err)
		}
	}
	if s.file, err = disk.OpenReadWrite(s.path, vfs.WriteCategoryUnspecified); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if s.size = info.Size(); s.size < size {
		s.size = size
		if err := s.clear(size); err != nil {
			return err
		}
	}
	var b [headerBytes]byte
	s.put(b[:])
	if _, err := s.file.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("log: write %s: %w", s.path, err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("log: sync %s: %w", s.path, err)
	}
	return l.syncDir()
}

// spare is a segment that was made ahead.
type spare struct {
	path string
	err  error
}

// aheadName is the name of a segment that is made ahead: it has a number that none ever has.
const aheadName = "8000000000000000" + spareSuffix

// makeAhead has a segment made ahead, if the last one is half full and no other is there.
func (l *Log) makeAhead() {
	if !l.options.Ahead || l.making != nil || len(l.spares) > 0 || l.last == 0 {
		return
	}
	if s := l.segments[len(l.segments)-1]; s.end < s.size/2 {
		return
	}
	l.making = make(chan spare, 1)
	go func(made chan<- spare) {
		s := segment{path: l.options.FS.PathJoin(l.options.Dir, aheadName)}
		made <- spare{s.path, s.make(l.options.FS, l.options.SegmentBytes)}
	}(l.making)
}

// takeMade waits for the segment that is made ahead, if one is. That there was no room for it is found out again when it is needed.
func (l *Log) takeMade() error {
	if l.making == nil {
		return nil
	}
	made := <-l.making
	l.making = nil
	if made.err != nil {
		if err := l.options.FS.Remove(made.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("log: %w", err)
		}
		return nil
	}
	l.spares = append(l.spares, made.path)
	return nil
}

// make makes a file full of zeros. It is synced in portions, so that the log's own syncs do not wait for all of it.
func (s *segment) make(fsys vfs.FS, size int64) (err error) {
	if s.file, err = fsys.OpenReadWrite(s.path, vfs.WriteCategoryUnspecified); err != nil {
		return err
	}
	for s.end < size && err == nil {
		to := min(s.end+portionBytes, size)
		err = s.clear(to)
		s.end = to
	}
	return errors.Join(err, s.file.Close())
}

func (l *Log) syncDir() error {
	if err := l.dir.Sync(); err != nil {
		return fmt.Errorf("log: sync the directory: %w", err)
	}
	return nil
}

// drop drops the first n segments, which the mark counts no more. They are used again if there are few.
func (l *Log) drop(n int) error {
	l.mu.Lock()
	gone := l.segments[:n]
	l.segments = slices.Clone(l.segments[n:])
	l.mu.Unlock()
	for _, s := range gone {
		if err := s.file.Close(); err != nil {
			return fmt.Errorf("log: %w", err)
		}
		if err := l.keepOrRemove(s.path, s.size); err != nil {
			return err
		}
	}
	return l.syncDir()
}

// dropAll removes all segments of an empty log, and the spares: what is in them may have numbers that are still to come.
func (l *Log) dropAll() error {
	if len(l.segments)+len(l.spares) == 0 {
		return nil
	}
	l.mu.Lock()
	gone := l.segments
	l.segments = nil
	l.mu.Unlock()
	for i := len(gone) - 1; i >= 0; i-- {
		if err := l.remove(gone[i]); err != nil {
			return err
		}
	}
	for len(l.spares) > 0 {
		last := len(l.spares) - 1
		if err := l.options.FS.Remove(l.spares[last]); err != nil {
			return fmt.Errorf("log: %w", err)
		}
		l.spares = l.spares[:last]
	}
	return l.syncDir()
}

// keepOrRemove keeps a file that is no segment any more as a spare, or removes it.
func (l *Log) keepOrRemove(path string, size int64) error {
	if len(l.spares) < l.options.Spares && size == l.options.SegmentBytes {
		spare := path[:len(path)-len(segmentSuffix)] + spareSuffix
		if err := l.options.FS.Rename(path, spare); err != nil {
			return fmt.Errorf("log: %w", err)
		}
		if !slices.Contains(l.spares, spare) {
			l.spares = append(l.spares, spare)
		}
		return nil
	}
	if err := l.options.FS.Remove(path); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}

// remove removes a segment that was cut off at the back. It is not used again: its frames have numbers that are still to come.
func (l *Log) remove(s *segment) error {
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if err := l.options.FS.Remove(s.path); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return l.syncDir()
}

// load reads a whole file into the buffer, if it has room there.
func load(f vfs.File, size int64, buffer []byte) ([]byte, error) {
	buffer = slices.Grow(buffer[:0], int(size))[:size]
	n, err := f.ReadAt(buffer, 0)
	if errors.Is(err, io.EOF) && n == len(buffer) {
		err = nil
	}
	return buffer, err
}
