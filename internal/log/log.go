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
	// ReadOnly opens a log as it is, for reading: nothing is written, and what Open would mend is mended in memory only. The log must be
	// there. Whatever writes to it fails with ErrReadOnly.
	ReadOnly bool
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
	// ErrReadOnly: the log was opened for reading.
	ErrReadOnly = errors.New("log: opened for reading")
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
	first    uint64       // what is in its segment before was deleted; 0: none
	last     uint64       // 0: none
	term     uint64       // of the last
	sum      uint64       // of the last frame
}

// Open opens a log, or makes one where there is none. It reads the whole log.
func Open(o Options) (_ *Log, err error) {
	o = o.withDefaults()
	if o.SegmentBytes < 4<<10 {
		return nil, fmt.Errorf("log: segments of %d bytes, at least 4 KiB", o.SegmentBytes)
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
	if l.mark, err = openMark(o.FS, o.Dir, o.ReadOnly); err != nil {
		return nil, err
	}
	if err := l.recover(); err != nil {
		return nil, err
	}
	l.opened = true
	if o.ReadOnly {
		l.failed = ErrReadOnly
	}
	return l, nil
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.Spares == 0 {
		o.Spares = 2
	}
	return o
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
	l.mu.Lock() // somebody may ask how long the log is
	segments := l.segments
	l.segments = nil
	l.mu.Unlock()
	for _, s := range segments {
		errs = append(errs, s.file.Close())
	}
	if l.mark != nil {
		errs = append(errs, l.mark.close())
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
	return l.first
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

// Segments is the number of files that the entries are in.
func (l *Log) Segments() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.segments)
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
		if err := l.setMark(l.mark.upTo(l.mark.synced)); err != nil {
			return err
		}
	}
	place, sum := 0, l.sum
	for len(entries) > 0 {
		s, err := l.room(frameBytes+entries[0].length(), entries[0].Index, sum)
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
	if err := l.mark.set(l.mark.upTo(l.last), false); err != nil {
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
		case uint64(e.length()) > MaxEntryBytes:
			return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, e.length(), uint64(MaxEntryBytes))
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

// write writes as many entries as have room in a segment, and syncs once. It writes once too, unless they are large: those are not copied.
func (l *Log) write(s *segment, entries []Entry, place int, sum uint64) (n int, _ uint64, err error) {
	ends := make([]int64, 0, len(entries))
	l.buffer = l.buffer[:0]
	end, written := s.end, s.end
	writeOut := func(b []byte) {
		if err == nil {
			_, err = s.file.WriteAt(b, written)
			written += int64(len(b))
		}
	}
	for ; n < len(entries); n++ {
		e := &entries[n]
		size := int64(frameBytes + e.length())
		if n > 0 && end+size > s.size {
			break
		}
		end += size
		ends = append(ends, end)
		l.buffer, sum = appendFrame(l.buffer, e, place+n, sum)
		put := func(part []byte) { l.buffer = append(l.buffer, part...) }
		if int64(len(l.buffer))+size > min(maxBuffer, l.options.SegmentBytes) {
			writeOut(l.buffer)
			l.buffer, put = l.buffer[:0], writeOut
		}
		put(e.Data)
		for _, part := range e.More {
			put(part)
		}
	}
	if len(l.buffer) > 0 {
		writeOut(l.buffer)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("log: write %s: %w", s.path, err)
	}
	if err := s.file.SyncData(); err != nil {
		return 0, 0, fmt.Errorf("log: sync %s: %w", s.path, err)
	}
	l.mu.Lock()
	s.ends, s.end = append(s.ends, ends...), ends[n-1]
	if l.first == 0 {
		l.first = entries[0].Index
	}
	l.last, l.term, l.sum = entries[n-1].Index, entries[n-1].Term, sum
	l.mu.Unlock()
	return n, sum, nil
}

// maxBuffer bounds the memory for what is written at once.
const maxBuffer = 4 << 20

// Read reads an entry into the buffer, if it has room there. What it returns is checked against the frame's sum.
func (l *Log) Read(index uint64, buffer []byte) (e Entry, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.last == 0 || index < l.first || index > l.last {
		return e, fmt.Errorf("%w: %d", ErrNotThere, index)
	}
	i, found := slices.BinarySearchFunc(l.segments, index, func(s *segment, index uint64) int {
		switch {
		case s.first > index:
			return 1
		case s.next() <= index:
			return -1
		}
		return 0
	})
	if !found {
		return e, fmt.Errorf("%w: %d", ErrNotThere, index)
	}
	return l.segments[i].read(index, buffer)
}

// DeleteFront deletes the entries below a number. Behind the last entry it deletes all, and the log is empty. Segments of which no entry is
// left are removed, or used again; what else was deleted stays in its segment for now, and is not there for readers.
func (l *Log) DeleteFront(below uint64) error {
	switch {
	case l.last == 0 || below <= l.first:
		return nil
	case below > l.last:
		return l.empty()
	}
	n := 0
	for l.segments[n].next() <= below {
		n++
	}
	to := l.mark.marked
	to.front, to.first = l.segments[n].number, below
	if err := l.setMark(to); err != nil {
		return err
	}
	l.mu.Lock()
	l.first = below
	l.mu.Unlock()
	if n == 0 {
		return nil
	}
	return l.drop(n)
}

// DeleteBack deletes the entries from a number on.
func (l *Log) DeleteBack(from uint64) error {
	switch {
	case l.last == 0 || from > l.last:
		return nil
	case from <= l.first:
		return l.empty()
	}
	to := l.mark.upTo(from - 1)
	to.cut = from
	if err := l.setMark(to); err != nil {
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
	l.first, l.last, l.term, l.sum = 0, 0, 0, 0
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
	gone, was := l.forgetFrom(from)
	s := l.segments[len(l.segments)-1]
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
	return l.mark.set(l.mark.upTo(l.last), true)
}

// forgetFrom forgets the entries from a number on, but not all, and returns the segments that are gone, and where the last one that stays
// had ended.
func (l *Log) forgetFrom(from uint64) (gone []*segment, was int64) {
	n := len(l.segments)
	for n > 0 && l.segments[n-1].first >= from {
		n--
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	gone = l.segments[n:]
	l.segments = slices.Clone(l.segments[:n])
	s := l.segments[n-1]
	was = s.end
	s.ends = s.ends[:from-s.first]
	s.end = s.endOf(len(s.ends))
	l.last = from - 1
	return gone, was
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
