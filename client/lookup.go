package client

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/lookup"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// OutcomeState is how far a request is: the same type as in package engine.
type OutcomeState = lookup.OutcomeState

// The states of a request that is looked up by its id.
const (
	NotKnown  = lookup.NotKnown  // no request had the id, or its outcome has expired
	Running   = lookup.Running   // it has begun, or waits for its turn
	Stuck     = lookup.Stuck     // it waits for a person
	Succeeded = lookup.Succeeded // it has a result
	Failed    = lookup.Failed    // it has failed
)

// Outcome is what is known of a request: the same type as in package engine.
type Outcome = lookup.Outcome

// Outcome looks up a request by what it is for and its id, without making it: for a call of is the instance, for a coordinator function
// its name in the place of the type, and no ID. What it tells is durable. It blocks until the server has answered or ctx is over; while the
// server cannot be reached it is asked again for [Options].RetryFor. A nil ctx never ends. Errors: functions.ErrBadCall for what is no id;
// [ErrDiffers] if the server has no such function; [ErrClosed], [ErrUnauthenticated], [ErrForbidden], [ErrUnreachable]; [ErrUnknown] if ctx
// ends first.
func (c *Client) Outcome(ctx context.Context, of functions.Address, requestID string) (Outcome, error) {
	return c.outcome(ctx, of, requestID, 0)
}

// AwaitOutcome is Outcome of a request that has ended, or is stuck: it waits while it runs, until ctx is over. It does not wait for one that
// is not known.
func (c *Client) AwaitOutcome(ctx context.Context, of functions.Address, requestID string) (Outcome, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	for {
		if o, err := c.outcome(ctx, of, requestID, waitAtServer); err != nil || o.State != Running {
			return o, err
		}
		select { // a server that is closing does not wait
		case <-time.After(askEvery):
		case <-ctx.Done(): // the next one says so
		case <-c.closed:
		}
	}
}

// waitAtServer is how long the server waits for the end of a request before it says that it runs. It is less than a server gives any
// request by default.
const waitAtServer = 10 * time.Second

// askEvery is how long a client waits before it asks again for a request that runs.
const askEvery = 50 * time.Millisecond

func (c *Client) outcome(ctx context.Context, of functions.Address, requestID string, wait time.Duration) (Outcome, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	ask := &concordatv1.GetRequestRequest{RequestId: requestID, Accept: concordatv1.Encoding_ENCODING_CBOR}
	if wait > 0 {
		ask.Wait = durationpb.New(wait)
	}
	var err error
	if ask.Type, ask.Id, ask.Coordinator, err = c.functions.target(of); err != nil {
		return Outcome{}, err
	}
	var response *concordatv1.GetRequestResponse
	err = c.again(ctx, func() (err error) {
		response, err = unary(ctx, c, ask, c.rpc.GetRequest)
		return err
	})
	if err != nil {
		return Outcome{}, err
	}
	switch state := OutcomeState(response.State - 1); state {
	case Succeeded:
		return lookup.Success(response.Answer.GetCbor()), nil
	case Failed, Stuck:
		return Outcome{State: state, Err: errorOf(response.Answer.GetError())}, nil
	case NotKnown, Running:
		return Outcome{State: state}, nil
	}
	return Outcome{}, fmt.Errorf("%w: the server tells a state %d, of a later version", ErrUnknown, response.State)
}

// target is what a request is for: an instance, or a coordinator function.
func (c *catalogue) target(of functions.Address) (typeName, id, coordinator string, err error) {
	switch {
	case c.types[of.Type] != nil:
		return of.Type, of.ID, "", nil
	case c.routines[of.Type] != nil && of.ID == "":
		return "", "", of.Type, nil
	}
	return "", "", "", fmt.Errorf("%w: the client was not opened with the function %q, or it has no instances", functions.ErrBadCall, of.Type)
}

// unary calls a procedure once.
func unary[Q, R any](
	ctx context.Context, c *Client, q *Q, call func(context.Context, *connect.Request[Q]) (*connect.Response[R], error),
) (*R, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	select {
	case <-c.closed:
		return nil, fmt.Errorf("%w: %w", ErrClosed, errClosed)
	default:
	}
	request := connect.NewRequest(q)
	c.authorize(request.Header())
	response, err := call(ctx, request)
	switch {
	case err == nil:
		return response.Msg, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnknown, context.Cause(ctx))
	}
	if refused := refusal(err); refused != nil {
		return nil, refused
	}
	return nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, c.options.URL, err)
}
