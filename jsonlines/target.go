package jsonlines

import (
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// lineTarget is a file, pipe or device that lines of this process go to, or come from, by whatever names it is known.
type lineTarget struct {
	info  os.FileInfo
	holds []*targetHold
	turn  chan struct{} // held by who writes to it, so that lines stay whole
	torn  atomic.Bool   // what was written last ends in the midst of a line, and may still be read
	left  time.Time     // when the target had changed last, behind a torn line
}

// targetHold is the use of a target by one egress or ingress.
type targetHold struct {
	*lineTarget
	table *targetTable
	path  string   // by which it is used
	own   *os.File // the process's own stream by which the target is used, or nil
}

// targetTable has the targets that are in use, and those that were left torn. It is one for the process, as the targets are.
type targetTable struct {
	mu  sync.Mutex
	all []*lineTarget
}

var (
	linesOut targetTable
	linesIn  targetTable
)

// maxTargets bounds the targets that are remembered since they were left torn: when there are more targets, those that nobody uses are
// forgotten, the oldest first.
const maxTargets = 64

// hold begins to use a target, unless somebody uses it who does not share it.
func (t *targetTable) hold(info os.FileInfo, path string, own *os.File) (h *targetHold, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.all, func(l *lineTarget) bool { return os.SameFile(l.info, info) })
	if i < 0 {
		i = len(t.all)
		t.all = append(t.all, &lineTarget{info: info, turn: make(chan struct{}, 1)})
	}
	target := t.all[i]
	if len(target.holds) == 0 && !target.left.Equal(info.ModTime()) {
		target.torn.Store(false) // it is another one, which got the same place on the disk, or somebody has written to it
	}
	h = &targetHold{lineTarget: target, table: t, path: path, own: own}
	if slices.ContainsFunc(target.holds, func(other *targetHold) bool { return !h.sharesWith(other) }) {
		return nil, false
	}
	target.holds = append(target.holds, h)
	return h, true
}

// pathsOf lists the paths by which the target at a path is used.
func (t *targetTable) pathsOf(path string) (paths []string) {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, target := range t.all {
		if !os.SameFile(target.info, info) {
			continue
		}
		for _, h := range target.holds {
			paths = append(paths, h.path)
		}
	}
	return paths
}

// sharesWith reports whether two may use one target in turns: a device, which has no position, or the process's own output. Two own
// streams to one regular file each have a position of their own, unless they are the same stream.
func (h *targetHold) sharesWith(other *targetHold) bool {
	mode := h.info.Mode()
	if mode&os.ModeCharDevice != 0 {
		return true
	}
	return h.own != nil && other.own != nil && (h.own == other.own || !mode.IsRegular())
}

// release ends the use of a target. It may be called of nil.
func (h *targetHold) release() {
	if h == nil {
		return
	}
	t := h.table
	t.mu.Lock()
	defer t.mu.Unlock()
	h.holds = slices.DeleteFunc(h.holds, func(other *targetHold) bool { return other == h })
	t.all = slices.DeleteFunc(t.all, func(l *lineTarget) bool { return len(l.holds) == 0 && !l.torn.Load() })
	left := func(l *lineTarget) bool { return len(l.holds) == 0 }
	if n := len(t.all); n > maxTargets && slices.ContainsFunc(t.all, left) {
		i := slices.IndexFunc(t.all, left)
		t.all = slices.Delete(t.all, i, i+1)
	}
}

// is reports whether a target is the file that info is of.
func (h *targetHold) is(info os.FileInfo) bool { return h != nil && os.SameFile(h.info, info) }

// write writes lines to the target by an open file, while nobody else does: over is closed when nobody waits for that any more. What is
// left of a torn line gets an end first, so that nothing is taken for its rest.
func (h *targetHold) write(over <-chan struct{}, file *os.File, lines []byte) error {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-over:
		return os.ErrDeadlineExceeded
	}
	if h.torn.Load() {
		if _, err := file.WriteString("\n"); err != nil {
			return err
		}
		h.torn.Store(false)
	}
	n, err := file.Write(lines)
	if n > 0 && lines[n-1] != '\n' && !errors.Is(err, syscall.EPIPE) { // of a pipe that nobody reads nothing is left
		h.leaveTorn(file)
	}
	return err
}

// leaveTorn notes that the target has a part of a line.
func (l *lineTarget) leaveTorn(file *os.File) {
	if info, err := file.Stat(); err == nil {
		l.left = info.ModTime()
	}
	l.torn.Store(true)
}
