package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/server"
)

// TestOpenAPI: the document has each function of the user's with the types of its argument and result, also types that contain themselves,
// and refers to nothing that it does not define.
func TestOpenAPI(t *testing.T) {
	s := start(t, openEngine(t), server.Options{})
	text := send(t, s, "GET", "/openapi.json", "").body
	var document struct {
		OpenAPI    string
		Paths      map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	if document.OpenAPI != "3.1.0" {
		t.Errorf("version %q", document.OpenAPI)
	}
	for path, method := range map[string]string{
		"/v1/call/bank/account/open": "post", "/v1/ask/bank/account/balance": "get", "/v1/run/bank/transfer": "post", "/v1/ask/test/drawer/holds": "post",
		"/v1/call/test/drawer/clear%20out": "post", "/v1/instances/test/drawer": "get", "/v1/request/test/drawer": "get", "/v1/request/bank/transfer": "get",
	} {
		if document.Paths[path][method] == nil {
			t.Errorf("there is no %s %s", method, path)
		}
	}
	for path := range document.Paths {
		if strings.Contains(path, "concordat.") {
			t.Errorf("it has %s, which is the library's own", path)
		}
	}
	for _, part := range strings.Split(text, `"$ref":"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if document.Components.Schemas[name] == nil {
			t.Errorf("it refers to %s, which is not there", name)
		}
	}
	for _, part := range []string{
		`"Small":{"maximum":255,"minimum":0,"type":"integer"}`, `"Sub":{"items":{"$ref":"#/components/schemas/thing"},"type":"array"}`, `"yes":{"type":"boolean"}`,
		`"Bytes":{"contentEncoding":"base64","type":"string"}`, `"At":{"format":"date-time","type":"string"}`, `"additionalProperties":false`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("it has no %s", part)
		}
	}
}
