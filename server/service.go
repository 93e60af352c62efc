package server

import (
	"context"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/values"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// idempotencyKey is the header that carries a request id.
const idempotencyKey = "Idempotency-Key"

// service implements concordatv1connect.ConcordatServiceHandler.
type service struct{ *Server }

// recovered is what a panic of a handler is to the client.
func (s *Server) recovered(_ context.Context, spec connect.Spec, _ http.Header, p any) error {
	s.options.Logger.Error("a procedure panicked", "procedure", spec.Procedure, "panic", p)
	return faultf(codeUnknown, "%v", errPanic).rpc()
}

// sent is a request as the engine takes it.
type sent struct{ envelope instances.Envelope }

// RequestEnvelope implements functions.Request.
func (s sent) RequestEnvelope() instances.Envelope { return s.envelope }

// prepare makes the message of a request, if who sends it may.
func (s *Server) prepare(role Role, r *concordatv1.Request, keys []string) (f *function, e instances.Envelope, err error) {
	if r == nil {
		return nil, e, faultf(codeInvalid, "there is no request in the message")
	}
	if f, err = s.find(r); err != nil {
		return nil, e, err
	}
	if refused := role.permit(f.role()); refused != nil {
		return nil, e, refused
	}
	if r.Accept < 0 || r.Accept > concordatv1.Encoding_ENCODING_CBOR {
		return nil, e, faultf(codeInvalid, "there is no encoding %d", r.Accept)
	}
	id, err := requestID(r.RequestId, keys)
	if err != nil {
		return nil, e, err
	}
	var arg argument
	switch a := r.Argument.(type) {
	case *concordatv1.Request_Json:
		arg = argument{json: []byte(a.Json), given: true}
	case *concordatv1.Request_Cbor:
		arg = argument{cbor: a.Cbor, given: true}
		if arg.cbor == nil {
			arg.cbor = []byte{}
		}
	}
	e, err = f.envelope(r.Id, arg, id)
	return f, e, err
}

func (s *Server) find(r *concordatv1.Request) (*function, error) {
	f, missing := s.functions.find(r.Type, r.Operation, r.Coordinator)
	if missing != nil {
		return nil, missing
	}
	return f, nil
}

// requestID is the id of a request: that of the message, or of the header.
func requestID(inMessage string, keys []string) (string, error) {
	if len(keys) == 0 {
		return inMessage, nil
	}
	key := keys[0]
	if unquoted, ok := strings.CutPrefix(key, `"`); ok { // as the draft of the header has it
		key = strings.TrimSuffix(unquoted, `"`)
	}
	switch {
	case len(keys) > 1:
		return "", faultf(codeInvalid, "there are several headers %s", idempotencyKey)
	case key == "":
		return "", faultf(codeInvalid, "the header %s is empty", idempotencyKey)
	case inMessage != "" && inMessage != key:
		return "", faultf(codeInvalid, "the header %s and the request's id are different", idempotencyKey)
	}
	return key, nil
}

// do runs a request, and returns its encoded result.
func (s *Server) do(ctx context.Context, e instances.Envelope) (result []byte, err error) {
	if s.isClosing() {
		return nil, faultf(codeOverloaded, "the server is closing")
	}
	e.Into = func(r *instances.Result) error {
		result = r.Encoded()
		return nil
	}
	err = s.engine.Do(ctx, sent{e})
	return result, err
}

// Do implements the procedure.
func (s *service) Do(ctx context.Context, r *connect.Request[concordatv1.DoRequest]) (*connect.Response[concordatv1.DoResponse], error) {
	f, e, err := s.prepare(visitOf(ctx).role, r.Msg.Request, r.Header().Values(idempotencyKey))
	var result []byte
	if err == nil {
		result, err = s.do(withSpan(ctx, spanCarrier{r.Msg.Request}), e)
	}
	if err != nil {
		return nil, faultOf(err).rpc()
	}
	answer := &concordatv1.Answer{}
	if f := f.encode(result, r.Msg.Request.Accept, answer); f != nil {
		return nil, f.rpc()
	}
	return connect.NewResponse(&concordatv1.DoResponse{Answer: answer}), nil
}

// encode puts a result into an answer.
func (f *function) encode(result []byte, as concordatv1.Encoding, answer *concordatv1.Answer) *fault {
	switch {
	case f.result == nil || len(result) == 0:
	case as == concordatv1.Encoding_ENCODING_CBOR:
		answer.Result = &concordatv1.Answer_Cbor{Cbor: result}
	default:
		text, refused := f.resultJSON(result)
		if refused != nil {
			return refused
		}
		answer.Result = &concordatv1.Answer_Json{Json: string(text)}
	}
	return nil
}

// lookEvery is how often a request that is under way is looked up again while a client waits for its end.
const lookEvery = 100 * time.Millisecond

// lookUp looks up a request for something, again and again until it has ended or is stuck, or the time to wait is over.
func (s *Server) lookUp(ctx context.Context, of functions.Address, id string, wait time.Duration) (o engine.Outcome, err error) {
	end := time.Now().Add(wait)
	for {
		if o, err = s.engine.Outcome(ctx, of, id); err != nil || o.State != engine.Running || !time.Now().Before(end) {
			return o, err
		}
		select {
		case <-time.After(min(lookEvery, time.Until(end))):
		case <-s.closing:
			return o, nil
		case <-ctx.Done():
			return o, nil // it is still running, as far as is known
		}
	}
}

// GetRequest implements the procedure.
func (s *service) GetRequest(ctx context.Context, r *connect.Request[concordatv1.GetRequestRequest]) (*connect.Response[concordatv1.GetRequestResponse], error) {
	m := r.Msg
	of, f, refused := s.functions.target(m.Type, m.Id, m.Operation, m.Coordinator)
	if refused != nil {
		return nil, refused.rpc()
	}
	if err := m.Wait.CheckValid(); m.Wait != nil && (err != nil || m.Wait.AsDuration() < 0) {
		return nil, faultf(codeInvalid, "wait is no time that can be waited for").rpc()
	}
	o, err := s.lookUp(ctx, of, m.RequestId, m.Wait.AsDuration())
	if err != nil {
		return nil, faultOf(err).rpc()
	}
	response := &concordatv1.GetRequestResponse{State: concordatv1.RequestState(o.State) + 1}
	if answer, f := answerOf(o, f, m.Accept); f != nil {
		return nil, f.rpc()
	} else if answer != nil {
		response.Answer = answer
	}
	return connect.NewResponse(response), nil
}

// answerOf is the answer that an outcome is; nil if there is none yet. f is the function, nil if it is not told.
func answerOf(o engine.Outcome, f *function, as concordatv1.Encoding) (*concordatv1.Answer, *fault) {
	switch o.State {
	case engine.Succeeded:
		answer := &concordatv1.Answer{}
		switch result := o.Encoded(); {
		case f != nil:
			return answer, f.encode(result, as, answer)
		case len(result) > 0 && as == concordatv1.Encoding_ENCODING_CBOR:
			answer.Result = &concordatv1.Answer_Cbor{Cbor: result}
		}
		return answer, nil
	case engine.Failed:
		f := faultOf(o.Err)
		f.code = codeFailure
		return &concordatv1.Answer{Error: f.message()}, nil
	case engine.Stuck:
		return &concordatv1.Answer{Error: faultOf(o.Err).message()}, nil
	}
	return nil, nil
}

// maxPage bounds the instances of a page, and maxPageBytes about their size.
const (
	maxPage      = 10_000
	defaultPage  = 100
	maxPageBytes = 4 << 20
)

// page is some instances of a type.
type page struct {
	instances []instance
	next      string // where the next page begins; "" if there is none
}

type instance struct {
	id    string
	state []byte // encoded
	fault *fault // in its place
}

// walk makes a page.
func (s *Server) walk(ctx context.Context, typeName, from, prefix string, limit int, as concordatv1.Encoding) (p page, f *fault) {
	switch {
	case s.functions.byType[typeName] == nil:
		return p, faultf(codeNotFound, "there is no function type %.200q", typeName)
	case limit < 0 || limit > maxPage:
		return p, faultf(codeInvalid, "a page has 1 to %d instances, not %d", maxPage, limit)
	case limit == 0:
		limit = defaultPage
	}
	bytes := 0
	for i, err := range s.engine.WalkNamed(typeName, max(from, prefix)) {
		switch {
		case i.ID == "" && err != nil:
			return p, faultOf(err)
		case !strings.HasPrefix(i.ID, prefix):
			return p, nil
		case len(p.instances) == limit || bytes > maxPageBytes:
			p.next = i.ID
			return p, nil
		case ctx.Err() != nil:
			return p, faultf(codeUnknown, "the time for the walk is over")
		}
		one := instance{id: i.ID}
		if err == nil {
			one.state, err = encodeState(i.State, as)
		}
		if err != nil {
			one.fault = faultOf(err)
		}
		bytes += len(i.ID) + len(one.state)
		p.instances = append(p.instances, one)
	}
	return p, nil
}

func encodeState(state any, as concordatv1.Encoding) ([]byte, error) {
	if as == concordatv1.Encoding_ENCODING_CBOR {
		return values.Encode(state)
	}
	return marshal(state)
}

// ListInstances implements the procedure.
func (s *service) ListInstances(ctx context.Context, r *connect.Request[concordatv1.ListInstancesRequest]) (*connect.Response[concordatv1.ListInstancesResponse], error) {
	m := r.Msg
	p, f := s.walk(ctx, m.Type, m.From, m.Prefix, int(m.Limit), m.Accept)
	if f != nil {
		return nil, f.rpc()
	}
	response := &concordatv1.ListInstancesResponse{Next: p.next}
	for _, i := range p.instances {
		one := &concordatv1.Instance{Id: i.id, Error: i.fault.message()}
		switch {
		case i.fault != nil:
		case m.Accept == concordatv1.Encoding_ENCODING_CBOR:
			one.State = &concordatv1.Instance_Cbor{Cbor: i.state}
		default:
			one.State = &concordatv1.Instance_Json{Json: string(i.state)}
		}
		response.Instances = append(response.Instances, one)
	}
	return connect.NewResponse(response), nil
}

// Describe implements the procedure.
func (s *service) Describe(context.Context, *connect.Request[concordatv1.DescribeRequest]) (*connect.Response[concordatv1.DescribeResponse], error) {
	return connect.NewResponse(s.functions.describe()), nil
}
