package raftlog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/concordat-dev/concordat/internal/log"
	"github.com/concordat-dev/concordat/internal/log/raftlog"
)

// machine is the state machine of a node: what was set, and a hash of all commands in their order.
type machine struct {
	mu    sync.Mutex
	state machineState
}

type machineState struct {
	Values   map[string]string
	Commands int
	Sum      uint64
}

func (m *machine) Apply(l *raft.Log) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s", m.state.Sum, l.Data) // a hash never fails
	m.state.Sum = h.Sum64()
	m.state.Commands++
	if m.state.Values == nil {
		m.state.Values = map[string]string{}
	}
	var command [2]string
	if err := json.Unmarshal(l.Data, &command); err != nil {
		return err
	}
	m.state.Values[command[0]] = command[1]
	return nil
}

func (m *machine) now() machineState {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.state
	s.Values = maps.Clone(s.Values)
	return s
}

func (m *machine) Snapshot() (raft.FSMSnapshot, error) { return m.now(), nil }

func (m *machine) Restore(from io.ReadCloser) error {
	var s machineState
	err := json.NewDecoder(from).Decode(&s)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s
	return errors.Join(err, from.Close())
}

func (s machineState) Persist(to raft.SnapshotSink) error {
	if err := json.NewEncoder(to).Encode(s); err != nil {
		return errors.Join(err, to.Cancel())
	}
	return to.Close()
}

func (machineState) Release() {}

// node is a member of a cluster in this process. Its log is on the disk of the operating system, its term and vote stay in memory when it
// is restarted.
type node struct {
	id      raft.ServerAddress
	dir     string
	stable  *raft.InmemStore
	log     *log.Log
	store   *raftlog.Store
	machine *machine
	raft    *raft.Raft
}

// cluster is some nodes.
type cluster struct {
	t          *testing.T
	nodes      []*node
	transports map[raft.ServerAddress]*raft.InmemTransport
}

// trailing is how many entries a node keeps behind a snapshot.
const trailing = 20

func newCluster(t *testing.T, n int) *cluster {
	c := &cluster{t: t, transports: map[raft.ServerAddress]*raft.InmemTransport{}}
	var servers []raft.Server
	for i := range n {
		id := raft.ServerAddress(fmt.Sprint("node", i))
		c.nodes = append(c.nodes, &node{id: id, dir: t.TempDir(), stable: raft.NewInmemStore()})
		servers = append(servers, raft.Server{ID: raft.ServerID(id), Address: id})
	}
	for _, n := range c.nodes {
		c.start(n)
	}
	must(t, c.nodes[0].raft.BootstrapCluster(raft.Configuration{Servers: servers}).Error())
	t.Cleanup(func() {
		for _, n := range c.nodes {
			c.stop(n)
		}
	})
	return c
}

// start starts a node from what it has.
func (c *cluster) start(n *node) {
	c.t.Helper()
	var err error
	if n.log, err = log.Open(log.Options{Dir: n.dir, ID: 7, SegmentBytes: 8 << 10, Ahead: true}); err != nil {
		c.t.Fatal(err)
	}
	n.store, n.machine = raftlog.New(n.log), &machine{}
	snapshots, err := raft.NewFileSnapshotStore(filepath.Join(n.dir, "snapshots"), 2, io.Discard)
	must(c.t, err)
	config := raft.DefaultConfig()
	config.LocalID, config.LogOutput = raft.ServerID(n.id), io.Discard
	config.HeartbeatTimeout, config.ElectionTimeout, config.LeaderLeaseTimeout = 300*time.Millisecond, 300*time.Millisecond, 200*time.Millisecond
	config.CommitTimeout, config.TrailingLogs, config.SnapshotInterval = 5*time.Millisecond, trailing, time.Hour
	_, transport := raft.NewInmemTransport(n.id)
	for id, other := range c.transports {
		if id != n.id {
			transport.Connect(id, other)
			other.Connect(n.id, transport)
		}
	}
	c.transports[n.id] = transport
	n.raft, err = raft.NewRaft(config, n.machine, n.store, n.stable, snapshots, transport)
	must(c.t, err)
}

// stop stops a node, if it runs.
func (c *cluster) stop(n *node) {
	c.t.Helper()
	if n.raft == nil {
		return
	}
	must(c.t, n.raft.Shutdown().Error())
	must(c.t, n.log.Close())
	n.raft = nil
	for _, other := range c.transports {
		other.Disconnect(n.id)
	}
}

// eventually waits until something is so.
func (c *cluster) eventually(what string, is func() bool) {
	c.t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("in 30 seconds it did not come true: %s", what)
		}
	}
}

// leader waits for a node that leads.
func (c *cluster) leader() (leader *node) {
	c.t.Helper()
	c.eventually("there is a leader", func() bool {
		for _, n := range c.nodes {
			if n.raft != nil && n.raft.State() == raft.Leader {
				leader = n
			}
		}
		return leader != nil
	})
	return leader
}

// set has values set, many at once so that entries are stored together; those whose leader has gone are set again.
func (c *cluster) set(from, to int) {
	c.t.Helper()
	for todo := to; from < todo; {
		leader := c.leader()
		var waiting []raft.ApplyFuture
		for i := from; i < todo; i++ {
			data, err := json.Marshal([2]string{fmt.Sprint("key", i%97), fmt.Sprint(i)})
			must(c.t, err)
			waiting = append(waiting, leader.raft.Apply(data, 0))
		}
		for _, w := range waiting {
			if w.Error() != nil {
				break
			}
			from++
		}
	}
}

// same waits until all nodes that run have applied the same commands, and checks their values.
func (c *cluster) same(n int) {
	c.t.Helper()
	c.leader()
	c.eventually("all nodes have the same state", func() bool {
		var first machineState
		for _, n := range c.nodes {
			if n.raft == nil {
				continue
			}
			state := n.machine.now()
			if first.Commands == 0 {
				first = state
			}
			if state.Sum != first.Sum || state.Commands == 0 {
				return false
			}
		}
		return first.Commands >= n
	})
	for _, node := range c.nodes {
		if node.raft == nil {
			continue
		}
		values := node.machine.now().Values
		for i := n - 97; i < n; i++ {
			if key, want := fmt.Sprint("key", i%97), fmt.Sprint(i); values[key] != want {
				c.t.Fatalf("%s has %q for %s, want %q", node.id, values[key], key, want)
			}
		}
	}
}

// snapshot has all nodes that run make a snapshot and delete what is before it, and checks that exactly that was deleted.
func (c *cluster) snapshot() {
	c.t.Helper()
	for _, n := range c.nodes {
		if n.raft == nil {
			continue
		}
		was, least, err := bounds(n.store)
		must(c.t, err)
		snapshot := n.raft.Snapshot()
		must(c.t, snapshot.Error())
		meta, data, err := snapshot.Open()
		must(c.t, err)
		must(c.t, data.Close())
		first, most, err := bounds(n.store)
		must(c.t, err)
		want := func(last uint64) uint64 { return min(meta.Index, last-trailing) + 1 } // a new leader may have added one meanwhile
		if first < want(least) || first > want(most) || first <= was {
			c.t.Errorf("%s: behind a snapshot at %d it has the entries %d to %d, want them from %d on, and had them from %d on", n.id, meta.Index, first, most, want(most), was)
		}
	}
}

// follower is a node that does not lead.
func (c *cluster) follower() *node {
	leader := c.leader()
	for _, n := range c.nodes {
		if n != leader {
			return n
		}
	}
	panic("a cluster of one node")
}

// TestCluster: three nodes of raft agree over these stores: while entries are stored many at once and deleted from the front, after a node
// was restarted from its store, when it was away for so long that it gets a snapshot, and after all of them were restarted.
func TestCluster(t *testing.T) {
	c := newCluster(t, 3)
	c.set(0, 300)
	c.same(300)
	c.snapshot()

	away := c.follower()
	c.stop(away)
	c.set(300, 310) // fewer than trail
	c.start(away)
	if first, last, err := bounds(away.store); err != nil || first == 0 || last < 200 {
		t.Errorf("the node's store has the entries %d to %d, %v", first, last, err)
	}
	c.same(310)

	away = c.follower()
	c.stop(away)
	c.set(310, 700)
	c.snapshot()
	c.start(away)
	c.set(700, 710)
	c.same(710)
	if first, last, err := bounds(away.store); err != nil || first < 600 {
		t.Errorf("the node got a snapshot, and has the entries %d to %d, %v", first, last, err)
	}

	var had []machineState
	for _, n := range c.nodes {
		had = append(had, n.machine.now())
		c.stop(n)
	}
	for _, n := range c.nodes {
		c.start(n)
	}
	c.leader()
	c.eventually("each node has what it had", func() bool {
		for i, n := range c.nodes {
			if n.machine.now().Sum != had[i].Sum {
				return false
			}
		}
		return true
	})
	c.set(710, 900)
	c.same(900)
}
