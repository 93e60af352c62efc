package log

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options say where a log is and how large its segments are.
type Options struct {
	Dir string // must be there
	FS  vfs.FS // default: the operating system's
	// ID tells logs apart: a segment of another one is an error. It must be the same each time.
	ID uint64
	// SegmentBytes is the size of a segment, at least 4 KiB. An entry that is larger has a segment of its own. Default: 64 MiB.
	SegmentBytes int64
	// Spares is how many segments that were cut off are kept to be used again. Default: 2; negative: none.
	Spares int
	// Ahead has the next segment made before it is needed, in the background: to fill a file with zeros takes long.
	Ahead bool
}

// Errors of a log.
var (
	// ErrDamaged: something is not what was written. The error names file and offset.
	ErrDamaged = errors.New("log: damaged")
	// ErrFailed: a write or a sync failed, and what of it is durable is not known. Only opening the log again tells.
	ErrFailed = errors.New("log: failed earlier")
	// ErrNotThere: the log has no such entry.
	ErrNotThere = errors.New("log: no such entry")
	// ErrOrder: an entry is not the next one, or of an earlier term.
	ErrOrder = errors.New("log: entries out of order")
	// ErrTooLarge: an entry is larger than MaxEntryBytes.
	ErrTooLarge = errors.New("log: entry too large")
)

// Log is an open log.
type Log struct {
	options Options
	dir     vfs.File
	mark    *mark
	spares  []string   // names of segments to be used again
	making  chan spare // of one that is made ahead; nil if none is
	buffer  []byte
	failed  error
	opened  bool // all of it

	mu       sync.RWMutex // guards what follows against readers; the writer changes it
	segments []*segment   // the last is written to
	last     uint64       // 0: none
	term     uint64       // of the last
	sum      uint64       // of the last frame
}

// Open opens a log, or makes one where there is none. It reads the whole log.
func Open(o Options) (_ *Log, err error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.SegmentBytes < 4<<10 {
		return nil, fmt.Errorf("log: segments of %d bytes, at least 4 KiB", o.SegmentBytes)
	}
	if o.Spares == 0 {
		o.Spares = 2
	}
	l := &Log{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if l.dir, err = o.FS.OpenDir(o.Dir); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	if l.mark, err = openMark(o.FS, o.Dir); err != nil {
		return nil, err
	}
	if err := l.recover(); err != nil {
		return nil, err
	}
	l.opened = true
	return l, nil
}

// Close closes the files. Nothing is left to be written, but that the log was closed: then nothing can be torn.
func (l *Log) Close() error {
	var errs []error
	if l.opened && l.failed == nil {
		to := l.mark.marked
		to.closed = 1
		errs = append(errs, l.mark.set(to, true))
	}
	l.opened = false
	errs = append(errs, l.takeMade())
	for _, s := range l.segments {
		errs = append(errs, s.file.Close())
	}
	l.segments = nil
	if l.mark != nil {
		errs = append(errs, l.mark.file.Close())
		l.mark = nil
	}
	if l.dir != nil {
		errs = append(errs, l.dir.Close())
		l.dir = nil
	}
	return errors.Join(errs...)
}

// First is the number of the first entry; 0 if there is none.
func (l *Log) First() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.first()
}

func (l *Log) first() uint64 {
	if l.last == 0 {
		return 0
	}
	return l.segments[0].first
}

// Last is the number of the last entry; 0 if there is none.
func (l *Log) Last() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.last
}

// Bytes is how many bytes the entries take on the disk.
func (l *Log) Bytes() (sum int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, s := range l.segments {
		sum += s.end
	}
	return sum
}

// Append appends entries and returns when they are durable. Each has the number that follows the one before; in an empty log the first may
// have any but 0. If there is no room for another segment that is an error, the entries before it are appended (Last tells), and
// the rest may be appended later. After any other error of writing the log takes no entries any more: ErrFailed.
func (l *Log) Append(entries ...Entry) error {
	if l.failed != nil {
		return fmt.Errorf("%w: %w", ErrFailed, l.failed)
	}
	if len(entries) == 0 {
		return nil
	}
	if err := l.check(entries); err != nil {
		return err
	}
	if l.mark.closed != 0 {
		if err := l.setMark(marked{synced: l.mark.synced, front: l.mark.front}); err != nil {
			return err
		}
	}
	place, sum := 0, l.sum
	for len(entries) > 0 {
		s, err := l.room(frameBytes+len(entries[0].Data), entries[0].Index, sum)
		if err != nil {
			return err
		}
		n := 0
		if n, sum, err = l.write(s, entries, place, sum); err != nil {
			l.failed = err
			return err
		}
		entries, place = entries[n:], place+n
	}
	if err := l.mark.set(marked{synced: l.last, front: l.mark.front}, false); err != nil {
		l.failed = err
		return err
	}
	l.makeAhead()
	return nil
}

// check reports what is wrong with entries that are to be appended.
func (l *Log) check(entries []Entry) error {
	next, term := l.last+1, l.term
	if l.last == 0 {
		next = max(entries[0].Index, 1)
	}
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Index != next, e.Term < term:
			return fmt.Errorf("%w: entry %d of term %d, want %d of term %d or later", ErrOrder, e.Index, e.Term, next, term)
		case len(e.Data) > MaxEntryBytes:
			return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(e.Data), MaxEntryBytes)
		}
		next, term = next+1, e.Term
	}
	return nil
}

// room returns the segment that the next frame goes to: the last, or a new one.
func (l *Log) room(bytes int, index, sum uint64) (*segment, error) {
	if n := len(l.segments); n > 0 {
		if s := l.segments[n-1]; s.end+int64(bytes) <= s.size && l.last != 0 {
			return s, nil
		}
	}
	if err := l.takeMade(); err != nil {
		return nil, err
	}
	if l.last == 0 { // an empty log begins anew, perhaps with another number
		if err := l.dropAll(); err != nil {
			return nil, err
		}
	}
	size := l.options.SegmentBytes
	if l.last == 0 {
		size = min(size, firstSegment)
	}
	return l.addSegment(max(size, int64(headerBytes+bytes)), index, sum)
}

// firstSegment is the size of the first segment of an empty log at most: it is made while somebody waits.
const firstSegment = 1 << 20

// write writes as many entries as have room in a segment, with one write and one sync.
func (l *Log) write(s *segment, entries []Entry, place int, sum uint64) (n int, _ uint64, err error) {
	l.buffer = l.buffer[:0]
	ends := make([]int64, 0, len(entries))
	for n < len(entries) {
		if size := int64(len(l.buffer) + frameBytes + len(entries[n].Data)); n > 0 && s.end+size > s.size {
			break
		}
		l.buffer, sum = appendFrame(l.buffer, &entries[n], place+n, sum)
		ends = append(ends, s.end+int64(len(l.buffer)))
		n++
	}
	if _, err := s.file.WriteAt(l.buffer, s.end); err != nil {
		return 0, 0, fmt.Errorf("log: write %s: %w", s.path, err)
	}
	if err := s.file.SyncData(); err != nil {
		return 0, 0, fmt.Errorf("log: sync %s: %w", s.path, err)
	}
	l.mu.Lock()
	s.ends, s.end = append(s.ends, ends...), ends[n-1]
	l.last, l.term, l.sum = entries[n-1].Index, entries[n-1].Term, sum
	l.mu.Unlock()
	if cap(l.buffer) > maxBuffer {
		l.buffer = nil
	}
	return n, sum, nil
}

// maxBuffer bounds the memory that is kept for the next append.
const maxBuffer = 4 << 20

// Read reads an entry into the buffer, if it has room there. What it returns is checked against the frame's sum.
func (l *Log) Read(index uint64, buffer []byte) (e Entry, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.last == 0 || index < l.first() || index > l.last {
		return e, fmt.Errorf("%w: %d", ErrNotThere, index)
	}
	i, found := slices.BinarySearchFunc(l.segments, index, func(s *segment, index uint64) int {
		switch {
		case s.first > index:
			return 1
		case s.first+uint64(len(s.ends)) <= index:
			return -1
		}
		return 0
	})
	if !found {
		return e, fmt.Errorf("%w: %d", ErrNotThere, index)
	}
	return l.segments[i].read(index, buffer)
}

// DeleteFront deletes entries below a number, but for some that are in one segment with those that stay. Behind the last entry it deletes
// all, and the log is empty.
func (l *Log) DeleteFront(below uint64) error {
	n := 0
	for n < len(l.segments) && l.segments[n].first+uint64(len(l.segments[n].ends)) <= below {
		n++
	}
	if n == 0 {
		return nil
	}
	if n == len(l.segments) {
		return l.empty()
	}
	to := l.mark.marked
	to.front = l.segments[n].number
	if err := l.setMark(to); err != nil {
		return err
	}
	return l.drop(n)
}

// DeleteBack deletes the entries from a number on.
func (l *Log) DeleteBack(from uint64) error {
	switch {
	case l.last == 0 || from > l.last:
		return nil
	case from <= l.first():
		return l.empty()
	}
	if err := l.setMark(marked{synced: from - 1, front: l.mark.front, cut: from}); err != nil {
		return err
	}
	return l.cutBack(from)
}

// empty deletes all entries.
func (l *Log) empty() error {
	if l.last == 0 {
		return nil
	}
	if err := l.setMark(marked{front: l.segments[len(l.segments)-1].number + 1}); err != nil {
		return err
	}
	l.mu.Lock()
	l.last, l.term, l.sum = 0, 0, 0
	l.mu.Unlock()
	return l.dropAll()
}

func (l *Log) setMark(to marked) error {
	if l.failed != nil {
		return fmt.Errorf("%w: %w", ErrFailed, l.failed)
	}
	if err := l.mark.set(to, true); err != nil {
		l.failed = err
		return err
	}
	return nil
}

// cutBack deletes the entries from a number on, which the mark tells already.
func (l *Log) cutBack(from uint64) (err error) {
	defer func() {
		if err != nil {
			l.failed = err
		}
	}()
	n := len(l.segments)
	for n > 0 && l.segments[n-1].first >= from {
		n--
	}
	l.mu.Lock()
	gone := l.segments[n:]
	l.segments = slices.Clone(l.segments[:n])
	s := l.segments[n-1]
	was := s.end
	s.ends = s.ends[:from-s.first]
	s.end = s.endOf(len(s.ends))
	l.last = from - 1
	l.mu.Unlock()
	for i := len(gone) - 1; i >= 0; i-- { // the last first, so that there is never a gap
		if err := l.remove(gone[i]); err != nil {
			return err
		}
	}
	if err := s.clear(max(was, s.size)); err != nil {
		return err
	}
	if err := l.endOfLast(); err != nil {
		return err
	}
	return l.mark.set(marked{synced: l.last, front: l.mark.front}, true)
}

// endOfLast finds term and sum of the last entry.
func (l *Log) endOfLast() error {
	s := l.segments[len(l.segments)-1]
	f, err := s.frame(l.last)
	if err != nil {
		return err
	}
	l.term, l.sum = f.term, f.sum
	return nil
}
