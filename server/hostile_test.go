package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/concordat-dev/concordat/client"
	"github.com/concordat-dev/concordat/internal/values"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
	"github.com/concordat-dev/concordat/proto/concordat/v1/concordatv1connect"
	"github.com/concordat-dev/concordat/server"
)

// raw opens a connection and writes a text.
func raw(t testing.TB, s *server.Server, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err == nil {
		_, err = io.WriteString(conn, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// closes fails unless the server closes a connection in time. It returns what it has said before.
func closes(t testing.TB, conn net.Conn, within time.Duration) string {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(within))
	answer, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Errorf("the connection is open after %v", within)
	}
	return string(answer)
}

// TestSlowClients: headers and bodies that come slowly end their connection, and large ones are refused.
func TestSlowClients(t *testing.T) {
	e := openEngine(t)
	s := start(t, e, server.Options{HeaderTimeout: 100 * time.Millisecond, BodyTimeout: 100 * time.Millisecond, IdleTimeout: 100 * time.Millisecond})
	const post = "POST /v1/call/test/drawer/count?id=d HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	closes(t, raw(t, s, "GET / HTTP/1.1\r\nHost: loc"), 10*time.Second)
	closes(t, raw(t, s, ""), 10*time.Second)
	answer := closes(t, raw(t, s, post+"Content-Length: 100\r\n\r\n1"), 10*time.Second)
	if !strings.Contains(answer, "400 Bad Request") || !strings.Contains(answer, "cannot be read") {
		t.Errorf("a slow body is answered with %q", answer)
	}
	if answer := closes(t, raw(t, s, "GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n"), 10*time.Second); !strings.Contains(answer, " 431 ") {
		t.Errorf("large headers are answered with %.100q", answer)
	}
	// The time for a body is none for the outcome.
	expect(t, send(t, s, "POST", "/v1/run/test/sleepy", `"400ms"`, "Idempotency-Key", "k"), 204, "")
	if _, err := e.Submit(sleepy.As("looked up", 400*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	expect(t, send(t, s, "GET", "/v1/request/test/sleepy?request=looked+up&wait=10s", ""), 200, `{"state":"succeeded"}`)
	expect(t, send(t, s, "POST", "/concordat.v1.ConcordatService/Do", `{"request":{"coordinator":"test/sleepy","json":"\"400ms\""}}`), 200, `{"answer":{}}`)
	expect(t, send(t, s, "POST", "/v1/call/test/drawer/count?id=d", "1"), 200, "1")
}

// TestManyConnections: 5,000 connections that say nothing keep nobody out.
func TestManyConnections(t *testing.T) {
	s := start(t, openEngine(t), server.Options{MaxConnections: 100, HeaderTimeout: time.Hour, IdleTimeout: time.Hour})
	c, err := client.Open(client.Options{URL: s.URL()}, parts()...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// The client's stream is active all the while: a connection that works is never the one to be closed.
	sleeping, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- c.Do(sleeping, sleepy.With(time.Hour)) }()
	idle := make([]net.Conn, 0, 200)
	for i := range 5000 {
		if len(idle) == cap(idle) { // this process has only so many files
			idle[0].Close()
			idle = append(idle[:0], idle[1:]...)
		}
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
		if i%500 == 0 {
			expect(t, send(t, s, "GET", "/healthz", ""), 200, "ok")
			if n, err := client.Ask(ctx, c, count.On("d", 1)); err != nil || n != i/500+1 {
				t.Fatal(n, err)
			}
		}
	}
	for deadline := time.Now().Add(10 * time.Second); s.OpenConnections() > 100; {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open", s.OpenConnections())
		}
	}
	for _, conn := range idle {
		conn.Close()
	}
	select {
	case err := <-over:
		t.Error("the stream that was active has ended:", err)
	default:
	}
}

// rpc is a client of the procedures that speaks as a test wants.
func rpc(s *server.Server, options ...connect.ClientOption) concordatv1connect.ConcordatServiceClient {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return concordatv1connect.NewConcordatServiceClient(&http.Client{Transport: &http.Transport{Protocols: protocols}}, s.URL(), options...)
}

// TestUnreadAnswers: a stream that never reads its answers takes bounded memory, is ended, and nobody else notices.
func TestUnreadAnswers(t *testing.T) {
	e := openEngine(t)
	s := start(t, e, server.Options{WriteTimeout: 200 * time.Millisecond, MaxStreamRequests: 100})
	if err := e.Do(ctx, put.On("big", things{Text: strings.Repeat("x", 1<<19)})); err != nil {
		t.Fatal(err)
	}
	hostile, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := rpc(s, connect.WithAcceptCompression("gzip", nil, nil)).Pipeline(hostile)
	question := &concordatv1.Request{Type: "test/drawer", Operation: "last", Id: "big"}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	sent := 0
	for ; sent < 1_000_000; sent++ { // the answers to these have 500 GB
		if err := stream.Send(&concordatv1.PipelineRequest{Requests: []*concordatv1.Numbered{{Number: uint64(sent), Request: question}}}); err != nil {
			break
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 256<<20 {
		t.Errorf("%d requests whose answers nobody reads take %d bytes", sent, grown)
	}
	if sent == 1_000_000 {
		t.Error("all of a million requests were taken")
	}
	expect(t, send(t, s, "POST", "/v1/call/test/drawer/count?id=d", "1"), 200, "1")
}

// TestProtocols: gRPC, gRPC-web and Connect, with protobuf and JSON, are all answered, and errors have their details in all of them.
func TestProtocols(t *testing.T) {
	s := start(t, openEngine(t), server.Options{})
	for name, options := range map[string][]connect.ClientOption{
		"connect": nil, "connect JSON": {connect.WithProtoJSON()}, "gRPC": {connect.WithGRPC()}, "gRPC-web": {connect.WithGRPCWeb()},
	} {
		c := rpc(s, options...)
		request := connect.NewRequest(&concordatv1.DoRequest{Request: &concordatv1.Request{
			Type: "test/drawer", Operation: "count", Id: name, Argument: &concordatv1.Request_Json{Json: "5"},
		}})
		request.Header().Set("Idempotency-Key", name)
		for range 2 {
			if response, err := c.Do(ctx, request); err != nil || response.Msg.Answer.GetJson() != "5" {
				t.Errorf("%s: %v, %v", name, response, err)
			}
		}
		request.Msg.Request.Argument = &concordatv1.Request_Json{Json: `"5"`}
		_, err := c.Do(ctx, request)
		if detail := detailOf(err); connect.CodeOf(err) != connect.CodeInvalidArgument || detail.GetCode() != "invalid" || !strings.Contains(detail.GetText(), "whole value") {
			t.Errorf("%s: %v, %v", name, err, detail)
		}
		stream := c.Pipeline(ctx)
		err = stream.Send(&concordatv1.PipelineRequest{Requests: []*concordatv1.Numbered{
			{Number: 7, Request: request.Msg.Request}, {Number: 8}, {Number: 9, Request: &concordatv1.Request{Type: "test/drawer", Operation: "concordat.exists", Id: name}},
		}})
		if err != nil {
			t.Fatal(name, err)
		}
		answers := map[uint64]*concordatv1.Answer{}
		for len(answers) < 3 {
			response, err := stream.Receive()
			if err != nil {
				t.Fatal(name, err)
			}
			for _, a := range response.Answers {
				answers[a.Number] = a.Answer
			}
		}
		if answers[7].Error.GetCode() != "invalid" || answers[8].Error.GetCode() != "invalid" || answers[9].GetJson() != "true" {
			t.Errorf("%s: %v", name, answers)
		}
		if err := stream.CloseRequest(); err != nil {
			t.Error(name, err)
		}
		if _, err := stream.Receive(); err != io.EOF && !strings.Contains(fmt.Sprint(err), "EOF") {
			t.Errorf("%s: the stream ends with %v", name, err)
		}
	}
}

// detailOf is the detail of a procedure's error.
func detailOf(err error) *concordatv1.Error {
	if of, ok := err.(*connect.Error); ok {
		for _, d := range of.Details() {
			if value, err := d.Value(); err == nil {
				if e, ok := value.(*concordatv1.Error); ok {
					return e
				}
			}
		}
	}
	return nil
}

// TestMalformedMessages: messages that are none are errors of their sender.
func TestMalformedMessages(t *testing.T) {
	s := start(t, openEngine(t), server.Options{MaxBodyBytes: 1 << 16})
	const do = "/concordat.v1.ConcordatService/Do"
	for name, c := range map[string]struct{ contentType, body, code string }{
		"JSON":        {"application/json", `{"request":`, "invalid_argument"},
		"nothing":     {"application/json", ``, "invalid_argument"},
		"a field":     {"application/json", `{"request":{"typ":"x"}}`, "invalid_argument"},
		"a type":      {"application/json", `{"request":5}`, "invalid_argument"},
		"levels":      {"application/json", `{"request":` + strings.Repeat("[", 10_000), "invalid_argument"},
		"a long name": {"application/json", `{"` + strings.Repeat("x", 60_000) + `":1}`, "invalid_argument"},
		"protobuf":    {"application/proto", "\x0a\xff\xff", "invalid_argument"},
		"too large":   {"application/proto", strings.Repeat("x", 1<<17), "resource_exhausted"},
		"no request":  {"application/json", `{}`, "invalid_argument"},
		"both":        {"application/json", `{"request":{"type":"test/drawer","operation":"count","coordinator":"bank/total"}}`, "invalid_argument"},
		"encoding":    {"application/json", `{"request":{"type":"test/drawer","operation":"count","id":"d","json":"1","accept":7}}`, "invalid_argument"},
		"no function": {"application/json", `{"request":{"type":"test/drawer","operation":"none"}}`, "not_found"},
	} {
		got := send(t, s, "POST", do, c.body, "Content-Type", c.contentType)
		if got.status == 200 || !strings.Contains(got.body, `"code":"`+c.code+`"`) || len(got.body) > 3*4096 {
			t.Errorf("%s: %d %.300s", name, got.status, got.body)
		}
	}
	expectCode(t, send(t, s, "POST", do, `{"request":{"typ":"x"}}`), 400, "invalid_argument", `unknown field \"typ\"`)
	if got := send(t, s, "POST", do, "x", "Content-Type", "text/html"); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("HTML: %d", got.status)
	}
	expect(t, send(t, s, "POST", "/v1/call/test/drawer/count?id=d", "1"), 200, "1")
}

// FuzzArguments: whatever bytes are sent as an argument, as JSON or CBOR, the server answers, and one that it takes comes back the same.
func FuzzArguments(f *testing.F) {
	e := openEngine(f)
	s := start(f, e, server.Options{})
	f.Add([]byte(`{"Text":"a","List":[{"Name":"b"}],"For":"1s","At":"2026-01-01T00:00:00Z"}`), false)
	f.Add([]byte("{\"ByName\":{\"\u0000\":{}},\"Ratio\":1e400}"), false)
	encoded, err := values.Encode(things{Text: "x", ByName: map[string]thing{"a": {}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded, true)
	f.Fuzz(func(t *testing.T, body []byte, asCBOR bool) {
		if len(body) == 0 {
			return
		}
		contentType := "application/json"
		if asCBOR {
			contentType = "application/cbor"
		}
		got := send(t, s, "POST", "/v1/call/test/drawer/put?id=f", string(body), "Content-Type", contentType)
		if got.status != 204 && got.status != 400 {
			t.Fatalf("%q: %d %s", body, got.status, got.body)
		}
		if got.status == 204 {
			first := send(t, s, "GET", "/v1/ask/test/drawer/last?id=f", "")
			if first.status == 504 && strings.Contains(first.body, "no form in JSON") { // a NaN
				return
			}
			if first.status != 200 {
				t.Fatalf("%q: %d %s", body, first.status, first.body)
			}
			if again := send(t, s, "POST", "/v1/call/test/drawer/put?id=f", first.body); again.status != 204 {
				t.Fatalf("%q came back as %q, which is refused: %s", body, first.body, again.body)
			}
			if second := send(t, s, "GET", "/v1/ask/test/drawer/last?id=f", ""); second.body != first.body {
				t.Fatalf("%q and %q", first.body, second.body)
			}
		}
	})
}

// FuzzRequests: whatever is sent to a server, it goes on.
func FuzzRequests(f *testing.F) {
	s := start(f, openEngine(f), server.Options{HeaderTimeout: 50 * time.Millisecond})
	var mu sync.Mutex
	f.Add([]byte("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	f.Add([]byte("POST /concordat.v1.ConcordatService/Pipeline HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+proto\r\nContent-Length: 5\r\n\r\n\x00\x00\x00\x00\x00"))
	f.Add([]byte("GET /v1/ask/test%2f/..;/%zz?id=%00&arg=%ff HTTP/1.1\r\nHost: [::1\r\nOrigin: ::\r\nAuthorization: Bearer\r\n\r\n"))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Skip(err)
		}
		conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
		conn.Write(text)
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.CloseWrite()
		}
		io.Copy(io.Discard, conn)
		conn.Close()
		mu.Lock()
		defer mu.Unlock()
		expect(t, send(t, s, "GET", "/healthz", ""), 200, "ok")
	})
}

// FuzzCredentials: a file of credentials is read or refused, and lets nobody in whose token is not in it.
func FuzzCredentials(f *testing.F) {
	f.Add("reader me sha256:" + strings.Repeat("ab", 32) + " 2030-01-01T00:00:00Z\n# a\noperator x certificate")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := server.ParseCredentials(strings.NewReader(text)); (c == nil) == (err == nil) || err != nil && len(err.Error()) > 1000 {
			t.Errorf("%v, %v", c, err)
		}
	})
}
