package functions

import (
	"fmt"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/values"
)

// Egress is a named way out for records of type T, see [NewEgress].
type Egress[T any] struct{ instances.Part }

// NewEgress makes an egress; make it once, at package level, and hand it to engine.Open, which is an error if nothing receives its records
// there. A bad name (empty, longer than [MaxName], with a zero byte) is one, too.
func NewEgress[T any](name string) Egress[T] {
	return Egress[T]{instances.PartOf(&instances.Egress{Name: name, Records: values.OfRecords[T]()})}
}

// Name returns the egress's name; "" of the zero Egress.
func (g Egress[T]) Name() string {
	if d := g.egress(); d != nil {
		return d.Name
	}
	return ""
}

// egress is what stands behind the egress; nil behind the zero one.
func (g Egress[T]) egress() *instances.Egress {
	d, _ := g.Definition().(*instances.Egress)
	return d
}

// Record makes a record for the egress: a key, which may be empty, and a value, which is encoded now.
func (g Egress[T]) Record(key string, value T) Record {
	d := g.egress()
	if d == nil {
		return Record{instances.Record{Err: fmt.Errorf("%w: the zero Egress; make it with NewEgress", ErrBadCall)}}
	}
	data, err := d.Records.Encode(value)
	if err != nil {
		err = fmt.Errorf("%w: record for egress %s: %w", ErrBadCall, d.Name, err)
	}
	return Record{instances.Record{Made: format.Emitted{Egress: d.Name, Key: key, Value: data}, Err: err}}
}

// Record is a record for an egress: an inert value for [Ctx.Emit] or an outcome effect.
type Record struct{ instances.Record }

// Effect is what can follow from the outcome of a coordinator function: a [Call] or the start of a coordinator function,
// which are sent, or a [Record], which is emitted.
type Effect interface{ instances.Effect }
