package server

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/concordat-dev/concordat/engine"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// A pipeline is one stream with many requests under way. Two goroutines serve it, however many there are: one reads requests and submits
// them, one writes the answers. The engine adds outcomes to a list (engine.Answers) when an epoch is sealed, and the writer takes all that
// are there, so the answers of an epoch are one or two writes.
//
// What is in memory is bounded. A request has one of Options.MaxStreamRequests places from when it is read until its answer is written; when
// there is none the reader does not read, and HTTP/2's flow control holds the client up. A client that does not read its answers holds up
// the writer, so places are not given back either; after Options.WriteTimeout its stream is ended. What was submitted goes on in the engine.
type pipeline struct {
	server  *Server
	stream  pipelineStream
	visit   *visit
	answers *engine.Answers
	stop    context.CancelFunc // ends the writer's wait

	mu      sync.Mutex
	room    sync.Cond // a place was given back, or the stream is over
	blocks  [][]place // places, in blocks that are made when they are needed
	made    uint64    // how many places there are
	free    []uint64  // those that nobody has
	ended   bool      // nothing more is read
	over    bool      // the writer has returned
	readErr error     // why nothing more is read; nil if the client has said that it is all
}

// place is what is kept of a request until its answer is written.
type place struct {
	number   uint64 // the client's
	function *function
	accept   concordatv1.Encoding
}

// placesInBlock is how many places are made at a time.
const placesInBlock = 128

// place is the place with a number. A block never moves, so the writer may look at a place of its while the reader makes others.
func (p *pipeline) place(tag uint64) *place { return &p.blocks[tag/placesInBlock][tag%placesInBlock] }

// isAnswered reports whether all that was read is answered. The caller holds mu.
func (p *pipeline) isAnswered() bool { return uint64(len(p.free)) == p.made }

// isFull reports whether no place is free. The caller holds mu.
func (p *pipeline) isFull() bool {
	return len(p.free) == 0 && p.made == uint64(p.server.options.MaxStreamRequests)
}

// makePlaces makes some more places.
func (p *pipeline) makePlaces() {
	n := min(placesInBlock, uint64(p.server.options.MaxStreamRequests)-p.made)
	p.blocks[p.made/placesInBlock] = make([]place, n)
	for i := range n {
		p.free = append(p.free, p.made+n-1-i)
	}
	p.made += n
}

type pipelineStream interface {
	Receive() (*concordatv1.PipelineRequest, error)
	Send(*concordatv1.PipelineResponse) error
}

// Pipeline implements the procedure.
func (s *service) Pipeline(ctx context.Context, stream *connect.BidiStream[concordatv1.PipelineRequest, concordatv1.PipelineResponse]) error {
	if s.streams.Add(1) > int64(s.options.MaxStreams) {
		s.streams.Add(-1)
		return faultf(codeOverloaded, "%d pipelines are open: Options.MaxStreams", s.options.MaxStreams).rpc()
	}
	defer s.streams.Add(-1)
	if err := s.runPipeline(ctx, stream); err != nil {
		return err
	}
	return nil
}

func (s *Server) runPipeline(ctx context.Context, stream pipelineStream) error {
	p := &pipeline{server: s, stream: stream, visit: visitOf(ctx), answers: s.engine.NewAnswers()}
	p.room.L = &p.mu
	p.blocks = make([][]place, (s.options.MaxStreamRequests+placesInBlock-1)/placesInBlock)
	ctx, p.stop = context.WithCancel(ctx)
	defer p.stop()
	var reading sync.WaitGroup
	reading.Go(p.read)
	stopped := context.AfterFunc(ctx, p.end) // wakes a reader that waits for room
	closing := make(chan struct{})
	go func() {
		select {
		case <-s.closing:
			p.end()
		case <-closing:
		}
	}()
	err := p.write(ctx)
	close(closing)
	stopped()
	p.mu.Lock()
	p.over = true
	p.room.Broadcast()
	p.mu.Unlock()
	if p.visit.control != nil {
		_ = p.visit.control.SetReadDeadline(time.Now()) // the reader returns
	}
	reading.Wait()
	return err
}

// end says that nothing more is submitted. The writer returns once what was is answered.
func (p *pipeline) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.isAnswered() {
		p.stop()
	}
	p.room.Broadcast()
}

// read reads requests and submits them until the client has no more.
func (p *pipeline) read() {
	for {
		message, err := p.stream.Receive()
		if err != nil {
			p.mu.Lock()
			if !errors.Is(err, io.EOF) {
				p.readErr = err
			}
			p.mu.Unlock()
			p.end()
			return
		}
		for _, numbered := range message.Requests {
			tag, ok := p.take(numbered)
			if !ok {
				return
			}
			if err := p.submit(tag, numbered.Request); err != nil {
				p.answers.Add(engine.Answer{Tag: tag, Err: err})
			}
		}
	}
}

// take takes a place for a request, once there is one; false if the stream is over.
func (p *pipeline) take(n *concordatv1.Numbered) (tag uint64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.isFull() && !p.over {
		p.room.Wait()
	}
	if p.over {
		return 0, false
	}
	if len(p.free) == 0 {
		p.makePlaces()
	}
	tag = p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	*p.place(tag) = place{number: n.Number, accept: n.Request.GetAccept()}
	return tag, true
}

// submit submits a request. An error is its answer.
func (p *pipeline) submit(tag uint64, r *concordatv1.Request) error {
	if p.server.isClosing() {
		return faultf(codeOverloaded, "the server is closing")
	}
	f, envelope, err := p.server.prepare(p.visit.role, r, nil)
	if err != nil {
		return err
	}
	p.place(tag).function = f // the writer comes to it only after this request has an answer
	return p.server.engine.SubmitTo(withinSpan(sent{envelope}, r), p.answers, tag)
}

// maxMessageBytes is about how large a message with answers becomes.
const maxMessageBytes = 1 << 20

// write writes answers until nothing more is read and all are written.
func (p *pipeline) write(ctx context.Context) error {
	late := time.AfterFunc(time.Hour, func() { _ = p.visit.control.SetWriteDeadline(time.Now()) })
	late.Stop()
	defer late.Stop()
	var taken []engine.Answer
	var out writing
	for {
		var err error
		if taken, err = p.answers.Take(ctx, taken[:0]); err != nil {
			return p.ending(ctx, err)
		}
		for rest := taken; len(rest) > 0; {
			n := out.fill(p, rest)
			if p.visit.control != nil {
				late.Reset(p.server.options.WriteTimeout)
			}
			if err := p.stream.Send(out.message()); err != nil {
				return err
			}
			late.Stop()
			p.giveBack(rest[:n])
			rest = rest[n:]
		}
		clear(taken)
		p.mu.Lock()
		done := p.ended && p.isAnswered()
		err = p.readErr
		p.mu.Unlock()
		if done {
			return err
		}
	}
}

// ending is how the stream ends when the wait for answers has.
func (p *pipeline) ending(ctx context.Context, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.readErr != nil:
		return p.readErr
	case p.ended && p.isAnswered():
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return faultOf(err).rpc()
}

// giveBack gives back the places of requests that are answered.
func (p *pipeline) giveBack(answers []engine.Answer) {
	p.mu.Lock()
	waits := p.isFull()
	for i := range answers {
		p.free = append(p.free, answers[i].Tag)
	}
	p.mu.Unlock()
	if waits {
		p.room.Signal()
	}
}

// writing is the memory for a message with answers, which is used again once it was sent.
type writing struct {
	response concordatv1.PipelineResponse
	answers  []*answering
}

type answering struct {
	numbered concordatv1.NumberedAnswer
	answer   concordatv1.Answer
	cbor     concordatv1.Answer_Cbor
}

// fill makes a message of the first answers, and returns of how many.
func (w *writing) fill(p *pipeline, answers []engine.Answer) (n int) {
	w.response.Answers = w.response.Answers[:0]
	for bytes := 0; n < len(answers) && bytes < maxMessageBytes; n++ {
		if n == len(w.answers) {
			w.answers = append(w.answers, new(answering))
		}
		a := w.answers[n]
		a.set(p.place(answers[n].Tag), &answers[n])
		w.response.Answers = append(w.response.Answers, &a.numbered)
		if a.answer.Error != nil {
			bytes += proto.Size(a.answer.Error)
		}
		bytes += 16 + len(answers[n].Result)
	}
	return n
}

func (w *writing) message() *concordatv1.PipelineResponse { return &w.response }

// set makes it the answer to the request that has a place.
func (a *answering) set(at *place, from *engine.Answer) {
	a.numbered.Number, a.numbered.Answer = at.number, &a.answer
	a.answer.Result, a.answer.Error = nil, nil
	switch {
	case from.Err != nil:
		a.answer.Error = faultOf(from.Err).message()
	case len(from.Result) > 0 && at.accept == concordatv1.Encoding_ENCODING_CBOR:
		a.cbor.Cbor = from.Result
		a.answer.Result = &a.cbor
	default:
		a.answer.Error = at.function.encode(from.Result, at.accept, &a.answer).message()
	}
}
