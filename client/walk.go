package client

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// Instance is an instance that [Page] or [Walk] came by.
type Instance[S any] struct {
	ID    string // "" beside an error that ends the walk
	State S
	Err   error // why the state cannot be had
}

// MaxPage bounds the instances of a [Page].
const MaxPage = 10_000

// Page lists instances of a type in the order of their ids (bytewise), from the first that is not below from: at most limit of them, which is 1 to
// MaxPage, as they were at one moment, and fewer where they are large. next is where the next page begins; "" if there is none. An instance whose
// state is none of S's, or is damaged, has an Err. Errors of the page: [ErrUnknownType], functions.ErrBadCall, and those of [Client.Do] but for
// [ErrUnknown]: nothing changes, so it may be asked again.
func Page[S any](ctx context.Context, c *Client, t *functions.Type[S], from string, limit int) (page []Instance[S], next string, err error) {
	var d *instances.Type
	if t != nil {
		d, _ = t.Definition().(*instances.Type)
	}
	switch {
	case d == nil || c.functions.types[d.Name] != d:
		return nil, "", fmt.Errorf("%w: the client was not opened with the type", ErrUnknownType)
	case limit < 1 || limit > MaxPage:
		return nil, "", fmt.Errorf("%w: a page has 1 to %d instances, not %d", functions.ErrBadCall, MaxPage, limit)
	}
	if ctx.Err() != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrNotBegun, context.Cause(ctx))
	}
	ask := &concordatv1.ListInstancesRequest{Type: d.Name, From: from, Limit: int32(limit), Accept: concordatv1.Encoding_ENCODING_CBOR}
	var listed *concordatv1.ListInstancesResponse
	err = c.again(ctx, func() (err error) {
		if _, err := c.connect(ctx); err != nil { // it has compared the functions
			return err
		}
		listed, err = unary(ctx, c, ask, c.rpc.ListInstances)
		return err
	})
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, "", fmt.Errorf("%w: %w", ErrNotBegun, context.Cause(ctx))
	case err != nil:
		return nil, "", err
	}
	for _, one := range listed.Instances {
		i := Instance[S]{ID: one.Id, Err: errorOf(one.Error)}
		if i.Err == nil {
			i.State, i.Err = decodeState[S](d, one.GetCbor())
		}
		page = append(page, i)
	}
	return page, listed.Next, nil
}

// decodeState reads a state; it may run codec methods of the program's.
func decodeState[S any](d *instances.Type, data []byte) (state S, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %w", ErrResult, failures.NewPanicError(p))
		}
	}()
	value, err := d.DecodeState(data, false)
	if err != nil {
		return state, err
	}
	s, ok := value.(*S)
	if !ok {
		return state, errors.New("client: the state is of another type")
	}
	return *s, nil
}

// pageOfWalk is how many instances a walk asks for at a time.
const pageOfWalk = 1000

// Walk goes over the instances of a type in the order of their ids, from the first that is not below from, as the engine's Walk does. It
// asks for a [Page] at a time, each in at most [Options].Timeout; each is of one moment, and the walk is not: it may see one instance before
// a transaction and another after it. An error that comes without an ID ends it.
func Walk[S any](c *Client, t *functions.Type[S], from string) iter.Seq2[Instance[S], error] {
	listed := func(from string) ([]Instance[S], string, error) {
		ctx, cancel := context.WithTimeoutCause(context.Background(), c.options.Timeout, errors.New("a page took longer than Options.Timeout"))
		defer cancel()
		return Page(ctx, c, t, from, pageOfWalk)
	}
	return func(yield func(Instance[S], error) bool) {
		for {
			page, next, err := listed(from)
			if err != nil {
				yield(Instance[S]{}, err)
				return
			}
			for _, i := range page {
				if !yield(i, i.Err) {
					return
				}
			}
			if from = next; next == "" {
				return
			}
		}
	}
}
