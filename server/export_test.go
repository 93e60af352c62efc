package server

import (
	"context"

	"github.com/concordat-dev/concordat/engine"
)

// Routes are the paths that the server answers, with what they need.
func (s *Server) Routes() map[string]Role {
	all := map[string]Role{}
	for _, r := range s.routes {
		path := r.path
		if r.prefix {
			path += "*"
		}
		all[path] = r.needs
	}
	return all
}

// OpenConnections counts the open connections.
func (s *Server) OpenConnections() int { return s.connections.count() }

// HoldBackup has the server busy with a backup until release is called.
func (s *Server) HoldBackup() (release func()) {
	s.backing.Store(true)
	return func() { s.backing.Store(false) }
}

// ShowLocks has the graph of the console made from these locks.
func (o Options) ShowLocks(of func() []engine.LockInfo) Options {
	o.views = map[string]liveLook{"graph": func(context.Context) (any, error) { return graphOf(of()), nil }}
	return o
}

// Looks reports whether somebody looks for consoles.
func (s *Server) Looks() bool {
	s.live.mu.Lock()
	defer s.live.mu.Unlock()
	return s.live.runs
}
