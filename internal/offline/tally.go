package offline

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
)

// tally counts rows, which it is given in the order of their keys, and finds what cannot be. Of a shard it keeps the runs, of the whole
// directory what a report has.
type tally struct {
	shards int
	wrong  func(key []byte, err error) // what cannot be; key is valid during the call

	rows, instances map[string]*Count
	runs            map[string]*Runs
	egresses        map[string]*Egress
	report          Report

	shard    uint16
	messages map[uint64]bool        // of the shard: their numbers
	open     map[uint64]*format.Run // of the shard
	journal  *journal               // whose rows are being read
	earliest int64
}

// journal is what is known of a saga's journal.
type journal struct {
	head    []byte // its key
	id      uint64
	entries int
	effects int
	failure []byte
	reader  sagas.Reader
	broken  bool // that was told
}

func newTally(shards int, wrong func(key []byte, err error)) *tally {
	return &tally{
		shards: shards, wrong: wrong, rows: map[string]*Count{}, instances: map[string]*Count{}, runs: map[string]*Runs{},
		egresses: map[string]*Egress{}, messages: map[uint64]bool{}, open: map[uint64]*format.Run{},
	}
}

// of is the value of a key, made if it is missing.
func of[V any](all map[string]*V, key string) *V {
	if all[key] == nil {
		all[key] = new(V)
	}
	return all[key]
}

func (c *Count) add(key, value []byte) {
	c.Rows++
	c.Bytes += int64(len(key) + len(value))
}

// add takes a row.
func (t *tally) add(key, value []byte) {
	r, err := decode(key, value, t.shards)
	if r.kind != "" {
		of(t.rows, r.kind).add(key, value)
	}
	if err != nil {
		t.wrong(key, err)
		return
	}
	if r.shard != t.shard {
		t.endShard()
		t.shard = r.shard
	}
	switch {
	case r.shard == format.NodeShard:
		err = t.addNode(&r, key[2])
	case key[2] == format.KindInstance:
		of(t.instances, r.name).add(key, value)
	case key[2] == format.KindTimer:
		t.addTimer(&r)
	case key[2] == format.KindMessage:
		t.messages[r.number] = true
	case key[2] == format.KindCoordinator:
		err = t.addRun(&r, key)
	case key[2] == format.KindJournal:
		err = t.addJournal(&r, key, value)
	case key[2] == format.KindStarts:
		err = t.addStarts(&r)
	}
	if err != nil {
		t.wrong(key, err)
	}
}

func (t *tally) addTimer(r *row) {
	if t.report.Timers.Count == 0 || r.due < t.earliest {
		t.earliest = r.due
	}
	t.report.Timers.Count++
}

func (t *tally) addRun(r *row, key []byte) error {
	runs := of(t.runs, r.run.Function)
	if runs.Runs == 0 || r.number < runs.Oldest {
		runs.Oldest = r.number
	}
	runs.Runs++
	t.open[r.number] = &format.Run{Function: r.run.Function, RequestID: r.run.RequestID}
	if r.run.Function == "" {
		return errors.New("it is of no coordinator function")
	}
	if len(r.run.Journal) == 0 {
		return nil
	}
	j := &journal{head: slices.Clone(key), id: r.number} // in the form of version 1
	if err := t.readHead(j, r.run.Journal); err != nil {
		return err
	}
	t.journal = j
	t.endJournal()
	return nil
}

func (t *tally) addJournal(r *row, key, value []byte) (err error) {
	if t.journal == nil || t.journal.id != r.number {
		t.endJournal()
		t.journal = &journal{head: slices.Clone(key), id: r.number}
		if t.open[r.number] == nil {
			t.journal.broken = true
			return fmt.Errorf("it is of the journal of saga %d, which is not there", r.number)
		}
	}
	j := t.journal
	if j.broken {
		return nil
	}
	switch {
	case r.journal == format.JournalIsHead:
		err = t.readHead(j, value)
	case r.journal == format.JournalIsEntry && r.part == j.entries:
		j.entries++
		err = j.reader.Entry(value)
	case r.journal == format.JournalIsEntry:
		err = fmt.Errorf("step %d of saga %d is missing", j.entries+1, j.id)
	case r.part == j.effects:
		j.effects++
		err = j.reader.Effects(value)
	default:
		err = fmt.Errorf("row %d of the effects of saga %d is missing", j.effects+1, j.id)
	}
	j.broken = err != nil
	return err
}

func (t *tally) readHead(j *journal, value []byte) error {
	var head format.JournalHead
	if err := codec.Decode(value, &head); err != nil {
		return err
	}
	j.failure = head.Failure
	return j.reader.Head(value)
}

// endJournal is the end of a journal's rows.
func (t *tally) endJournal() {
	j := t.journal
	t.journal = nil
	if j == nil || j.broken {
		return
	}
	run := t.open[j.id]
	runs := of(t.runs, run.Function)
	runs.Journals++
	read, err := j.reader.Journal(noResolver{})
	if err == nil && (read.Phase == sagas.Done || read.Phase == sagas.Undone) {
		err = fmt.Errorf("saga %d is %v, and has rows", j.id, read.Phase)
	}
	if err != nil {
		t.wrong(j.head, err)
		return
	}
	switch read.Phase {
	case sagas.Undoing:
		runs.Undoing++
	case sagas.Stuck:
		runs.Stuck++
		t.report.Stuck.Count++
		if len(t.report.Stuck.Sagas) < MaxStuck {
			why := failures.Decode(j.failure).Error()
			t.report.Stuck.Sagas = append(t.report.Stuck.Sagas, Saga{j.id, run.Function, run.RequestID, why})
		}
	}
}

// noResolver knows no operation: all are kept by their names.
type noResolver struct{}

func (noResolver) Operation(_, _ string) (*instances.Operation, bool) { return nil, false }

// minListed is the number of starts from which something counts as parked or suspect, as "concordat parked" lists it.
const minListed = 2

func (t *tally) addStarts(r *row) error {
	number, err := format.Number(r.of)
	if err != nil {
		return err
	}
	if is := r.of[2]; (is == format.KindMessage && !t.messages[number]) || (is == format.KindCoordinator && t.open[number] == nil) {
		return errors.New("it counts the starts of something that is not there")
	}
	if r.starts >= minListed {
		t.report.Parked++
	}
	return nil
}

func (t *tally) addNode(r *row, kind byte) error {
	switch kind {
	case format.KindWatermark:
		t.report.Epochs, t.report.Sealed = r.watermark.Epoch, wallTime(r.watermark.At)
		for name, last := range r.watermark.Egress {
			of(t.egresses, name).Last = last
		}
	case format.KindEgress:
		of(t.egresses, r.name).Waiting++
	case format.KindParked:
		of(t.egresses, r.name).Parked++
	case format.KindIngress:
		t.report.Ingresses = append(t.report.Ingresses, Ingress{r.name, r.partition, r.position})
	}
	return nil
}

// endShard is the end of a shard's rows.
func (t *tally) endShard() {
	t.endJournal()
	clear(t.messages)
	clear(t.open)
}

// end is the end of all rows: the report of them.
func (t *tally) end() Report {
	t.endShard()
	r := t.report
	if r.Timers.Count > 0 {
		r.Timers.Earliest = wallTime(time.Unix(0, t.earliest))
	}
	r.Rows, r.Instances = counts(t.rows), counts(t.instances)
	for _, name := range slices.Sorted(maps.Keys(t.runs)) {
		runs := *t.runs[name]
		runs.Function = name
		r.Runs = append(r.Runs, runs)
	}
	for _, name := range slices.Sorted(maps.Keys(t.egresses)) {
		egress := *t.egresses[name]
		egress.Name = name
		r.Egresses = append(r.Egresses, egress)
	}
	slices.SortFunc(r.Stuck.Sagas, func(a, b Saga) int { return cmp.Compare(a.ID, b.ID) })
	return r
}

func counts(all map[string]*Count) (sorted []Count) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := *all[name]
		c.Name = name
		sorted = append(sorted, c)
	}
	return sorted
}
