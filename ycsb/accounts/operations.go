package accounts

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// requests makes the operations on an engine, in this process or another one.
type requests struct {
	engine   engine.Doer
	health   *bulk.Health
	protocol Protocol
	ids      []string
}

// The abilities that it has.
var _ interface {
	ycsb.Target
	ycsb.Updater
	ycsb.Overwriter
	ycsb.FieldReader
	ycsb.Inserter
	ycsb.Modifier
	ycsb.Payer
	ycsb.Snapshotter
} = (*requests)(nil)

// id is the instance id of a key: made beforehand, or now if the row was inserted by the run.
func (t *requests) id(key int) string {
	if key < len(t.ids) {
		return t.ids[key]
	}
	return ycsb.RowID(key)
}

// Load implements [ycsb.Target].
func (t *requests) Load(ctx context.Context, key int, row ycsb.Row) error {
	err := t.engine.Do(ctx, Insert.On(t.id(key), row))
	if errors.Is(err, functions.ErrExists) {
		return nil
	}
	return t.health.Classify(err)
}

// Read implements [ycsb.Target].
func (t *requests) Read(ctx context.Context, key int) error {
	_, err := engine.Ask(ctx, t.engine, ReadRow.On(t.id(key)))
	return t.health.Classify(err)
}

// Balance implements [ycsb.Target].
func (t *requests) Balance(ctx context.Context, key int) (int64, error) {
	balance, err := engine.Ask(ctx, t.engine, Balance.On(t.id(key)))
	return balance, t.health.Classify(err)
}

// ReadField implements [ycsb.FieldReader].
func (t *requests) ReadField(ctx context.Context, key, field int) error {
	_, err := engine.Ask(ctx, t.engine, ReadField.On(t.id(key), field))
	return t.health.Classify(err)
}

// Insert implements [ycsb.Inserter].
func (t *requests) Insert(ctx context.Context, requestID string, key int, row ycsb.Row) error {
	return do(ctx, t, requestID, Insert.On(t.id(key), row))
}

// Overwrite implements [ycsb.Overwriter].
func (t *requests) Overwrite(ctx context.Context, requestID string, key int, fields [ycsb.MaxFields]string) error {
	return do(ctx, t, requestID, Overwrite.On(t.id(key), fields))
}

// Modify implements [ycsb.Modifier].
func (t *requests) Modify(ctx context.Context, requestID string, u ycsb.FieldUpdate) error {
	input := Modification{ID: t.id(u.Key), New: NewField{Field: u.Field, Value: u.Value}}
	switch t.protocol {
	case Serializable:
		return do(ctx, t, requestID, ModifyTx.With(input))
	case Saga:
		return do(ctx, t, requestID, ModifySaga.With(input))
	}
	if _, err := engine.Ask(ctx, t.engine, ReadRow.On(input.ID)); err != nil {
		return t.certain(err)
	}
	return do(ctx, t, requestID, UpdateField.On(input.ID, input.New))
}

// Snapshot implements [ycsb.Snapshotter].
func (t *requests) Snapshot(ctx context.Context, keys []int) error {
	ids := t.names(keys)
	switch t.protocol {
	case Serializable:
		return t.health.Classify(t.engine.Do(ctx, SnapshotTx.With(ids)))
	case Saga:
		return t.health.Classify(t.engine.Do(ctx, SnapshotSaga.With(ids)))
	}
	for _, id := range ids {
		if _, err := engine.Ask(ctx, t.engine, Balance.On(id)); err != nil {
			return t.health.Classify(err)
		}
	}
	return nil
}

func (t *requests) names(keys []int) []string {
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = t.id(key)
	}
	return ids
}

// Pay implements [ycsb.Payer].
func (t *requests) Pay(ctx context.Context, requestID string, p ycsb.Payment) error {
	input := Payment{From: t.id(p.From), To: t.names(p.To), Amount: p.Amount, Refuse: p.Refuse}
	switch t.protocol {
	case Serializable:
		return do(ctx, t, requestID, PayTx.With(input))
	case Saga:
		return do(ctx, t, requestID, PaySaga.With(input))
	}
	if err := do(ctx, t, requestID, input.debiting()); err != nil {
		return err
	}
	for i := range input.To {
		if err := do(ctx, t, part(requestID, i), input.crediting(i)); err != nil {
			return err
		}
	}
	return nil
}

// part is the request id of a further call of a plain operation: a request of its own.
func part(requestID string, n int) string {
	if requestID == "" {
		return ""
	}
	return requestID + "c" + strconv.Itoa(n)
}

// Update implements [ycsb.Updater].
func (t *requests) Update(ctx context.Context, requestID string, u ycsb.FieldUpdate) error {
	return do(ctx, t, requestID, UpdateField.On(t.id(u.Key), NewField{Field: u.Field, Value: u.Value}))
}

// Transfer implements [ycsb.Target].
func (t *requests) Transfer(ctx context.Context, requestID string, x ycsb.Transfer) error {
	input := Transfer{From: t.id(x.From), To: t.id(x.To), Amount: x.Amount, Refuse: x.Refuse}
	switch t.protocol {
	case Serializable:
		return do(ctx, t, requestID, TransferTx.With(input))
	case Saga:
		return do(ctx, t, requestID, TransferSaga.With(input))
	}
	if err := do(ctx, t, requestID, Debit.On(input.From, input.Amount)); err != nil {
		return err
	}
	return do(ctx, t, part(requestID, 0), input.crediting())
}

// identifiable is a request that can be given an id.
type identifiable interface {
	functions.Request
	As(requestID string) functions.Request
}

// do makes a request, with its id if it has one. It is generic so that the request becomes an interface value, with an allocation,
// only once.
func do[R identifiable](ctx context.Context, t *requests, requestID string, r R) error {
	if requestID == "" {
		return t.health.Classify(t.engine.Do(ctx, r))
	}
	return t.health.Classify(t.engine.Do(ctx, r.As(requestID)))
}

// certain is the error of an operation that has not written anything yet: it had no effect, whatever became of its reads.
func (t *requests) certain(err error) error {
	if err == nil {
		return nil
	}
	if err = t.health.Classify(err); errors.Is(err, ycsb.ErrStore) {
		return fmt.Errorf("%w: nothing was written: %v", ycsb.ErrStore, err)
	}
	return fmt.Errorf("nothing was written: %v", err)
}
