package engine

import (
	"sync"
	"time"
)

// EpochInfo describes an epoch that is durable.
type EpochInfo struct {
	Number   uint64
	Sealed   time.Time     // when it was durable
	Took     time.Duration // to encode and seal it
	Rows     int           // that were written or deleted
	Bytes    int           // of them in the log; 0 if there was nothing to write
	Outcomes int           // of requests, which it let out
	Forced   bool          // it was cut before it had come to rest
}

// maxEpochs bounds the epochs that are told of.
const maxEpochs = 256

// epochLog has the last epochs.
type epochLog struct {
	mu    sync.Mutex
	ring  [maxEpochs]EpochInfo
	count uint64
}

func (l *epochLog) add(i EpochInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.count%maxEpochs] = i
	l.count++
}

// Epochs returns the last epochs, at most 256, the oldest first. It does not block.
func (e *Engine) Epochs() []EpochInfo {
	l := &e.epochs
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]EpochInfo, 0, maxEpochs)
	for i := l.count - min(l.count, maxEpochs); i < l.count; i++ {
		all = append(all, l.ring[i%maxEpochs])
	}
	return all
}

// noteSealed notes an epoch that is durable.
func (e *Engine) noteSealed(s *sealing, began time.Duration, rows, bytes int) {
	now, elapsed := e.clocks.Both()
	e.measures.seals.add(elapsed - began)
	i := EpochInfo{Number: s.epoch, Sealed: now, Took: elapsed - began, Rows: rows, Forced: s.forced}
	if rows > 0 {
		i.Bytes = bytes
	}
	for _, p := range s.portions {
		i.Outcomes += len(p.replies)
	}
	e.measures.epochBytes.add(uint64(i.Bytes))
	e.measures.epochRequests.add(uint64(i.Outcomes))
	if i.Forced {
		e.measures.forced.Add(1)
	}
	e.epochs.add(i)
	if told := e.events.Load(); told != nil && told.EpochSealed != nil {
		told.EpochSealed(i)
	}
}
