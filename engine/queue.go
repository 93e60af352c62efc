package engine

import "slices"

// queue is a first-in-first-out queue that keeps its memory.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) push(item T) { q.items = append(q.items, item) }

func (q *queue[T]) pop() (item T, ok bool) {
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

// delete deletes one of the queue, counted from the first.
func (q *queue[T]) delete(i int) { q.items = slices.Delete(q.items, q.head+i, q.head+i+1) }

func (q *queue[T]) len() int { return len(q.items) - q.head }

// all lists what is in the queue, the first first. It is valid until the queue changes.
func (q *queue[T]) all() []T { return q.items[q.head:] }

// spares keeps memory to use it again, the last first: it may still be in the processor's cache.
type spares[T any] struct{ items []*T }

// take returns memory that was put, as it was then, or new.
func (s *spares[T]) take() *T {
	n := len(s.items)
	if n == 0 {
		return new(T)
	}
	item := s.items[n-1]
	s.items = s.items[:n-1]
	return item
}

// put keeps memory that nothing refers to; at most maxIdle.
func (s *spares[T]) put(item *T) {
	if len(s.items) < maxIdle {
		s.items = append(s.items, item)
	}
}
