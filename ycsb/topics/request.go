package topics

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/kafka"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
)

// kind is what a request asks for.
type kind uint8

const (
	kindRead kind = iota + 1
	kindUpdate
	kindInsert
	kindTransfer
)

// request is the value of a record, in CBOR.
type request struct {
	_        struct{} `cbor:",toarray"`
	Kind     kind
	ID       string // of the row, but of a transfer
	Field    *accounts.NewField
	Row      *ycsb.Row
	Transfer *accounts.Transfer
}

// router makes of a request what it asks for.
func router(protocol accounts.Protocol) kafka.Route {
	return func(record *kgo.Record) (functions.Message, error) {
		var r request
		if err := functions.Decode(record.Value, &r); err != nil {
			return nil, err
		}
		switch {
		case r.Kind == kindRead:
			return kafka.Asking(accounts.ReadRow.On(r.ID)), nil
		case r.Kind == kindUpdate && r.Field != nil:
			return accounts.UpdateField.On(r.ID, *r.Field), nil
		case r.Kind == kindInsert && r.Row != nil:
			return accounts.Insert.On(r.ID, *r.Row), nil
		case r.Kind == kindTransfer && r.Transfer != nil && protocol == accounts.Saga:
			return accounts.TransferSaga.With(*r.Transfer), nil
		case r.Kind == kindTransfer && r.Transfer != nil:
			return accounts.TransferTx.With(*r.Transfer), nil
		}
		return nil, fmt.Errorf("topics: a request of kind %d that lacks what it is about", r.Kind)
	}
}

// Read implements [ycsb.Target].
func (t *Target) Read(ctx context.Context, key int) error {
	id := ycsb.RowID(key)
	return t.do(ctx, id, &request{Kind: kindRead, ID: id})
}

// Update implements [ycsb.Updater]. The request id is the record's place.
func (t *Target) Update(ctx context.Context, _ string, u ycsb.FieldUpdate) error {
	id := ycsb.RowID(u.Key)
	return t.do(ctx, id, &request{Kind: kindUpdate, ID: id, Field: &accounts.NewField{Field: u.Field, Value: u.Value}})
}

// Insert implements [ycsb.Inserter]. The request id is the record's place.
func (t *Target) Insert(ctx context.Context, _ string, key int, row ycsb.Row) error {
	id := ycsb.RowID(key)
	return t.do(ctx, id, &request{Kind: kindInsert, ID: id, Row: &row})
}

// Transfer implements [ycsb.Target]. The request id is the record's place.
func (t *Target) Transfer(ctx context.Context, _ string, x ycsb.Transfer) error {
	from := ycsb.RowID(x.From)
	return t.do(ctx, from, &request{Kind: kindTransfer, Transfer: &accounts.Transfer{From: from, To: ycsb.RowID(x.To), Amount: x.Amount, Refuse: x.Refuse}})
}
