package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
	"github.com/concordat-dev/concordat/proto/concordat/v1/concordatv1connect"
)

// Client runs requests on a server. It is safe for use by many goroutines. Make it with [Open].
type Client struct {
	options   Options
	functions *catalogue
	transport *http.Transport
	rpc       concordatv1connect.ConcordatServiceClient
	operate   concordatv1connect.OperatorServiceClient
	inFlight  atomic.Int64
	closed    chan struct{}
	closing   sync.Once

	mu         sync.Mutex
	connection *connection   // the one in use; nil if there is none
	connecting chan struct{} // closed when the attempt that is under way is over; nil if none is
	lastErr    error         // why the last attempt to connect failed
}

// Open makes a client with the parts of a program, and connects. Errors: bad options, bad parts, [ErrUnreachable], [ErrUnauthenticated],
// [ErrForbidden], and [ErrDiffers], which names each function that the server has otherwise.
func Open(o Options, parts ...functions.Part) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	functions, err := newCatalogue(parts)
	if err != nil {
		return nil, err
	}
	c := &Client{options: o.withDefaults(), functions: functions, closed: make(chan struct{})}
	c.transport = newTransport(c.options)
	uses := &http.Client{Transport: c.transport, CheckRedirect: refuseRedirect}
	uncompressed := connect.WithAcceptCompression("gzip", nil, nil) // to compress takes longer than to send
	c.rpc = concordatv1connect.NewConcordatServiceClient(uses, c.options.URL, uncompressed)
	c.operate = concordatv1connect.NewOperatorServiceClient(uses, c.options.URL, uncompressed)
	ctx, cancel := context.WithTimeout(context.Background(), c.options.Timeout)
	defer cancel()
	if _, err := c.connect(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// refuseRedirect keeps the token from other servers.
func refuseRedirect(*http.Request, []*http.Request) error {
	return errors.New("client: the server redirects, which a server of Concordat does not")
}

func newTransport(o Options) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.TLS, TLSHandshakeTimeout: o.Timeout, Protocols: protocols,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerConnection: 4 << 20, MaxReceiveBufferPerStream: 2 << 20, SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second,
		},
	}
}

// Close ends the client. Requests that wait for their outcome return [ErrUnknown].
func (c *Client) Close() error {
	c.closing.Do(func() { close(c.closed) })
	c.mu.Lock()
	now := c.connection
	c.connection = nil
	c.mu.Unlock()
	if now != nil {
		now.end(errClosed)
	}
	c.transport.CloseIdleConnections()
	return nil
}

var errClosed = errors.New("the client was closed")

// question is a request whose envelope says where its answer goes.
type question struct{ envelope instances.Envelope }

// RequestEnvelope implements functions.Request.
func (q question) RequestEnvelope() instances.Envelope { return q.envelope }

// Ask runs a request that has an answer and waits for it. Errors are those of [Client.Do].
func Ask[R any](ctx context.Context, c *Client, q functions.RequestReturning[R]) (answer R, err error) {
	if q == nil {
		return answer, errNoRequest
	}
	err = c.Do(ctx, question{q.EnvelopeInto(&answer)})
	return answer, err
}

var errNoRequest = fmt.Errorf("%w: the request is nil", functions.ErrBadCall)

// Do runs a request and waits until its outcome is durable. It returns nil, a failure (errors.Is finds the functions.Failure values in it),
// or another error: those of engine.Engine.Do, with the same meaning, and those of this package.
//
// A ctx that is over already is [ErrNotBegun] with the context's error. If it ends while Do waits it is [ErrUnknown]: the request goes on.
// So it is if the connection is lost and the request cannot be sent again, as it changes something and has no id. A nil ctx never ends.
func (c *Client) Do(ctx context.Context, r functions.Request) error {
	if ctx == nil {
		ctx = context.Background()
	}
	if err := ctx.Err(); err != nil && r != nil {
		return fmt.Errorf("%w: %w", ErrNotBegun, context.Cause(ctx))
	}
	e, err := c.begin(r)
	if err != nil {
		return err
	}
	return c.finish(ctx, &e)
}

// begin checks a request, and counts it as in flight.
func (c *Client) begin(r functions.Request) (e instances.Envelope, err error) {
	if r == nil {
		return e, errNoRequest
	}
	e = r.RequestEnvelope()
	if err := c.functions.check(&e); err != nil {
		return e, err
	}
	if c.inFlight.Add(1) > int64(c.options.MaxInFlight) {
		c.inFlight.Add(-1)
		return e, fmt.Errorf("%w: %d requests of this client wait for their outcome: Options.MaxInFlight", ErrOverloaded, c.options.MaxInFlight)
	}
	return e, nil
}

// finish runs a request that was begun, and waits for its outcome.
func (c *Client) finish(ctx context.Context, e *instances.Envelope) error {
	defer c.inFlight.Add(-1)
	answer, err := c.try(ctx, e)
	if err != nil {
		return err
	}
	if answer.Error != nil {
		return errorOf(answer.Error)
	}
	return readResult(e, answer)
}

// unknown is ErrUnknown for a reason.
func unknown(why error) error { return fmt.Errorf("%w: %w", ErrUnknown, why) }

// again calls what may be called again until it has an answer, is refused or has failed for Options.RetryFor since the server could not be
// reached.
func (c *Client) again(ctx context.Context, call func() error) error {
	end, wait := time.Now().Add(c.options.RetryFor), firstWait
	for {
		err := call()
		if !errors.Is(err, ErrUnreachable) || time.Until(end) < wait {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done(): // the next call says so
		case <-c.closed:
		}
		wait = min(2*wait, lastWait)
	}
}

// readResult puts the result where the request says.
func readResult(e *instances.Envelope, answer *concordatv1.Answer) (err error) {
	if e.Into == nil {
		return nil
	}
	defer func() {
		if p := recover(); p != nil { // in a codec method of the program's
			err = fmt.Errorf("%w: %w", ErrResult, failures.NewPanicError(p))
		}
	}()
	if err := e.Into(instances.EncodedResult(answer.GetCbor())); err != nil {
		return fmt.Errorf("%w: %w", ErrResult, err)
	}
	return nil
}

// try sends a request until it has an answer, or cannot be sent again.
func (c *Client) try(ctx context.Context, e *instances.Envelope) (*concordatv1.Answer, error) {
	repeatable := e.RequestID != "" || e.Op != nil && e.Op.Kind.Reads()
	var end time.Time
	wait := firstWait
	for {
		connection, err := c.connect(ctx)
		maySend := true
		if err == nil {
			var answer *concordatv1.Answer
			if answer, maySend, err = connection.do(ctx, e); err == nil {
				return answer, nil
			}
			c.drop(connection)
		}
		switch isFinal := errors.Is(err, ErrDiffers) || errors.Is(err, ErrUnauthenticated) || errors.Is(err, ErrForbidden) || errors.Is(err, ErrClosed); {
		case ctx.Err() != nil && maySend:
			return nil, fmt.Errorf("%w: %w", ErrNotBegun, context.Cause(ctx))
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%w: %w", ErrUnknown, context.Cause(ctx))
		case isFinal && maySend:
			return nil, err
		case isFinal || !maySend && !repeatable:
			return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
		case end.IsZero():
			end = time.Now().Add(c.options.RetryFor)
		}
		if time.Until(end) < wait {
			if maySend {
				return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
			}
			return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		case <-c.closed:
		}
		wait = min(2*wait, lastWait)
	}
}

// How long a request waits before it is sent again.
const (
	firstWait = 10 * time.Millisecond
	lastWait  = time.Second
)

// connect returns the connection in use, or makes one. Many who ask at once make one together.
func (c *Client) connect(ctx context.Context) (*connection, error) {
	for {
		c.mu.Lock()
		select {
		case <-c.closed:
			c.mu.Unlock()
			return nil, fmt.Errorf("%w: %w", ErrClosed, errClosed)
		default:
		}
		if c.connection != nil {
			defer c.mu.Unlock()
			return c.connection, nil
		}
		attempt := c.connecting
		if attempt == nil {
			attempt = make(chan struct{})
			c.connecting = attempt
			go c.makeConnection(attempt)
		}
		c.mu.Unlock()
		select {
		case <-attempt:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		c.mu.Lock()
		made, err := c.connection, c.lastErr
		c.mu.Unlock()
		if made != nil || err != nil {
			return made, err
		}
	}
}

// makeConnection makes a connection, and compares the functions first.
func (c *Client) makeConnection(attempt chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), c.options.Timeout)
	defer cancel()
	connection, err := c.dial(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connecting, c.lastErr = nil, err
	select {
	case <-c.closed:
		if connection != nil {
			go connection.end(errClosed)
		}
	default:
		c.connection = connection
	}
	close(attempt)
}

func (c *Client) dial(ctx context.Context) (*connection, error) {
	request := connect.NewRequest(&concordatv1.DescribeRequest{})
	c.authorize(request.Header())
	described, err := c.rpc.Describe(ctx, request)
	if err != nil {
		if refused := refusal(err); refused != nil {
			return nil, refused
		}
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, c.options.URL, err)
	}
	if err := c.functions.compare(described.Msg); err != nil {
		return nil, err
	}
	return c.newConnection(), nil
}

func (c *Client) authorize(header http.Header) {
	if c.options.Token != "" {
		header.Set("Authorization", "Bearer "+c.options.Token)
	}
}

// drop forgets a connection that is over.
func (c *Client) drop(over *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.connection == over && over.isOver() {
		c.connection = nil
	}
}
