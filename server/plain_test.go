package server_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/server"
)

// TestPlain: each kind of function can be used with a URL and JSON.
func TestPlain(t *testing.T) {
	s := start(t, openEngine(t), server.Options{})
	expect(t, send(t, s, "POST", "/v1/call/bank/account/open?id=alice", "100"), 204, "")
	expect(t, send(t, s, "POST", "/v1/call/bank/account/open?id=b%2F..%2Fob", "5"), 204, "")
	expect(t, send(t, s, "GET", "/v1/ask/bank/account/balance?id=alice", ""), 200, "100")
	expect(t, send(t, s, "POST", "/v1/run/bank/transfer", `{"From":"alice","To":"b/../ob","Amount":7}`), 204, "")
	expect(t, send(t, s, "POST", "/v1/run/bank/total", `["alice","b/../ob"]`), 200, "105")
	expect(t, send(t, s, "GET", "/v1/ask/bank/account/balance?id=b%2F..%2Fob", ""), 200, "12")
	expect(t, send(t, s, "GET", "/v1/ask/test/drawer/holds?id=d&arg=%22x%22", ""), 404,
		`{"error":{"code":"failure","text":"concordat: instance not found: test/drawer.holds on \"d\"","failures":["concordat: instance not found"]}}`)
	expect(t, send(t, s, "POST", "/v1/call/test/drawer/count?id=d", "3"), 200, "3")
	expect(t, send(t, s, "POST", "/v1/call/test/drawer/clear%20out?id=d", ""), 204, "")
	expect(t, send(t, s, "GET", "/v1/instances/bank/account?prefix=a", ""), 200, `{"instances":[{"id":"alice","state":{"Balance":93}}]}`)
	expect(t, send(t, s, "GET", "/v1/instances/bank/account?limit=1", ""), 200,
		`{"instances":[{"id":"alice","state":{"Balance":93}}],"next":"b/../ob"}`)
	expect(t, send(t, s, "GET", "/healthz", ""), 200, "ok")
	expect(t, send(t, s, "GET", "/readyz", ""), 200, "ready")
}

// TestValues: all kinds of values come back through JSON as they were sent.
func TestValues(t *testing.T) {
	s := start(t, openEngine(t), server.Options{})
	text := `{"At":"2026-01-02T03:04:05.000000006Z","ByName":{"a":{"Name":"b","Sub":[]}},"Bytes":"AAEC","For":"1m30s",` +
		`"List":[{"Name":"x","Sub":[{"Name":"y","Sub":[]}]}],"Maybe":{"Name":"m","Sub":[]},"Number":9007199254740993,"Ratio":0.1,"Small":255,"Text":"ü","yes":true}`
	expect(t, send(t, s, "POST", "/v1/call/test/drawer/put?id=d", text), 204, "")
	got := send(t, s, "GET", "/v1/ask/test/drawer/last?id=d", "")
	var sent, back map[string]any
	if err := errors.Join(json.Unmarshal([]byte(text), &sent), json.Unmarshal([]byte(got.body), &back)); err != nil || !reflect.DeepEqual(sent, back) {
		t.Errorf("%v: sent\n%s, got back %d\n%s", err, text, got.status, got.body)
	}
	if !strings.Contains(got.body, "9007199254740993") {
		t.Errorf("a large number was rounded: %s", got.body)
	}
	encoded, err := values.Encode(things{Text: "from CBOR"})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, send(t, s, "POST", "/v1/call/test/drawer/put?id=d", string(encoded), "Content-Type", "application/cbor"), 204, "")
	expect(t, send(t, s, "GET", "/v1/ask/test/drawer/holds?id=d&arg=%22from+CBOR%22", ""), 200, "true")
	answer := send(t, s, "GET", "/v1/ask/test/drawer/holds?id=d&arg=%22x%22", "", "Accept", "application/cbor")
	expect(t, answer, 200, "\xf4")
}

// TestInvalid: what is malformed is refused, with the field; nothing happens.
func TestInvalid(t *testing.T) {
	s := start(t, openEngine(t), server.Options{MaxBodyBytes: 1 << 16})
	const path = "/v1/call/test/drawer/put?id=bad"
	deep := strings.Repeat(`{"Sub":[`, 10_000) + strings.Repeat(`]}`, 10_000)
	for _, c := range []struct{ name, method, path, body, part string }{
		{"unknown field", "POST", path, `{"List":[{"Name":"a"},{"Nome":"b"}]}`, `"field":"/List/1/Nome"`},
		{"other case", "POST", path, `{"text":"a"}`, `"field":"/text"`},
		{"wrong type", "POST", path, `{"Number":"1"}`, `"field":"/Number"`},
		{"fraction", "POST", path, `{"Number":1.5}`, `"field":"/Number"`},
		{"too large a number", "POST", path, `{"Small":256}`, `"field":"/Small"`},
		{"no duration", "POST", path, `{"For":"soon"}`, `"field":"/For"`},
		{"no base64", "POST", path, `{"Bytes":"*"}`, `"field":"/Bytes"`},
		{"no time", "POST", path, `{"At":"today"}`, `"field":"/At"`},
		{"twice", "POST", path, `{"Text":"a","Text":"b"}`, `"field":"/Text"`},
		{"syntax", "POST", path, `{"Text":}`, `byte 8`},
		{"rest", "POST", path, `{} {}`, `malformed`},
		{"no UTF-8", "POST", path, "{\"Text\":\"\xff\"}", `UTF-8`},
		{"nothing", "POST", path, ``, `takes an argument`},
		{"deep", "POST", path, `{"List":[` + deep[:60000] + `]}`, `nest`},
		{"too long", "POST", path, `{"Text":"` + strings.Repeat("x", 1<<17) + `"}`, `65536 bytes`},
		{"no id", "POST", "/v1/call/test/drawer/put", `{}`, `id of a instance is empty`},
		{"an id too long", "POST", "/v1/call/test/drawer/put?id=" + strings.Repeat("x", 600), `{}`, `600 bytes`},
		{"no argument taken", "POST", "/v1/call/test/drawer/clear%20out?id=bad", `1`, `takes no argument`},
		{"an instance for a run", "POST", "/v1/run/bank/transfer?id=bad", `{}`, `runs on no instance`},
		{"unknown in the query", "POST", path + "&colour=red", `{}`, `colour`},
		{"twice in the query", "POST", path + "&id=other", `{}`, `several times`},
		{"a limit", "GET", "/v1/instances/bank/account?limit=x", ``, `limit`},
		{"a wait", "GET", "/v1/request/bank/transfer?request=x&wait=long", ``, `wait`},
		{"no request id", "GET", "/v1/request/bank/transfer", ``, `id of a request is empty`},
		{"a request for nothing", "POST", "/concordat.v1.ConcordatService/GetRequest", `{"requestId":"x"}`, `what was the request for`},
		{"a request for no instance", "GET", "/v1/request/test/drawer?request=x&id=", ``, `names no instance`},
		{"a request with an instance of a run", "POST", "/concordat.v1.ConcordatService/GetRequest", `{"requestId":"x","coordinator":"bank/transfer","id":"d"}`, `runs on no instance`},
	} {
		t.Run(c.name, func(t *testing.T) { expectCode(t, send(t, s, c.method, c.path, c.body), 400, "invalid", c.part) })
	}
	expectCode(t, send(t, s, "POST", path, "{}", "Content-Type", "text/plain"), 400, "invalid", "Content-Type")
	expectCode(t, send(t, s, "POST", path, "\xff", "Content-Type", "application/cbor"), 400, "invalid", "CBOR")
	expectCode(t, send(t, s, "POST", path, "\xa1\x64Nope\x01", "Content-Type", "application/cbor"), 400, "invalid", "unknown field")
	expectCode(t, send(t, s, "GET", path, ""), 405, "invalid", "POST")
	expectCode(t, send(t, s, "GET", "/v1/instances/test/nothing", ""), 404, "not_found", "test/nothing")
	for _, path := range []string{
		"/v1/call/test/drawer/nothing", "/v1/call/test/drawer/last", "/v1/call/test/drawer", "/v1/call/", "/v1/call/test/drawer%2Fput", "/v1/call/../call/test/drawer/put",
		"/v1/call//test/drawer/put", "/v1/call/test/drawer/put/", "/v1/run/", "/nothing", "//", "/v2",
	} {
		expectCode(t, send(t, s, "POST", path, "{}"), 404, "not_found", "")
	}
	expectCode(t, send(t, s, "GET", "/v1/ask/test/drawer/last?id=bad", ""), 404, "failure", "instance not found")
}

// TestRequestIDs: a request with an id runs once, and its outcome can be looked up.
func TestRequestIDs(t *testing.T) {
	s := start(t, openEngine(t), server.Options{})
	for range 3 {
		expect(t, send(t, s, "POST", "/v1/call/test/drawer/count?id=d", "1", "Idempotency-Key", "one"), 200, "1")
	}
	expectCode(t, send(t, s, "POST", "/v1/call/test/drawer/count?id=d", "2", "Idempotency-Key", "one"), 422, "reused_id", "different request")
	expect(t, send(t, s, "POST", "/v1/call/test/drawer/count?id=d", "1", "Idempotency-Key", `"two"`), 200, "2")
	expect(t, send(t, s, "GET", "/v1/request/test/drawer?id=d&request=two&operation=count", ""), 200, `{"state":"succeeded","result":2}`)
	expect(t, send(t, s, "GET", "/v1/request/test/drawer?id=d&request=two", ""), 200, `{"state":"succeeded"}`)
	expectCode(t, send(t, s, "GET", "/v1/request/test/drawer?id=d&request=three", ""), 404, "not_found", "no request for it has this id")
	expectCode(t, send(t, s, "GET", "/v1/request/test/drawer?id=other&request=two", ""), 404, "not_found", "no request for it has this id")
	expectCode(t, send(t, s, "GET", "/v1/request/test/drawer?request=two", ""), 404, "not_found", "no coordinator function")
	expectCode(t, send(t, s, "GET", "/v1/request/test/none?id=d&request=two", ""), 404, "not_found", "no function type")
	expectCode(t, send(t, s, "GET", "/v1/request/test/drawer?id=d&request=two&operation=none", ""), 404, "not_found", "has no operation")
	expect(t, send(t, s, "POST", "/v1/call/test/drawer/count?id=other", "5", "Idempotency-Key", "two"), 200, "5")
	expect(t, send(t, s, "GET", "/v1/request/test/drawer?id=other&request=two&operation=count", ""), 200, `{"state":"succeeded","result":5}`)
	expect(t, send(t, s, "POST", "/v1/run/bank/total", "[]", "Idempotency-Key", "two"), 200, "0")
	expect(t, send(t, s, "GET", "/v1/request/bank/total?request=two", ""), 200, `{"state":"succeeded","result":0}`)
	expectCode(t, send(t, s, "POST", "/v1/call/test/drawer/refuse?id=d", "1", "Idempotency-Key", "four"), 409, "failure", "drawer: nothing in it")
	got := send(t, s, "GET", "/v1/request/test/drawer?id=d&request=four", "")
	if got.status != 200 || !strings.Contains(got.body, `"state":"failed","error":{"code":"failure","text":"drawer: nothing in it"`) {
		t.Errorf("looked up %d %s", got.status, got.body)
	}
	expectCode(t, send(t, s, "POST", "/v1/call/test/drawer/count?id=d", "1", "Idempotency-Key", ""), 400, "invalid", "is empty")
}

// TestWait: who waits for too long is told that the outcome is unknown, and can wait for it under the id.
func TestWait(t *testing.T) {
	s := start(t, openEngine(t), server.Options{WaitTimeout: 50 * time.Millisecond})
	expectCode(t, send(t, s, "POST", "/v1/run/test/sleepy", `"150ms"`, "Idempotency-Key", "sleep"), 504, "unknown", "outcome unknown")
	for range 200 {
		got := send(t, s, "GET", "/v1/request/test/sleepy?request=sleep&wait=10s", "")
		if got.body == `{"state":"succeeded"}` {
			return
		}
		if got.body != `{"state":"running"}` && got.status != 504 { // on a busy machine a look takes longer than the wait
			t.Fatalf("looked up %d %s", got.status, got.body)
		}
	}
	t.Error("it never ends")
}

// TestStuckSaga: who waits for a saga that is stuck is told so, and an operator decides.
func TestStuckSaga(t *testing.T) {
	s := start(t, openEngine(t), server.Options{})
	expectCode(t, send(t, s, "POST", "/v1/run/test/doomed", `"d"`, "Idempotency-Key", "doom"), 504, "unknown", "concordat: saga is stuck in a compensation")
	got := send(t, s, "GET", "/v1/request/test/doomed?request=doom", "")
	if got.status != 200 || !strings.Contains(got.body, `"state":"stuck"`) {
		t.Errorf("looked up %d %s", got.status, got.body)
	}
	const operator = "/concordat.v1.OperatorService/"
	list := send(t, s, "POST", operator+"ListSagas", `{"stuck":true}`)
	if !strings.Contains(list.body, `"phase":"stuck"`) || !strings.Contains(list.body, `"undo":"test/drawer.refuse(d)"`) {
		t.Fatalf("listed %s", list.body)
	}
	_, rest, _ := strings.Cut(list.body, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	expectCode(t, send(t, s, "POST", operator+"DecideSaga", `{"id":"`+id+`"}`), 400, "invalid", "retry, skip or done")
	expectCode(t, send(t, s, "POST", operator+"DecideSaga", `{"id":"12345","decision":"DECISION_SKIP"}`), 404, "not_found", "no such saga")
	expect(t, send(t, s, "POST", operator+"DecideSaga", `{"id":"`+id+`","decision":"DECISION_SKIP"}`), 200, "{}")
	expectCode(t, send(t, s, "POST", "/v1/run/test/doomed", `"d"`, "Idempotency-Key", "doom"), 409, "failure", "doomed")
	expect(t, send(t, s, "POST", operator+"ListSagas", `{}`), 200, "{}")
}

// TestCancel: an operator cancels a request, and whoever waits for it is told; what cannot be cancelled is not found, with the reason.
func TestCancel(t *testing.T) {
	s := start(t, openEngine(t), server.Options{})
	const operator = "/concordat.v1.OperatorService/"
	answered := make(chan response)
	go func() {
		answered <- send(t, s, http.MethodPost, "/v1/run/test/sleepy", `"1h"`, "Idempotency-Key", "nap")
	}()
	for !strings.Contains(send(t, s, "GET", "/v1/request/test/sleepy?request=nap", "").body, `"running"`) {
	}
	expect(t, send(t, s, "POST", operator+"CancelRequest", `{"requestId":"nap","coordinator":"test/sleepy"}`), 200, "{}")
	expectCode(t, <-answered, 409, "failure", "saga was cancelled")
	expect(t, send(t, s, "POST", operator+"CancelRequest", `{"requestId":"nap","coordinator":"test/sleepy"}`), 200, "{}")
	expectCode(t, send(t, s, "POST", operator+"CancelRequest", `{"requestId":"x","type":"test/drawer","id":"d"}`), 404, "not_found", "nobody has asked")
	expectCode(t, send(t, s, "POST", operator+"CancelRequest", `{"requestId":"x","coordinator":"test/sleepy","id":"d"}`), 400, "invalid", "not for both")
	expectCode(t, send(t, s, "POST", operator+"CancelRequest", `{"coordinator":"test/sleepy"}`), 400, "invalid", "")
	expectCode(t, send(t, s, "POST", operator+"CancelRequest", `{"requestId":"x","coordinator":"test/none"}`), 404, "not_found", "")
	expectCode(t, send(t, s, "POST", operator+"CancelTransaction", `{"id":"12345"}`), 404, "not_found", "transaction 12345 is not under way")
}

// TestShutdown: a server that is told to end answers what had come in, and takes nothing more.
func TestShutdown(t *testing.T) {
	e := openEngine(t)
	s := start(t, e, server.Options{})
	answered := make(chan response)
	go func() { answered <- send(t, s, http.MethodPost, "/v1/run/test/sleepy", `"200ms"`) }()
	for {
		if sagas, err := e.Sagas(ctx); err != nil || len(sagas) > 0 {
			break
		}
	}
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	expect(t, <-answered, 204, "")
	if _, err := http.Get(s.URL() + "/healthz"); err == nil {
		t.Error("it still answers")
	}
}
