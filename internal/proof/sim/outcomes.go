package sim

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/values"
)

const (
	// keepOutcomes is how long engines keep outcomes here.
	keepOutcomes = 10 * time.Minute
	// doubt is more than what may pass between the asking of a request and its acceptance, or while an engine reads its directory.
	doubt = time.Minute
	// untilExpired is how long it takes until every outcome that there is has expired for certain.
	untilExpired = keepOutcomes + 3*doubt
)

// outcomes follows, from the outside, the outcomes that are kept and the time by which they age. It is the part of the ledger that
// says whether a request may run again under its id.
//
// Engine time goes on from the last epoch that was sealed before. So a process that dies loses what had passed since: outcomes get
// younger by it. That is why there are three times here, which differ by what was lost and by how long it took to open.
type outcomes struct {
	keep   time.Duration // negative: forever
	judged bool          // all rows are followed
	rows   map[string]outcomeRow

	sealed  int64         // engine time of the last epoch that was sealed
	opened  int64         // engine time at which the process began: at each moment the engine's is not later than this and what elapsed
	opening time.Duration // how long it took to open: by so much it may be earlier
	ran     int64         // the latest moment that there has been on any engine, lost ones included, when this process began

	expired int // rows that went, or were replaced, after their time
	reused  int // ids that got another outcome then
}

// outcomeRow is the last outcome that an id had.
type outcomeRow struct {
	key     string
	settled int64
	gone    bool
}

func (o *outcomes) clone() *outcomes {
	c := *o
	c.rows = maps.Clone(o.rows)
	if c.rows == nil {
		c.rows = map[string]outcomeRow{}
	}
	c.expired, c.reused = 0, 0
	return &c
}

// outcomeID is the request id of an outcome's row, or "". No two orders of a world have one id.
func outcomeID(key string) string {
	start, _, of, err := format.OutcomeOf([]byte(key))
	if err != nil || start == 0 {
		return ""
	}
	return of.ID
}

// settledAt is the engine time in an outcome's row.
func settledAt(value string) int64 { return int64(binary.BigEndian.Uint64([]byte(value[8:16]))) }

func (o *outcomes) isExpired(settled, at int64) bool {
	return o.keep >= 0 && at-settled > int64(o.keep)
}

var watermarkKey = string(format.Prefix(nil, format.NodeShard, format.KindWatermark))

// timeOf is the engine time in a watermark.
func timeOf(value string) (int64, error) {
	var mark struct {
		Time int64 `cbor:"6,keyasint,omitempty"`
	}
	err := codec.Decode([]byte(value), &mark)
	return mark.Time, err
}

// closedLater is found, if it is the watermark that an engine which was closed may have left in the place of the one that it sealed last:
// the same, but that engine time has passed, and epochs that had no rows: there code may have failed that took numbers for timers.
// Otherwise it is sealed.
func (o *outcomes) closedLater(sealed, found string) string {
	var a, b format.Watermark
	if codec.Decode([]byte(sealed), &a) != nil || codec.Decode([]byte(found), &b) != nil || b.Time < a.Time || b.Time > o.ran {
		return sealed
	}
	if b.Epoch < a.Epoch || b.NextID < a.NextID || b.Timers < a.Timers || (b.Epoch == a.Epoch && b.Timers != a.Timers) {
		return sealed
	}
	a.Epoch, a.NextID, a.Timers, a.At, a.Time = b.Epoch, b.NextID, b.Timers, b.At, b.Time
	if again, err := values.Encode(a); err != nil || string(again) != found {
		return sealed
	}
	return found
}

// take takes the rows of an epoch, which was cut at latest or before that. An id gets a second outcome, and the row of its first goes,
// only if that has expired; and the time by which it has is the time that has passed.
func (o *outcomes) take(changes []rowChange, latest int64) error {
	if !o.judged {
		return nil
	}
	at := int64(0)
	if i := slices.IndexFunc(changes, func(c rowChange) bool { return c.key == watermarkKey }); i >= 0 {
		var err error
		if at, err = timeOf(changes[i].value); err != nil {
			return err
		}
	}
	if at < o.sealed || at > latest {
		return fmt.Errorf("an epoch is sealed at %v of the engine's time, which was %v with the last one and is at most %v", at, o.sealed, latest)
	}
	o.sealed = at
	for _, c := range changes {
		if c.upper != "" {
			if err := o.takeRange(c, at); err != nil {
				return err
			}
			continue
		}
		id := outcomeID(c.key)
		if id == "" {
			continue
		}
		first, had := o.rows[id]
		had = had && !first.gone
		age := time.Duration(at - first.settled)
		switch {
		case had && c.deleted && !o.isExpired(first.settled, at):
			return fmt.Errorf("the outcome of %s is deleted after %v, it is to be kept for %v", id, age, o.keep)
		case had && !c.deleted && !o.isExpired(first.settled, at):
			return fmt.Errorf("%s has run again after %v, its outcome is kept for %v", id, age, o.keep)
		case !c.deleted && settledAt(c.value) != at:
			return fmt.Errorf("%s was settled at %v, says its row, and is sealed at %v", id, settledAt(c.value), at)
		}
		o.follow(id, c)
	}
	return nil
}

// takeRange takes the deletion of a range of rows.
func (o *outcomes) takeRange(c rowChange, at int64) error {
	for id, row := range o.rows {
		if row.gone || row.key < c.key || row.key >= c.upper {
			continue
		}
		if !o.isExpired(row.settled, at) {
			return fmt.Errorf("the outcome of %s is deleted after %v, it is to be kept for %v", id, time.Duration(at-row.settled), o.keep)
		}
		o.follow(id, rowChange{key: row.key, deleted: true})
	}
	return nil
}

func (o *outcomes) follow(id string, c rowChange) {
	first, had := o.rows[id]
	if had && !first.gone {
		o.expired++
	}
	if c.deleted {
		o.rows[id] = outcomeRow{first.key, first.settled, true}
		return
	}
	if had {
		o.reused++
	}
	o.rows[id] = outcomeRow{key: c.key, settled: settledAt(c.value)}
}

// recovered goes on from the rows that a process finds, when so much has elapsed of it. An id that was used again may have two, of which
// the later one counts.
func (o *outcomes) recovered(found map[string]string, wall time.Time, elapsed time.Duration) error {
	o.opened = wall.UnixNano() - int64(elapsed)
	if mark, ok := found[watermarkKey]; ok {
		at, err := timeOf(mark)
		if err != nil {
			return err
		}
		o.opened = at
		o.ran = max(o.ran, at)
	} else {
		o.ran = o.opened // nothing was ever sealed
	}
	o.sealed = o.opened
	kept := map[string]outcomeRow{}
	for key, value := range found {
		if id := outcomeID(key); id != "" {
			if row := (outcomeRow{key: key, settled: settledAt(value)}); row.settled >= kept[id].settled {
				kept[id] = row
			}
		}
	}
	for id, row := range o.rows {
		if _, ok := kept[id]; !ok { // the epoch that deleted it was not known to be sealed
			kept[id] = outcomeRow{row.key, row.settled, true}
		}
	}
	o.rows = kept
	return nil
}

// standing says whether an order may be asked again.
type standing uint8

const (
	mayBeAsked standing = iota // it has an outcome, which is to be told, or none yet
	mustWait                   // its id had an outcome before that may not have expired: then the order would be refused
	fades                      // its outcome may have expired by the time it is asked
	hasExpired                 // its outcome has: its id may be used for something else
)

// standing is how the order stands that has used its id last. elapsed is of the process.
func (o *outcomes) standing(order Order, elapsed time.Duration) standing {
	row, had := o.rows[order.RequestID()]
	if !o.judged || !had {
		return mayBeAsked
	}
	earliest := o.opened + int64(elapsed-o.opening-doubt)
	expired := row.gone || o.isExpired(row.settled, earliest)
	switch own := row.settled > order.After; {
	case !own && expired:
		return mayBeAsked
	case !own:
		return mustWait
	case expired:
		return hasExpired
	case o.isExpired(row.settled, o.ran+int64(elapsed+doubt)):
		return fades
	}
	return mayBeAsked
}
