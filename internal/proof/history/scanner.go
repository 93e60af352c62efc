package history

import (
	"encoding/json"
	"fmt"
	"math"
)

// scanner reads the JSON of one line. Its first error stays, and after it every method returns a zero value, so that callers look
// at err once. It knows just what the format needs: encoding/json takes four times as long (BenchmarkDecode), and then has not
// looked into the operations.
type scanner struct {
	data []byte
	pos  int
	err  error
}

// fail notes the first error, with its column.
func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("column %d: %s", s.pos+1, fmt.Sprintf(format, args...))
		s.pos = len(s.data)
	}
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// accept takes the byte if it is next.
func (s *scanner) accept(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	s.space()
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// expect takes the byte, which must be next.
func (s *scanner) expect(c byte) {
	if !s.accept(c) {
		s.fail("%q is missing", c)
	}
}

// end fails if anything is left.
func (s *scanner) end() {
	s.space()
	if s.pos < len(s.data) {
		s.fail("something follows the record")
	}
}

// more reports whether another element follows, in an object or array that ends with close. first is true before the first.
func (s *scanner) more(first bool, close byte) bool {
	if s.err != nil || s.accept(close) {
		return false
	}
	if !first {
		s.expect(',')
	}
	return s.err == nil
}

// integer reads a whole number.
func (s *scanner) integer() int64 {
	negative := s.accept('-')
	if !negative {
		s.space()
	}
	from := s.pos
	var n uint64
	for s.pos < len(s.data) {
		digit := uint64(s.data[s.pos]) - '0'
		if digit > 9 {
			break
		}
		if n > (math.MaxInt64-digit)/10 {
			s.fail("the number is too large")
			return 0
		}
		n = n*10 + digit
		s.pos++
	}
	if s.pos == from {
		s.fail("a whole number is missing")
		return 0
	}
	if negative {
		return -int64(n)
	}
	return int64(n)
}

// small reads a whole number between 0 and the largest int32.
func (s *scanner) small(what string) int32 {
	n := s.integer()
	if n < 0 || n > math.MaxInt32 {
		s.fail("%s is %d, it must be between 0 and %d", what, n, math.MaxInt32)
		return 0
	}
	return int32(n)
}

// text reads a string. The result is good until the line is gone.
func (s *scanner) text() []byte {
	s.expect('"')
	from := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[from : s.pos-1]
		case c == '\\' || c >= 0x80:
			return s.escaped(from)
		case c < ' ':
			s.fail("there is a control character in a string")
			return nil
		}
		s.pos++
	}
	s.fail("a string has no end")
	return nil
}

// escaped reads a string with escapes or letters beyond ASCII, which began at from.
func (s *scanner) escaped(from int) []byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch s.data[s.pos] {
		case '\\':
			s.pos++
		case '"':
			s.pos++
			var text string
			if err := json.Unmarshal(s.data[from-1:s.pos], &text); err != nil {
				s.fail("a string: %v", err)
				return nil
			}
			return []byte(text)
		}
	}
	s.fail("a string has no end")
	return nil
}

// null takes the word null if it is next.
func (s *scanner) null() bool {
	s.space()
	if s.pos+4 <= len(s.data) && string(s.data[s.pos:s.pos+4]) == "null" {
		s.pos += 4
		return true
	}
	return false
}
