package engine

import (
	"fmt"
	"slices"

	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/registry"
	"github.com/concordat-dev/concordat/internal/table"
)

// outcomeFrom is the outcome that a row has.
func outcomeFrom(row format.Outcome) outcome {
	payload, failed := row.Payload()
	if failed {
		return outcome{failure: failures.Decode(payload)}
	}
	return outcome{result: instances.EncodedResult(payload)}
}

// likeRow compares a request with the one that a row is of.
func (q *request) likeRow(row format.Outcome) registry.Likeness {
	fingerprint := row.Fingerprint()
	switch {
	case row.IsWide():
		arg, shape := row.Wide()
		return q.identity.Like(registry.NewIdentity(fingerprint, arg, uint64(shape)))
	case !row.IsOld():
		return q.identity.Like(registry.Identity{Fingerprint: fingerprint, Tag: row.Tag()})
	case fingerprint == registry.OldFingerprint(&q.env):
		return registry.IsSame
	}
	return registry.IsOther
}

// writeOutcome writes the row of a request's outcome, which is for something on a shard.
func writeOutcome(batch *table.Batch, in *bucket, shard uint16, q *request, now int64) {
	var buf [256]byte
	key := format.OutcomeIn(buf[:0], in.start, shard, q.of)
	payload, failed := q.outcome.result.Encoded(), q.outcome.failure != nil
	if failed {
		payload = q.outcome.failure.Encoded()
	}
	batch.SetDeferred(len(key), format.OutcomeLen(payload), func(k, v []byte) {
		copy(k, key)
		format.PutOutcome(v, q.identity.Fingerprint, q.identity.Tag, now, failed, payload)
	})
}

// outcomeOf reads the row of a request's outcome, if the id may have been used; nil if there is none, or if it has expired.
func (x *executor) outcomeOf(s *shard, of format.Request) format.Outcome {
	if !x.group.seen.May(format.RequestHash(of.ID)) {
		return nil
	}
	var value []byte
	found := false
	for _, in := range slices.Backward(*x.group.buckets.list.Load()) {
		x.key = in.key(x.scratch(), s.number, of, x.group.registry.Shards)
		if value, found = x.load(x.key); found {
			found = in.start > 0 || format.Outcome(value).IsDamaged() || x.group.registry.MayBeOf(value, of)
			break
		}
	}
	if !found {
		x.group.stats.alarms.Add(1)
		return nil
	}
	row := format.Outcome(value)
	if row.IsDamaged() {
		x.group.fatal(fmt.Errorf("%w: outcome of request %q", ErrDamaged, of.ID))
	}
	if x.group.expired(row.Settled(), x.group.clocks.Now()) {
		return nil
	}
	return row
}

// answerFrom settles a request from the row of an earlier one with the same id.
func (x *executor) answerFrom(q *request, row format.Outcome) {
	if x.refuses(q, q.likeRow(row)) {
		return
	}
	q.outcome = outcomeFrom(row)
	x.group.finish(q)
}

// expired reports whether an outcome is older than it is kept. Both times are engine times.
func (g *commons) expired(settled, now int64) bool {
	keep := g.options.KeepOutcomes
	return keep >= 0 && settled < now && now-settled > int64(keep)
}
