package log

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Damage is a place at which a file is not what was written.
type Damage struct {
	File string // its path
	At   int64  // bytes from its beginning
	Text string // what is wrong
}

func (d Damage) String() string { return fmt.Sprintf("%s at %d: %s", d.File, d.At, d.Text) }

// Verified is what [Verify] has read.
type Verified struct {
	Segments    int
	Entries     uint64 // those that are whole
	First, Last uint64 // of these; 0 if there are none
	Bytes       int64  // of the segments' files
}

// Verify reads all of a log that nobody writes, and changes nothing. It calls visit with each entry that is whole, in their order, and
// damaged with each place that is not what was written, and goes on behind it. An append that a crash tore is no damage: see the package's
// comment for what tells the two apart. What visit is called with is valid during the call. An error is one of visit, or says that the
// directory cannot be listed, or the mark not be read. Without Options.ID the log is the one that its first segment belongs to.
func Verify(o Options, visit func(Entry) error, damaged func(Damage)) (_ Verified, err error) {
	o = o.withDefaults()
	o.ReadOnly = true
	v := verifier{log: Log{options: o}, visit: visit, damaged: damaged}
	if v.log.mark, err = openMark(o.FS, o.Dir, true); err != nil {
		return v.found, err
	}
	err = errors.Join(v.segments(), v.log.mark.close())
	return v.found, err
}

// verifier goes through the segments, one after the other. Its log has the last entry that was whole.
type verifier struct {
	log     Log
	visit   func(Entry) error
	damaged func(Damage)
	found   Verified
	begun   bool   // it is known which entry comes next
	told    bool   // what is missing was told
	path    string // where the last segment ended
	end     int64
	buffer  []byte // for segments
}

// next is the number of the entry that comes next.
func (v *verifier) next() uint64 { return v.log.last + 1 }

func (v *verifier) tell(path string, at int64, text string, args ...any) {
	v.told = true
	v.damaged(Damage{path, at, fmt.Sprintf(text, args...)})
}

func (v *verifier) segments() error {
	l := &v.log
	numbers, err := l.list()
	if err != nil {
		return err
	}
	before := max(l.mark.front, 1) - 1
	for i, number := range numbers {
		if v.begun && l.isCut() {
			return nil
		}
		if number > before+1 {
			v.tell(l.path(before+1), 0, "%d segments are missing", number-before-1)
		}
		before = number
		if err := v.segment(number, i == len(numbers)-1); err != nil {
			return err
		}
	}
	if synced := l.mark.synced; synced > l.last && !l.isCut() {
		if v.path == "" {
			v.path = l.path(max(l.mark.front, 1))
		}
		v.tell(v.path, v.end, "entries %d to %d were synced, and are not what was written, or were lost", v.next(), synced)
	}
	return nil
}

// segment reads a segment.
func (v *verifier) segment(number uint64, isLast bool) error {
	l := &v.log
	s, data, err := l.openSegment(number, v.buffer)
	v.buffer = data
	if err == nil && l.options.ID == 0 {
		l.options.ID = s.id
	}
	if err != nil {
		v.tell(l.path(number), 0, "it cannot be read: %v", err)
		return nil
	}
	v.found.Segments++
	v.found.Bytes += s.size
	v.begin(s, number, isLast, data)
	for more := true; more && err == nil; {
		more, err = v.frame(s, data, isLast)
	}
	v.path, v.end = s.path, s.end
	return errors.Join(err, s.file.Close())
}

// begin compares the header of a segment with what came before.
func (v *verifier) begin(s *segment, number uint64, isLast bool, data []byte) {
	l := &v.log
	switch {
	case s.number != number:
		if at, _ := v.nextWhole(data, headerBytes); !isLast || at >= 0 || l.mark.synced > l.last { // else it was being made
			v.tell(s.path, 0, "its header is not what was written")
		}
		return
	case v.begun && s.first < v.next(), v.begun && s.first == v.next() && s.before != l.sum && l.sum != 0:
		v.tell(s.path, 0, "it begins with entry %d, and does not follow entry %d", s.first, l.last)
	case v.begun && s.first > v.next() && !v.told:
		v.tell(v.path, v.end, "entries %d to %d are not what was written, or were lost", v.next(), s.first-1)
	}
	v.begun, v.told = true, false
	l.last, l.sum = s.first-1, s.before
}

// frame reads the next frame of a segment, or finds the one behind damage. It reports whether there may be more.
func (v *verifier) frame(s *segment, data []byte, isLast bool) (more bool, err error) {
	l := &v.log
	if l.isCut() || s.end >= int64(len(data)) {
		return false, nil
	}
	f, ok := readFrame(data[s.end:])
	if !ok || f.index != v.next() || (f.before != l.sum && l.sum != 0) || f.term < l.term {
		at, later := v.nextWhole(data, s.end)
		if at >= 0 {
			f, _ = readFrame(data[at:])
		}
		if at < 0 || (isLast && !later && l.mark.synced < f.index) { // it ends, or what follows is of an append that was torn
			return false, nil
		}
		if f.index > v.next() {
			v.tell(s.path, s.end, "entries %d to %d are not what was written", v.next(), f.index-1)
		} else {
			v.tell(s.path, s.end, "entry %d does not follow the entry before it", f.index)
		}
		s.end, v.begun = at, true
	}
	v.told = false
	e := Entry{Index: f.index, Term: f.term, Data: data[s.end+frameBytes:][:f.length]}
	s.end += int64(f.size())
	l.last, l.term, l.sum = f.index, f.term, f.sum
	if f.index < l.mark.first { // it was deleted
		return true, nil
	}
	v.found.Entries++
	v.found.Last = f.index
	if v.found.First == 0 {
		v.found.First = f.index
	}
	return true, v.visit(e)
}

// nextWhole finds the next frame from a place on that is whole and of an entry that is still to come; -1 if there is none. It reports
// whether the frame is of a later append than the entry that comes next. As in [Log.isLater] a frame is looked at only if all that come
// before it have room.
func (v *verifier) nextWhole(data []byte, from int64) (at int64, later bool) {
	for at = from; at+frameBytes <= int64(len(data)); at++ {
		index := binary.LittleEndian.Uint64(data[at+8:])
		if index < v.next() || index-v.next() > uint64(at-from)/frameBytes { // also where there are zeros
			if !v.begun && at == from && index > 0 { // nobody knows which comes next
				if f, ok := readFrame(data[at:]); ok {
					return at, f.appended() > v.next()
				}
			}
			continue
		}
		if f, ok := readFrame(data[at:]); ok {
			return at, f.appended() > v.next()
		}
	}
	return -1, false
}
