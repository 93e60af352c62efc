package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/fxamacker/cbor/v2"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/proof/history/record"
)

// Serve opens an engine and runs the requests that come in, all at once, until there are no more or the process gets SIGTERM;
// then it closes the engine. It is what a child does, with its standard input and output.
func Serve(o engine.Options, in io.Reader, out io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s := &server{to: cbor.NewEncoder(out)}
	e, err := engine.Open(o, record.Parts()...)
	opened := answer{}
	opened.encodeError(err)
	if err := errors.Join(err, s.send(&opened)); err != nil {
		return err
	}
	s.engine = e
	go func() {
		if err := s.serve(in); err != nil {
			fmt.Fprintln(os.Stderr, "chaos:", err)
		}
		stop() // the parent is gone
	}()
	<-ctx.Done()
	return e.Close()
}

// server is the child's side of the wire.
type server struct {
	engine *engine.Engine
	mu     sync.Mutex
	to     *cbor.Encoder
}

func (s *server) send(a *answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to.Encode(a)
}

func (s *server) serve(in io.Reader) error {
	resolver := newResolver()
	for from := cbor.NewDecoder(in); ; {
		var a ask
		if err := from.Decode(&a); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		go s.run(&a, resolver)
	}
}

// run runs a request. When the answer cannot be sent the parent is gone, and with it whoever wants to know.
func (s *server) run(a *ask, resolver resolver) {
	got := answer{N: a.N}
	envelope := instances.Resolve(a.Message, resolver)
	envelope.RequestID = a.RequestID
	envelope.Into = func(result *instances.Result) error {
		got.Result = append([]byte(nil), result.Encoded()...)
		return nil
	}
	got.encodeError(s.engine.Do(context.Background(), enveloped{envelope}))
	_ = s.send(&got)
}

// enveloped is an envelope as a request.
type enveloped struct{ envelope instances.Envelope }

// RequestEnvelope implements functions.Request.
func (e enveloped) RequestEnvelope() instances.Envelope { return e.envelope }

// resolver finds the operations of package record by their names.
type resolver map[[2]string]*instances.Operation

func newResolver() resolver {
	r := resolver{}
	for _, part := range record.Parts() {
		if info, ok := part.Definition().(*instances.Type); ok {
			for _, op := range info.Operations() {
				r[[2]string{info.Name, op.Name}] = op
			}
		}
	}
	return r
}

// Operation implements instances.Resolver.
func (r resolver) Operation(typeName, operation string) (*instances.Operation, bool) {
	op, ok := r[[2]string{typeName, operation}]
	return op, ok
}
