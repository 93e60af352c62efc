package engine

import (
	"fmt"
	"sync"

	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// keysUnderWay is the keys of a partition's records that have begun and have no outcome yet. A record waits for those with its key,
// unless all are calls on one instance, as it is itself: such messages overtake each other nowhere.
//
// Who delivers waits here, so there is one at most. Workers take part when a record is over.
type keysUnderWay struct {
	mu    sync.Mutex
	keys  map[string]keyUnderWay
	freed chan struct{} // gets a token when a record is over, if somebody waits
	waits bool
}

type keyUnderWay struct {
	records int
	on      instanceOf // all of them are calls on it; zero if not
}

// instanceOf names an instance; zero: it is none.
type instanceOf struct{ typeName, id string }

func instanceIn(env *instances.Envelope) (of instanceOf) {
	if env.Op != nil {
		of = instanceOf{env.Op.Type.Name, env.ID}
	}
	return of
}

// hold notes that a record with a key begins, unless it has to wait.
func (k *keysUnderWay) hold(key string, on instanceOf, must bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		k.keys, k.freed = map[string]keyUnderWay{}, make(chan struct{}, 1)
	}
	now, under := k.keys[key]
	switch {
	case !under:
		now.on = on
	case now.on != on || on == instanceOf{}:
		if !must {
			k.waits = true
			return false
		}
		now.on = instanceOf{}
	}
	now.records++
	k.keys[key] = now
	return true
}

// letGo notes that a record is over.
func (k *keysUnderWay) letGo(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.keys[key]
	if now.records--; now.records == 0 {
		delete(k.keys, key)
	} else {
		k.keys[key] = now
	}
	if k.waits {
		k.waits = false
		select {
		case k.freed <- struct{}{}:
		default:
		}
	}
}

// takeKey waits until a record may begin. In a stepped engine nothing happens meanwhile, so there it does not wait.
func (r *feedRun) takeKey(q *request) error {
	t := q.record
	if t == nil || t.row.Key == "" {
		return nil
	}
	for !t.part.keys.hold(t.row.Key, instanceIn(&q.env), false) {
		if r.feed.engine.options.Seams.Stepped {
			return fmt.Errorf("%w: a record of %s with the key %.40q is under way", ErrOverloaded, t.part.fullName(), t.row.Key)
		}
		select {
		case <-t.part.keys.freed:
		case <-r.ctx.Done():
			return r.over()
		}
	}
	t.holds = true
	return nil
}

// holdAgain is takeKey of a record that a restart found.
func (t *taken) holdAgain(env *instances.Envelope) {
	if t.part != nil && t.row.Key != "" {
		t.holds = t.part.keys.hold(t.row.Key, instanceIn(env), true)
	}
}

// letGo lets the next record with the key begin, once. It is called by one worker at a time: first by who accepts the record, then by who
// runs it.
func (t *taken) letGo() {
	if t != nil && t.holds {
		t.holds = false
		t.part.keys.letGo(t.row.Key)
	}
}

// letGoKey is letGo of a run that is over, or rests.
func (c *coord) letGoKey() {
	if c.asked != nil {
		c.asked.record.letGo()
	}
}
