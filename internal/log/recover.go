package log

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// recover reads what is there, cuts off an append that a crash tore, and ends a deletion that it interrupted.
func (l *Log) recover() error {
	numbers, err := l.list()
	if err != nil {
		return err
	}
	if front := l.mark.front; len(numbers) > 0 && numbers[0] > max(front, 1) {
		return fmt.Errorf("%w: %s is missing", ErrDamaged, l.path(max(front, 1)))
	}
	var s *segment
	var data []byte
	var buffers [2][]byte // in turn: what is behind the last frame of one segment is looked at when the next is there
	for i, number := range numbers {
		next, bytes, err := l.openSegment(number, buffers[i%2])
		buffers[i%2] = bytes
		if err != nil {
			return err
		}
		if next.number != number { // it was being made
			return errors.Join(l.end(s, data, numbers[i:], bytes), next.file.Close())
		}
		if s != nil && (number != s.number+1 || next.first != l.last+1 || next.before != l.sum) {
			err := next.file.Close()
			if l.isCut() {
				return errors.Join(l.end(s, data, numbers[i:], nil), err)
			}
			if number != s.number+1 {
				return errors.Join(fmt.Errorf("%w: %s is missing", ErrDamaged, l.path(s.number+1)), err)
			}
			return errors.Join(s.damaged(s.end, "entry %d is not what was written, or %s is not what followed", l.last+1, next.path), err)
		}
		if s == nil {
			l.last, l.sum = next.first-1, next.before
		}
		l.segments = append(l.segments, next)
		s, data = next, bytes
		l.readFrames(s, data)
	}
	return l.end(s, data, nil, nil)
}

// isCut reports whether what follows the last entry that was read was being deleted.
func (l *Log) isCut() bool { return l.mark.cut != 0 && l.last+1 >= l.mark.cut }

func (l *Log) path(number uint64) string {
	return l.options.FS.PathJoin(l.options.Dir, segmentName(number))
}

// list finds the numbers of the segments, in their order, and the spares. Segments before the mark's first were being dropped.
func (l *Log) list() (numbers []uint64, err error) {
	fs := l.options.FS
	names, err := fs.List(l.options.Dir)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	slices.Sort(names)
	for _, name := range names {
		if base, ok := strings.CutSuffix(name, spareSuffix); ok && isNumber(base) && !l.options.ReadOnly {
			if err := l.takeSpare(fs.PathJoin(l.options.Dir, name), base); err != nil {
				return nil, err
			}
		}
		base, ok := strings.CutSuffix(name, segmentSuffix)
		if !ok || !isNumber(base) {
			continue
		}
		number, err := strconv.ParseUint(base, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("log: the name %s: %w", name, err)
		}
		if number < l.mark.front {
			if l.options.ReadOnly {
				continue
			}
			if err := l.keepOrRemove(l.path(number), -1); err != nil {
				return nil, err
			}
			continue
		}
		numbers = append(numbers, number)
	}
	return numbers, nil
}

// Stranger is the name of something in a directory of the operating system that is no file of a log, "" if there is none.
func Stranger(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("log: %w", err)
	}
	for _, entry := range entries {
		base, ok := strings.CutSuffix(entry.Name(), segmentSuffix)
		if !ok {
			base, ok = strings.CutSuffix(entry.Name(), spareSuffix)
		}
		if entry.IsDir() || entry.Name() != markName && !(ok && isNumber(base)) {
			return entry.Name(), nil
		}
	}
	return "", nil
}

// takeSpare keeps a spare to be used again, or removes one that is on its way to a segment already: it has the header of that segment, and a
// crash has taken its new name. Should there be another crash when it gets that name once more, it would be taken for the segment, although
// other entries may have been appended before it meanwhile.
func (l *Log) takeSpare(path, base string) error {
	file, err := l.options.FS.Open(path)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	var b [headerBytes]byte
	n, err := file.ReadAt(b[:], 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("log: read %s: %w", path, err)
	}
	var h header
	if h.read(b[:n]) && fmt.Sprintf("%016x", h.number) != base {
		if err := l.options.FS.Remove(path); err != nil {
			return fmt.Errorf("log: %w", err)
		}
		return nil
	}
	l.spares = append(l.spares, path)
	return nil
}

func isNumber(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}

// openSegment opens a segment and reads it, into the buffer if it has room there. One that was being made has the number 0.
func (l *Log) openSegment(number uint64, buffer []byte) (_ *segment, data []byte, err error) {
	s := &segment{path: l.path(number), end: headerBytes}
	if s.file, err = l.openFile(s.path); err != nil {
		return nil, nil, fmt.Errorf("log: %w", err)
	}
	info, err := s.file.Stat()
	if err == nil {
		s.size = info.Size()
		data, err = load(s.file, s.size, buffer)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("log: read %s: %w", s.path, err), s.file.Close())
	}
	switch ok := s.header.read(data); {
	case ok && s.header.id != l.options.ID && (l.options.ID != 0 || !l.options.ReadOnly):
		return nil, nil, errors.Join(s.damaged(0, "it is of another log: %d, want %d", s.header.id, l.options.ID), s.file.Close())
	case !ok || s.header.number != number:
		s.header = header{}
	}
	return s, data, nil
}

func (l *Log) openFile(path string) (vfs.File, error) {
	if l.options.ReadOnly {
		return l.options.FS.Open(path)
	}
	return l.options.FS.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
}

// readFrames reads the frames of a segment up to one that does not follow.
func (l *Log) readFrames(s *segment, data []byte) {
	for {
		f, ok := readFrame(data[s.end:])
		if !ok || f.index != l.last+1 || f.before != l.sum || f.term < l.term {
			return
		}
		s.end += int64(f.size())
		s.ends = append(s.ends, s.end)
		l.last, l.term, l.sum = f.index, f.term, f.sum
	}
}

// end is the end of what can be read: in the segment s, nil if there is none, with segments behind it that cannot, the first of which has
// the data.
func (l *Log) end(s *segment, data []byte, behind []uint64, unmade []byte) error {
	if !l.isCut() {
		if err := l.findDamage(s, data, behind, unmade); err != nil {
			return err
		}
	}
	if l.options.ReadOnly {
		return l.endReading(s)
	}
	for i := len(behind) - 1; i >= 0; i-- {
		if err := l.options.FS.Remove(l.path(behind[i])); err != nil {
			return fmt.Errorf("log: %w", err)
		}
	}
	if len(behind) > 0 {
		if err := l.syncDir(); err != nil {
			return err
		}
	}
	if s == nil {
		return nil
	}
	if len(l.segments) == 1 && len(s.ends) == 0 {
		l.last, l.sum = 0, 0
	} else {
		l.first = max(l.segments[0].first, l.mark.first)
	}
	if l.isCut() && l.last >= l.mark.cut {
		return l.cutBack(l.mark.cut)
	}
	if l.mark.closed == 0 { // what is left of a torn append must not follow another one some day
		if err := s.clear(s.size); err != nil {
			return err
		}
	}
	if l.mark.cut != 0 {
		return l.mark.set(l.mark.upTo(l.last), true)
	}
	return nil
}

// endReading is the end of what is there to be read. Nothing is written: what was being deleted is forgotten.
func (l *Log) endReading(s *segment) error {
	if s == nil {
		return nil
	}
	if len(l.segments) == 1 && len(s.ends) == 0 {
		l.last, l.sum = 0, 0
	} else {
		l.first = max(l.segments[0].first, l.mark.first)
	}
	var errs []error
	if l.isCut() && l.last >= l.mark.cut {
		gone, _ := l.forgetFrom(l.mark.cut)
		for _, s := range gone {
			errs = append(errs, s.file.Close())
		}
		errs = append(errs, l.endOfLast())
	}
	return errors.Join(errs...)
}

// findDamage looks whether what cannot be read had been synced.
func (l *Log) findDamage(s *segment, data []byte, behind []uint64, unmade []byte) error {
	path, at := l.options.Dir, int64(0)
	if s != nil {
		path, at, data = s.path, s.end, data[s.end:]
	}
	damaged := func(by string) error {
		return fmt.Errorf("%w: %s at %d: entry %d is not what was written, or was lost: %s", ErrDamaged, path, at, l.last+1, by)
	}
	switch {
	case l.mark.synced > l.last && s != nil && len(behind) == 0:
		return damaged(fmt.Sprintf("entry %d was synced, and %s is not there", l.mark.synced, l.path(s.number+1)))
	case l.mark.synced > l.last:
		return damaged(fmt.Sprintf("entry %d was synced", l.mark.synced))
	case len(behind) > 1:
		return damaged(fmt.Sprintf("%s was made later", l.path(behind[1])))
	case s != nil && l.isLater(data, 0), len(unmade) > headerBytes && l.isLater(unmade[headerBytes:], len(data)):
		return damaged("there is one of a later append")
	}
	return nil
}

// isLater reports whether data, which begins so many bytes behind where the next frame should, has a frame of an append that is behind the
// one of the entry after the last; or begins with one that is whole, and so was not torn, and does not follow.
//
// What is there may also be anything that a segment had before it was used again. So a frame is looked at only if all that come before it have
// room: the sum of what is none would have to be taken over a great part of the segment, again and again.
func (l *Log) isLater(data []byte, behind int) bool {
	if f, ok := readFrame(data); ok && f.index > l.last {
		return true
	}
	for at := 0; at+frameBytes <= len(data); at++ {
		index := binary.LittleEndian.Uint64(data[at+8:])
		if index <= l.last+1 || index-l.last-1 > uint64((behind+at)/frameBytes) { // also where there are zeros
			continue
		}
		if f, ok := readFrame(data[at:]); ok && f.appended() > l.last+1 {
			return true
		}
	}
	return false
}
