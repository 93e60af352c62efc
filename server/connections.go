package server

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// connections bounds the open connections: at one more than there may be the one that has been idle longest is closed. So those who
// open very many and say nothing are closed themselves, and nobody else waits.
type connections struct {
	most int

	mu   sync.Mutex
	open map[net.Conn]*list.Element // nil while it is active
	idle list.List                  // of net.Conn, the one that has been idle longest first
}

func newConnections(most int) *connections {
	return &connections{most: most, open: map[net.Conn]*list.Element{}}
}

// changed is http.Server.ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if victim := c.note(conn, state); victim != nil {
		victim.Close()
	}
}

// note notes what a connection does now, and returns one that is to be closed, or nil.
func (c *connections) note(conn net.Conn, state http.ConnState) (victim net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, known := c.open[conn]
	if at != nil {
		c.idle.Remove(at)
	}
	switch state {
	case http.StateNew, http.StateIdle: // a new one has not said anything yet
		c.open[conn] = c.idle.PushBack(conn)
	case http.StateActive:
		c.open[conn] = nil
	default: // closed, or taken over
		delete(c.open, conn)
	}
	if known || len(c.open) <= c.most {
		return nil
	}
	victim = c.idle.Remove(c.idle.Front()).(net.Conn) // the new one, if all others are active
	delete(c.open, victim)
	return victim
}

// count counts the open connections.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
