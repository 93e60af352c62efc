package engine

import (
	"maps"

	"github.com/concordat-dev/concordat/internal/format"
)

// shard owns the instances and runs that hash to it, with their timers and the requests for them. One worker at a time runs it.
type shard struct {
	number    uint16
	on        *executor                   // that runs it
	instances *instance                   // in memory: a list
	runs      map[uint64]*coord           // with rows, by id
	requests  map[format.Request]*request // with ids, that are not settled or not yet sealed
	timers    timerQueue                  // due in wall time
	backOffs  timerQueue                  // due in engine time
}

// newShard makes a shard without anything in it, which a worker runs.
func (x *executor) newShard(number uint16) *shard {
	s := &shard{number: number, on: x, runs: map[uint64]*coord{}, requests: map[format.Request]*request{}}
	s.timers.of, s.backOffs.of = &x.timers, &x.backOffs
	s.timers.index, s.backOffs.index = -1, -1
	x.shards = append(x.shards, s)
	return s
}

// eachRun calls visit with all runs that have rows.
func (x *executor) eachRun(visit func(c *coord)) {
	for _, s := range x.shards {
		for c := range maps.Values(s.runs) {
			visit(c)
		}
	}
}

// run finds a run that has rows by its id; nil if there is none.
func (x *executor) run(id uint64) *coord {
	for _, s := range x.shards {
		if c := s.runs[id]; c != nil {
			return c
		}
	}
	return nil
}

// own adds an instance that is in memory now.
func (s *shard) own(i *instance) {
	if i.after = s.instances; i.after != nil {
		i.after.before = i
	}
	s.instances = i
}

// disown takes out one that is to be dropped from memory.
func (s *shard) disown(i *instance) {
	if i.before == nil {
		s.instances = i.after
	} else {
		i.before.after = i.after
	}
	if i.after != nil {
		i.after.before = i.before
	}
}
