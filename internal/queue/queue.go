// Package queue has queues ([Queue]) and spare memory ([Spares]) for goroutines that own them: nothing in it is locked.
package queue

import "slices"

// Queue is a first-in-first-out queue that keeps its memory.
type Queue[T any] struct {
	items []T
	head  int
}

func (q *Queue[T]) Push(item T) { q.items = append(q.items, item) }

func (q *Queue[T]) Pop() (item T, ok bool) {
	if q.head == len(q.items) {
		return item, false
	}
	var zero T
	item, q.items[q.head] = q.items[q.head], zero
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	} else if q.head >= 1024 && q.head*2 >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return item, true
}

// Delete deletes one of the queue, counted from the first.
func (q *Queue[T]) Delete(i int) { q.items = slices.Delete(q.items, q.head+i, q.head+i+1) }

func (q *Queue[T]) Len() int { return len(q.items) - q.head }

// All lists what is in the queue, the first first. It is valid until the queue changes.
func (q *Queue[T]) All() []T { return q.items[q.head:] }

// MaxIdle bounds what is kept, each, to be used again: runs, calls, routines and so on.
const MaxIdle = 4096

// Spares keeps memory to use it again, the last first: it may still be in the processor's cache.
type Spares[T any] struct{ items []*T }

// Take returns memory that was put, as it was then, or new.
func (s *Spares[T]) Take() *T {
	n := len(s.items)
	if n == 0 {
		return new(T)
	}
	item := s.items[n-1]
	s.items = s.items[:n-1]
	return item
}

// Put keeps memory that nothing refers to; at most maxIdle.
func (s *Spares[T]) Put(item *T) {
	if len(s.items) < MaxIdle {
		s.items = append(s.items, item)
	}
}
