package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// The plain HTTP routes: a URL for each function, the argument as the body, the result as the answer. The instance is in the query, since an
// id may be any text, and proxies rewrite what looks like a step up in a path.

// fault as the body of an answer.
type faultBody struct {
	Error faultText `json:"error"`
}

type faultText struct {
	Code     code                `json:"code"`
	Text     string              `json:"text"`
	Failures []functions.Failure `json:"failures,omitempty"`
	Field    string              `json:"field,omitempty"`
}

func (f *fault) forPeople() *faultText {
	return &faultText{f.code, strings.ToValidUTF8(f.text, "\ufffd"), f.failures, f.field}
}

// writeFault answers with a fault.
func writeFault(w http.ResponseWriter, f *fault) { writeFaultStatus(w, f, f.status()) }

func writeFaultStatus(w http.ResponseWriter, f *fault, status int) {
	if f.code == codeOverloaded {
		w.Header().Set("Retry-After", "1")
	}
	writeBody(w, status, "application/json", mustText(faultBody{*f.forPeople()}))
}

// mustText is the JSON of an answer; texts of users in it may be no UTF-8.
func mustText(v any) []byte {
	text, err := marshal(v)
	if err != nil {
		panic("server: an answer of its own always encodes: " + err.Error())
	}
	return text
}

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone if it fails
}

// callPlain runs a function.
func (s *Server) callPlain(w http.ResponseWriter, r *http.Request) {
	if f := s.answerPlain(w, r); f != nil {
		writeFault(w, f)
	}
}

func (s *Server) answerPlain(w http.ResponseWriter, r *http.Request) *fault {
	f, refused := s.functionAt(r.URL)
	if refused != nil {
		return refused
	}
	query, refused := readQuery(r.URL, "id", "arg")
	if refused != nil {
		return refused
	}
	arg, refused := s.readArgument(r, query)
	if refused != nil {
		return refused
	}
	as, refused := accepted(r)
	if refused != nil {
		return refused
	}
	id, err := requestID("", r.Header.Values(idempotencyKey))
	if err != nil {
		return faultOf(err)
	}
	envelope, err := f.envelope(query.Get("id"), arg, id)
	if err != nil {
		return faultOf(err)
	}
	result, err := s.do(r.Context(), envelope)
	if err != nil {
		return faultOf(err)
	}
	return f.writeResult(w, result, as)
}

// functionAt finds the function that a path is of.
func (s *Server) functionAt(u *url.URL) (*function, *fault) {
	path, err := canonical(strings.TrimPrefix(u.EscapedPath(), "/v1/"))
	if err == nil {
		if f := s.functions.byPath[path]; f != nil {
			return f, nil
		}
	}
	return nil, faultf(codeNotFound, "there is no function at %.300q; /openapi.json says which there are", u.Path)
}

// readQuery reads a query that may have some values, each once.
func readQuery(u *url.URL, names ...string) (url.Values, *fault) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, faultf(codeInvalid, "the query is malformed: %v", err)
	}
	for name, values := range query {
		known := false
		for _, n := range names {
			known = known || n == name
		}
		switch {
		case !known:
			return nil, faultf(codeInvalid, "there is no value %.100q in the query of this route: there are %s", name, strings.Join(names, ", "))
		case len(values) > 1:
			return nil, faultf(codeInvalid, "the query has %q several times", name)
		}
	}
	return query, nil
}

// readArgument reads the argument of a request: its body, or of a GET the value arg of the query.
func (s *Server) readArgument(r *http.Request, query url.Values) (arg argument, _ *fault) {
	if query.Has("arg") {
		if r.Method != http.MethodGet {
			return arg, faultf(codeInvalid, "the argument of a %s is its body", r.Method)
		}
		return argument{json: []byte(query.Get("arg")), given: true}, nil
	}
	if r.Method == http.MethodGet {
		return arg, nil
	}
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge) || len(body) > s.options.MaxBodyBytes:
		return arg, faultf(codeInvalid, "the body has more than %d bytes: Options.MaxBodyBytes", s.options.MaxBodyBytes)
	case err != nil:
		return arg, faultf(codeInvalid, "the body cannot be read")
	case len(body) == 0:
		return arg, nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/json":
		return argument{json: body, given: true}, nil
	case err == nil && kind == "application/cbor":
		return argument{cbor: body, given: true}, nil
	}
	return arg, faultf(codeInvalid, "the body is %.100q; it is to be application/json or application/cbor, and the header Content-Type is to say so", r.Header.Get("Content-Type"))
}

// accepted is how the result is to be encoded.
func accepted(r *http.Request) (concordatv1.Encoding, *fault) {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if accept == "" {
		return concordatv1.Encoding_ENCODING_JSON, nil
	}
	for one := range strings.SplitSeq(accept, ",") {
		kind, _, _ := mime.ParseMediaType(one)
		switch kind {
		case "application/json", "application/*", "*/*":
			return concordatv1.Encoding_ENCODING_JSON, nil
		case "application/cbor":
			return concordatv1.Encoding_ENCODING_CBOR, nil
		}
	}
	return 0, faultf(codeInvalid, "results are application/json or application/cbor; the header Accept has neither")
}

// writeResult answers with a result; 204 where the function has none.
func (f *function) writeResult(w http.ResponseWriter, result []byte, as concordatv1.Encoding) *fault {
	switch {
	case f.result == nil || len(result) == 0:
		w.WriteHeader(http.StatusNoContent)
	case as == concordatv1.Encoding_ENCODING_CBOR:
		writeBody(w, http.StatusOK, "application/cbor", result)
	default:
		text, refused := f.resultJSON(result)
		if refused != nil {
			return refused
		}
		writeBody(w, http.StatusOK, "application/json", text)
	}
	return nil
}

// requestBody is what is known of a request.
type requestBody struct {
	State  string         `json:"state"`
	Result jsontext.Value `json:"result,omitzero"`
	Error  *faultText     `json:"error,omitempty"`
}

// requestPlain looks up a request.
func (s *Server) requestPlain(w http.ResponseWriter, r *http.Request) {
	body, f := s.lookUpPlain(r)
	if f != nil {
		writeFault(w, f)
		return
	}
	writeBody(w, http.StatusOK, "application/json", mustText(body))
}

func (s *Server) lookUpPlain(r *http.Request) (body requestBody, _ *fault) {
	query, refused := readQuery(r.URL, "request", "id", "operation", "wait")
	if refused != nil {
		return body, refused
	}
	name, typeName := strings.TrimPrefix(r.URL.Path, "/v1/request/"), ""
	if query.Has("id") || query.Has("operation") {
		typeName, name = name, ""
	}
	of, f, refused := s.functions.target(typeName, query.Get("id"), query.Get("operation"), name)
	if refused != nil {
		return body, refused
	}
	wait := time.Duration(0)
	if text := query.Get("wait"); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 {
			return body, faultf(codeInvalid, "wait is %.40q, which is no time such as 10s", text)
		}
	}
	o, err := s.lookUp(r.Context(), of, query.Get("request"), wait)
	if err != nil {
		return body, faultOf(err)
	}
	if o.State == engine.NotKnown {
		return body, faultf(codeNotFound, "no request for it has this id, or its outcome has expired")
	}
	body.State = o.State.String()
	answer, refused := answerOf(o, f, concordatv1.Encoding_ENCODING_JSON)
	if refused != nil {
		return body, refused
	}
	if text := answer.GetJson(); text != "" {
		body.Result = jsontext.Value(text)
	}
	if e := answer.GetError(); e != nil {
		body.Error = faultOf(o.Err).forPeople()
		body.Error.Code = code(e.Code)
	}
	return body, nil
}

// pageBody is some instances.
type pageBody struct {
	Instances []instanceBody `json:"instances"`
	Next      string         `json:"next,omitempty"`
}

type instanceBody struct {
	ID    string         `json:"id"`
	State jsontext.Value `json:"state,omitzero"`
	Error *faultText     `json:"error,omitempty"`
}

// walkPlain lists instances of a type.
func (s *Server) walkPlain(w http.ResponseWriter, r *http.Request) {
	body, f := s.pagePlain(r)
	if f != nil {
		writeFault(w, f)
		return
	}
	writeBody(w, http.StatusOK, "application/json", mustText(body))
}

func (s *Server) pagePlain(r *http.Request) (body pageBody, _ *fault) {
	query, refused := readQuery(r.URL, "from", "prefix", "limit")
	if refused != nil {
		return body, refused
	}
	limit := 0
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return body, faultf(codeInvalid, "limit is %.40q, which is no number from 1 to %d", text, maxPage)
		}
	}
	name := strings.TrimPrefix(r.URL.Path, "/v1/instances/")
	p, refused := s.walk(r.Context(), name, query.Get("from"), query.Get("prefix"), limit, concordatv1.Encoding_ENCODING_JSON)
	if refused != nil {
		return body, refused
	}
	body.Instances, body.Next = []instanceBody{}, p.next
	for _, i := range p.instances {
		one := instanceBody{ID: i.id, State: i.state}
		if i.fault != nil {
			one.Error = i.fault.forPeople()
		}
		body.Instances = append(body.Instances, one)
	}
	return body, nil
}

func (s *Server) serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	writeBody(w, http.StatusOK, "application/json", s.openAPI)
}

// health says that the process answers.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	writeBody(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
}

// readyWithin is how long a worker of the engine may take to answer before the server says that it is not ready.
const readyWithin = 2 * time.Second

// ready says whether requests would be taken: the server is not closing, and the engine answers.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.isClosing() {
		writeFault(w, faultf(codeOverloaded, "the server is closing"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	if err := s.askEngine(ctx); err != nil {
		writeFaultStatus(w, faultf(codeOverloaded, "the engine does not answer: %v", err), http.StatusServiceUnavailable)
		return
	}
	writeBody(w, http.StatusOK, "text/plain; charset=utf-8", fmt.Appendln(nil, "ready"))
}

// askEngine asks the engine for the outcome of a request that nobody has made, which it answers with the next epoch.
func (s *Server) askEngine(ctx context.Context) error {
	of, ok := s.functions.anyTarget()
	if !ok {
		_, err := s.engine.Transactions(ctx) // there is nothing that requests could be for
		return err
	}
	_, err := s.engine.Outcome(ctx, of, "concordat/ready")
	return err
}
