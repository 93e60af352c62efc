package record

import (
	"context"
	"slices"
	"strconv"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/proof/history"
	"github.com/concordat-dev/concordat/twopc"
)

// list is the state of a list.
type list struct{ Values []int64 }

// Lists and their operations. A list comes into being with its first value: until then a reader sees that there is none, and
// whoever sees that must not be overtaken by whoever makes it.
var (
	lists   = functions.NewType[list]("record/list")
	newList = functions.Create(lists, "new", func(_ *functions.Ctx, l *list, value int64) error {
		l.Values = []int64{value}
		return nil
	})
	appendTo = functions.Update(lists, "append", func(_ *functions.Ctx, l *list, value int64) error {
		l.Values = append(l.Values, value)
		return nil
	})
	readList = functions.View(lists, "read", func(_ *functions.Ctx, l list) ([]int64, error) { return l.Values, nil })
)

// listInput is what a transaction does.
type listInput struct {
	Ops []listOp
	// Together: all operations are issued at once.
	Together bool
	// Refuse: in the end it fails.
	Refuse bool
}

// listOp appends Value to the list, or reads it if that is 0.
type listOp struct {
	Key   string
	Value int64
}

// listTx does the operations and returns what was read, in order.
var listTx = twopc.NewReturning("record/lists", func(tx *twopc.Tx, input listInput) ([][]int64, error) {
	reads := make([][]int64, len(input.Ops))
	exists, err := probe(tx, input)
	if err != nil {
		return nil, err
	}
	var calls []functions.Call
	for i, op := range input.Ops {
		if call := callFor(op, exists, &reads[i]); !call.IsZero() {
			calls = append(calls, call)
		}
	}
	if err := issue(tx, calls, input.Together); err != nil {
		return nil, err
	}
	if input.Refuse {
		return nil, ErrRefused
	}
	var results [][]int64
	for i, op := range input.Ops {
		if op.Value == 0 {
			results = append(results, reads[i])
		}
	}
	return results, nil
})

// probe asks of each list whether it exists.
func probe(tx *twopc.Tx, input listInput) (map[string]bool, error) {
	var names []string
	for _, op := range input.Ops {
		if !slices.Contains(names, op.Key) {
			names = append(names, op.Key)
		}
	}
	answers := make([]bool, len(names))
	calls := make([]functions.Call, len(names))
	for i, name := range names {
		calls[i] = lists.Exists(name).Into(&answers[i])
	}
	if err := issue(tx, calls, input.Together); err != nil {
		return nil, err
	}
	exists := map[string]bool{}
	for i, name := range names {
		exists[name] = answers[i]
	}
	return exists, nil
}

// callFor is the call of an operation; none for the read of a list that does not exist.
func callFor(op listOp, exists map[string]bool, into *[]int64) functions.Call {
	switch {
	case op.Value == 0 && exists[op.Key]:
		return readList.On(op.Key).Into(into)
	case op.Value == 0:
		return functions.Call{}
	case exists[op.Key]:
		return appendTo.On(op.Key, op.Value)
	}
	exists[op.Key] = true
	return newList.On(op.Key, op.Value)
}

// issue makes the calls: all at once, or one after the other.
func issue(tx *twopc.Tx, calls []functions.Call, together bool) error {
	if together {
		return tx.All(calls...)
	}
	for _, call := range calls {
		if err := tx.Do(call); err != nil {
			return err
		}
	}
	return nil
}

// listStep runs one transaction of up to four operations.
func (c *Client) listStep(ctx context.Context, do Doer) error {
	input := listInput{Together: c.rng.IntN(2) == 0, Refuse: c.refuses()}
	for range 1 + c.rng.IntN(4) {
		input.Ops = append(input.Ops, c.chooseListOp())
	}
	c.begin()
	var reads [][]int64
	err := do(ctx, listTx.With(input).Into(&reads).As(c.nextID()))
	for _, op := range input.Ops {
		recorded := history.Op{Kind: history.Append, Key: op.Key, Value: op.Value}
		if op.Value == 0 {
			recorded.Kind = history.Read
			if err == nil {
				recorded.List, reads = reads[0], reads[1:]
			}
		}
		c.tx.Ops = append(c.tx.Ops, recorded)
	}
	return c.end(err)
}

// chooseListOp chooses one of the live lists. When a list has had its appends another one takes over its place.
func (c *Client) chooseListOp() listOp {
	r := c.recorder
	slot := c.rng.IntN(len(r.slots))
	perList := int64(r.options.PerList)
	if c.rng.IntN(2) == 0 {
		return listOp{Key: r.listName(slot, r.slots[slot].Load()/perList)}
	}
	n := r.slots[slot].Add(1) - 1
	return listOp{Key: r.listName(slot, n/perList), Value: n%perList + 1}
}

func (r *Recorder) listName(slot int, generation int64) string {
	return r.options.Prefix + "list-" + strconv.Itoa(slot) + "-" + strconv.FormatInt(generation, 10)
}
