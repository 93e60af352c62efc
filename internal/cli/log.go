package cli

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// sameLines is how many records of a log that differ in numbers only are shown.
const sameLines = 3

// NewLogger makes a log for people. Of records that only differ in numbers it shows the first few: a store on a full disk tries again
// a hundred times a second, and says so each time.
func NewLogger(w io.Writer) *slog.Logger {
	return slog.New(&fewHandler{Handler: slog.NewTextHandler(w, nil), seen: &seenLines{count: make(map[string]int)}})
}

type seenLines struct {
	mu    sync.Mutex
	count map[string]int
}

// fewHandler drops records like those that it has passed on often enough.
type fewHandler struct {
	slog.Handler
	seen *seenLines
}

// Handle implements slog.Handler.
func (h *fewHandler) Handle(ctx context.Context, r slog.Record) error {
	kind := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return -1
		}
		return c
	}, r.Message)
	h.seen.mu.Lock()
	h.seen.count[kind]++
	n := h.seen.count[kind]
	h.seen.mu.Unlock()
	switch {
	case n > sameLines:
		return nil
	case n == sameLines:
		r.Message += " (and so on)"
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *fewHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &fewHandler{h.Handler.WithAttrs(attrs), h.seen}
}

// WithGroup implements slog.Handler.
func (h *fewHandler) WithGroup(name string) slog.Handler {
	return &fewHandler{h.Handler.WithGroup(name), h.seen}
}
