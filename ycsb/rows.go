package ycsb

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Run loads rows into the target, audits the sum of their balances, runs the mix, and audits again: [Drive] for [Rows]. See
// there for what it returns; a mix that the target has not the abilities for is an error before anything runs.
func Run(ctx context.Context, config Config, target Target) (Result, error) {
	sleep, done := newSleep()
	defer done()
	return run(ctx, config, target, sleep)
}

func run(ctx context.Context, config Config, target Target, sleep func(time.Time)) (Result, error) {
	rows, err := NewRows(config, target)
	if err != nil {
		return Result{}, err
	}
	return drive(ctx, config.Driving, rows, sleep)
}

// Rows is YCSB's workload on a target. It is a [Workload].
type Rows struct {
	config Config
	target Target
	can    abilities
	picks  picker
	keys   *keySource
	scans  []aliasSlot // lengths of zipfian scans
	rows   *growth
}

var _ Workload = (*Rows)(nil)

// NewRows makes the workload. A configuration that does not validate, or for which the target is not able, is an error.
func NewRows(config Config, target Target) (*Rows, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	r := &Rows{config: config, target: target, can: abilitiesOf(target), picks: config.Mix.picker()}
	if config.ScanLengths == Zipfian && config.Mix.Scan > 0 {
		r.scans = aliasTable(zipfWeights(config.MaxScan-config.MinScan+1, DefaultTheta))
	}
	return r, r.can.check(config)
}

// Kinds implements [Workload].
func (r *Rows) Kinds() []string { return kindNames[:] }

// ReadOnly says which kinds need no request id.
func (r *Rows) ReadOnly(kind int) bool {
	return Kind(kind) == Read || Kind(kind) == Scan || Kind(kind) == Snapshot
}

// Counters implements [Workload].
func (r *Rows) Counters() Counters {
	if r.can.count == nil {
		return Counters{}
	}
	return r.can.count.Counters()
}

// Appends are those of the target, if it tells of them; see [Appender].
func (r *Rows) Appends() Histogram {
	if r.can.append == nil {
		return Histogram{}
	}
	return r.can.append.Appends()
}

// Load implements [Workload]. Rows that earlier runs have inserted beyond Config.Keys are rows of this run.
func (r *Rows) Load(ctx context.Context, progress func(done, total int)) error {
	err := Sweep(ctx, r.config.Keys, progress, func(ctx context.Context, key int) error {
		return r.target.Load(ctx, key, r.config.Shape.NewRow(key))
	})
	if err != nil {
		return err
	}
	keys := r.config.Keys
	if r.can.insert != nil && r.config.Mix.Insert > 0 {
		if keys, err = existingRows(ctx, r.target, keys); err != nil {
			return err
		}
	}
	r.rows = newGrowth(keys)
	r.keys = newKeySource(r.config, r.rows)
	return nil
}

// SumOfBalances is the name of the figure that [Rows] audit.
const SumOfBalances = "sum of all balances"

// Audit implements [Workload]: it sums all balances, less what the rows that were inserted had from the beginning. Those rows
// of which it is not known whether they were inserted have taken part in nothing and are left out.
func (r *Rows) Audit(ctx context.Context, progress func(done, total int)) (Audit, error) {
	var sum atomic.Int64
	keys, holes := r.rows.rows()
	err := Sweep(ctx, keys, progress, func(ctx context.Context, key int) error {
		if contains(holes, key) {
			return nil
		}
		balance, err := r.target.Balance(ctx, key)
		sum.Add(balance)
		return err
	})
	inserted := int64(keys-r.keys.keys-len(holes)) * OpeningBalance
	return Audit{Constant: []Figure{{SumOfBalances, sum.Load() - inserted}}}, err
}

// Client implements [Workload]. Load must have been called.
func (r *Rows) Client(_ int, rng *rand.Rand) Client {
	c := &rowClient{rows: r, rng: rng}
	c.many = make([]int, max(r.config.Parties, r.config.SnapshotKeys))
	return c
}

// rowClient draws and makes operations on rows.
type rowClient struct {
	rows *Rows
	rng  *rand.Rand
	kind Kind
	many []int // memory for the keys of a payment or a snapshot

	prepared bool
	key, n   int // the key of most kinds; the field to be read, or the length of a scan
	row      Row // to be inserted
	full     error
	update   FieldUpdate
	fields   [MaxFields]string
	transfer Transfer
	payment  Payment
}

var _ Preparer = (*rowClient)(nil)

// Next implements [Client].
func (c *rowClient) Next() int {
	c.kind = c.rows.picks.pick(c.rng.Float64())
	return int(c.kind)
}

// Prepare implements [Preparer]: it draws all that the operation needs. To draw a key or two, or a field, is nothing.
func (c *rowClient) Prepare() (short bool) {
	c.prepared = true
	r := c.rows
	switch c.kind {
	case Move:
		return c.prepareTransfer()
	case Insertion:
		if c.key, c.full = r.rows.take(); c.full == nil {
			c.row = r.config.Shape.NewRow(c.key)
		}
		return false
	case Snapshot:
		r.keys.drawDistinct(c.rng, c.many[:r.config.SnapshotKeys])
		return false
	}
	c.key = r.keys.draw(c.rng)
	switch c.kind {
	case Read:
		if r.config.ReadOneField {
			c.n = c.rng.IntN(r.config.Shape.Fields)
		}
	case Scan:
		c.n = r.scanLength(c.rng)
	case Update, Modify:
		return c.prepareUpdate()
	}
	return true
}

func (c *rowClient) prepareUpdate() (short bool) {
	shape := &c.rows.config.Shape
	if c.rows.config.WriteAllFields {
		c.fields = shape.newFields(c.rng)
		return false
	}
	c.update = FieldUpdate{Key: c.key, Field: c.rng.IntN(shape.Fields), Value: shape.newField(c.rng)}
	return shape.FieldBytes <= FieldBytes
}

func (c *rowClient) prepareTransfer() (short bool) {
	r := c.rows
	if r.config.Parties > 2 {
		keys := c.many[:r.config.Parties]
		r.keys.drawDistinct(c.rng, keys)
		c.payment = Payment{From: keys[0], To: keys[1:], Amount: 1, Refuse: c.refuse()}
		return false
	}
	c.transfer = Transfer{Amount: 1}
	c.transfer.From, c.transfer.To = r.keys.drawPair(c.rng)
	c.transfer.Refuse = c.refuse()
	return true
}

func (c *rowClient) refuse() bool {
	return c.rows.config.Rollbacks > 0 && c.rng.Float64() < c.rows.config.Rollbacks
}

// Do implements [Client].
func (c *rowClient) Do(ctx context.Context, requestID string) error {
	if !c.prepared {
		c.Prepare()
	}
	c.prepared = false
	r := c.rows
	switch c.kind {
	case Read:
		if r.config.ReadOneField {
			return r.can.readField.ReadField(ctx, c.key, c.n)
		}
		return r.target.Read(ctx, c.key)
	case Update:
		return c.write(ctx, requestID)
	case Move:
		if r.config.Parties > 2 {
			return r.can.pay.Pay(ctx, requestID, c.payment)
		}
		return r.target.Transfer(ctx, requestID, c.transfer)
	case Insertion:
		return c.insert(ctx, requestID)
	case Scan:
		return r.can.scan.Scan(ctx, c.key, c.n)
	case Modify:
		return c.modify(ctx, requestID)
	default:
		return r.can.snapshot.Snapshot(ctx, c.many[:r.config.SnapshotKeys])
	}
}

func (c *rowClient) write(ctx context.Context, requestID string) error {
	if c.rows.config.WriteAllFields {
		return c.rows.can.overwrite.Overwrite(ctx, requestID, c.key, c.fields)
	}
	return c.rows.can.update.Update(ctx, requestID, c.update)
}

func (c *rowClient) insert(ctx context.Context, requestID string) error {
	if c.full != nil {
		return c.full
	}
	err := c.rows.can.insert.Insert(ctx, requestID, c.key, c.row)
	c.rows.rows.answer(c.key, err)
	return err
}

// modify is one operation of targets that have such a thing, and otherwise a read and a write.
func (c *rowClient) modify(ctx context.Context, requestID string) error {
	if c.rows.can.modify != nil && !c.rows.config.WriteAllFields {
		return c.rows.can.modify.Modify(ctx, requestID, c.update)
	}
	if err := c.rows.target.Read(ctx, c.key); err != nil {
		if errors.Is(err, ErrUnknown) {
			return errors.New(err.Error()) // of a read nothing remains to be known
		}
		return err
	}
	return c.write(ctx, requestID)
}

// scanLength draws how many rows a scan reads.
func (r *Rows) scanLength(rng *rand.Rand) int {
	n := rng.IntN(r.config.MaxScan - r.config.MinScan + 1)
	if r.scans != nil && rng.Float64() >= r.scans[n].keep {
		n = r.scans[n].other
	}
	return r.config.MinScan + n
}
