package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/propagation"

	"github.com/concordat-dev/concordat/internal/machine/instances"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// connection is a stream with the requests that wait on it. One goroutine writes: all that is there when it comes to it, as one message.
// Another reads, and tells those who wait.
type connection struct {
	client *Client
	stream *connect.BidiStreamForClient[concordatv1.PipelineRequest, concordatv1.PipelineResponse]
	cancel context.CancelCauseFunc
	queued chan struct{} // has a token if something was queued since the writer has looked

	mu      sync.Mutex
	queue   []*concordatv1.Numbered // to be written
	waiting map[uint64]*waiter      // by number
	last    uint64                  // number
	err     error                   // why it is over
}

// waiter is who waits for the answer to a request.
type waiter struct {
	numbered concordatv1.Numbered
	request  concordatv1.Request
	arg      concordatv1.Request_Cbor

	done    chan struct{} // has a token once there is an answer or an error
	answer  *concordatv1.Answer
	err     error
	written bool // the writer has taken it
}

var donePool = sync.Pool{New: func() any { return make(chan struct{}, 1) }}

func (c *Client) newConnection() *connection {
	ctx, cancel := context.WithCancelCause(context.Background())
	n := &connection{client: c, stream: c.rpc.Pipeline(ctx), cancel: cancel, queued: make(chan struct{}, 1), waiting: map[uint64]*waiter{}}
	c.authorize(n.stream.RequestHeader())
	go n.write(ctx)
	go n.read()
	return n
}

// do sends a request and waits for its answer. maySend says, beside an error, that the request was certainly not run.
func (n *connection) do(ctx context.Context, e *instances.Envelope) (answer *concordatv1.Answer, maySend bool, err error) {
	w := &waiter{done: donePool.Get().(chan struct{})}
	w.set(e)
	propagation.TraceContext{}.Inject(ctx, (*spanCarrier)(&w.request))
	if err := n.enqueue(w); err != nil {
		return nil, true, err
	}
	select {
	case <-w.done:
		donePool.Put(w.done)
		return w.answer, !w.written, w.err
	case <-ctx.Done():
		return nil, n.forget(w), context.Cause(ctx)
	}
}

// set makes the message of a request.
func (w *waiter) set(e *instances.Envelope) {
	w.request.RequestId, w.request.Accept = e.RequestID, concordatv1.Encoding_ENCODING_CBOR
	if e.Op != nil {
		w.request.Type, w.request.Operation, w.request.Id = e.Op.Type.Name, e.Op.Name, e.ID
	} else {
		w.request.Coordinator = e.Coordinator
	}
	if arg := e.Encoded(); arg != nil {
		w.arg.Cbor = arg
		w.request.Argument = &w.arg
	}
	w.numbered.Request = &w.request
}

func (n *connection) enqueue(w *waiter) error {
	n.mu.Lock()
	if n.err != nil {
		n.mu.Unlock()
		return n.err
	}
	n.last++
	w.numbered.Number = n.last
	n.waiting[n.last] = w
	n.queue = append(n.queue, &w.numbered)
	first := len(n.queue) == 1
	n.mu.Unlock()
	if first {
		select {
		case n.queued <- struct{}{}:
		default:
		}
	}
	return nil
}

// forget lets a request go whose context is over. It reports whether the request was certainly not run.
func (n *connection) forget(w *waiter) (unsent bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.waiting, w.numbered.Number)
	if w.written {
		return false
	}
	for i, queued := range n.queue {
		if queued == &w.numbered {
			n.queue = append(n.queue[:i], n.queue[i+1:]...)
			return true
		}
	}
	return n.err != nil
}

// maxMessageBytes is about how large a message with requests becomes: a server takes 8 MiB, and an argument may have 1 MiB.
const maxMessageBytes = 1 << 20

// take takes requests that are to be written now.
func (n *connection) take(into []*concordatv1.Numbered) []*concordatv1.Numbered {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := 0
	for bytes := 0; taken < len(n.queue) && bytes < maxMessageBytes; taken++ {
		next := n.queue[taken]
		n.waiting[next.Number].written = true
		bytes += 64 + len(next.Request.Id) + len(next.Request.GetCbor())
		into = append(into, next)
	}
	rest := copy(n.queue, n.queue[taken:])
	clear(n.queue[rest:])
	n.queue = n.queue[:rest]
	return into
}

// write writes requests until the connection is over.
func (n *connection) write(ctx context.Context) {
	var batch []*concordatv1.Numbered
	for {
		if batch = n.take(batch[:0]); len(batch) == 0 {
			select {
			case <-n.queued:
			case <-ctx.Done():
				return
			}
			runtime.Gosched() // those who are about to ask come along
			continue
		}
		if err := n.stream.Send(&concordatv1.PipelineRequest{Requests: batch}); err != nil {
			if !errors.Is(err, io.EOF) { // then the reader learns why
				n.end(fmt.Errorf("the connection was lost: %w", err))
			}
			return
		}
		clear(batch)
	}
}

// read reads answers until the connection is over.
func (n *connection) read() {
	for {
		response, err := n.stream.Receive()
		if err != nil {
			if refused := refusal(err); refused != nil {
				err = refused
			}
			n.end(fmt.Errorf("the connection was lost: %w", err))
			return
		}
		n.mu.Lock()
		for _, a := range response.Answers {
			if w := n.waiting[a.Number]; w != nil {
				delete(n.waiting, a.Number)
				w.tell(a.Answer)
			}
		}
		n.mu.Unlock()
	}
}

var errNoAnswer = errors.New("client: the server's answer has nothing in it")

func (w *waiter) tell(answer *concordatv1.Answer) {
	if w.answer = answer; answer == nil {
		w.err = errNoAnswer
	}
	w.done <- struct{}{}
}

// end ends the connection: those who wait get the error.
func (n *connection) end(err error) {
	n.mu.Lock()
	if n.err == nil {
		n.err = err
	}
	waiting := n.waiting
	n.waiting, n.queue = map[uint64]*waiter{}, nil
	for _, w := range waiting {
		w.err = n.err
		w.done <- struct{}{}
	}
	n.mu.Unlock()
	n.cancel(err)
	n.client.drop(n)
}

func (n *connection) isOver() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err != nil
}
