package ycsb

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ioFile is where Linux tells what this process has read and written.
const ioFile = "/proc/self/io"

// bytesWritten is how many bytes the process has given the system to be written to disks; nil if that is not known.
func bytesWritten() *uint64 {
	data, err := os.ReadFile(ioFile)
	if err != nil {
		return nil
	}
	n, err := parseWritten(string(data))
	if err != nil {
		return nil
	}
	return &n
}

// writtenSince is how many bytes were written since there were so many; nil if one of the two is not known.
func writtenSince(before *uint64) *uint64 {
	now := bytesWritten()
	if before == nil || now == nil {
		return nil
	}
	n := *now - min(*before, *now) // pages may be cancelled that were written to before
	return &n
}

// parseWritten reads from a text like that of /proc/PID/io how many bytes were written to disks: those of pages that were made dirty, which
// the system counts at once and writes later, but for those of files that were deleted or cut before (proc_pid_io(5)).
func parseWritten(text string) (uint64, error) {
	written, err := ioField(text, "write_bytes")
	cancelled, cancelledErr := ioField(text, "cancelled_write_bytes")
	if err := errors.Join(err, cancelledErr); err != nil {
		return 0, err
	}
	return written - min(cancelled, written), nil
}

// ioField is the number behind a name on a line of its own.
func ioField(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		value, is := strings.CutPrefix(line, name+":")
		if !is {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("ycsb: %s of %s: %w", name, ioFile, err)
		}
		return n, nil
	}
	return 0, fmt.Errorf("ycsb: %s has no %s", ioFile, name)
}
