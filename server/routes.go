package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/concordat-dev/concordat/metrics"
	"github.com/concordat-dev/concordat/proto/concordat/v1/concordatv1connect"
)

// route is something that a server answers. All requests go through the list of routes, so what is not in it is not reachable.
type route struct {
	path    string
	prefix  bool     // path is what paths begin with
	methods []string // nil: all, the handler looks itself
	needs   Role     // at least
	stream  bool     // it may take as long as it likes
	handler http.Handler
	rpc     *connect.ErrorWriter // of a procedure
}

func (t *route) allows(method string) bool {
	return t.methods == nil || slices.Contains(t.methods, method)
}

func (t *route) allowed() string { return strings.Join(t.methods, ", ") }

// refuse answers a request that is not let in, in the way that its client understands.
func (t *route) refuse(w http.ResponseWriter, r *http.Request, f *fault) {
	if f.code == codeUnauthenticated {
		w.Header().Set("WWW-Authenticate", `Bearer realm="concordat"`)
	}
	if t.rpc != nil && t.rpc.IsSupported(r) {
		_ = t.rpc.Write(w, r, f.rpc()) // the client is gone if it fails
		return
	}
	writeFault(w, f)
}

// procedures are the needs of the procedures. Those of Do and Pipeline are what the least of their requests needs: each is looked at.
var procedures = map[string]Role{
	concordatv1connect.ConcordatServiceDoProcedure:               Reader,
	concordatv1connect.ConcordatServicePipelineProcedure:         Reader,
	concordatv1connect.ConcordatServiceGetRequestProcedure:       Reader,
	concordatv1connect.ConcordatServiceListInstancesProcedure:    Reader,
	concordatv1connect.ConcordatServiceDescribeProcedure:         Reader,
	concordatv1connect.OperatorServiceListTransactionsProcedure:  Reader,
	concordatv1connect.OperatorServiceListSagasProcedure:         Reader,
	concordatv1connect.OperatorServiceListLocksProcedure:         Reader,
	concordatv1connect.OperatorServiceListDeadlocksProcedure:     Reader,
	concordatv1connect.OperatorServiceListTimersProcedure:        Reader,
	concordatv1connect.OperatorServiceDecideSagaProcedure:        Operator,
	concordatv1connect.OperatorServiceCancelSagaProcedure:        Operator,
	concordatv1connect.OperatorServiceCancelTransactionProcedure: Operator,
	concordatv1connect.OperatorServiceCancelRequestProcedure:     Operator,
}

func (s *Server) makeRoutes() (all []route) {
	options := connect.WithHandlerOptions(connect.WithReadMaxBytes(s.options.MaxBodyBytes), connect.WithRecover(s.recovered),
		connect.WithCodec(strictJSON{}), connect.WithCompressMinBytes(minCompressed))
	errorWriter := connect.NewErrorWriter(options)
	_, use := concordatv1connect.NewConcordatServiceHandler(&service{s}, options)
	_, operate := concordatv1connect.NewOperatorServiceHandler(&operator{s}, options)
	for procedure, needs := range procedures {
		handler := use
		if strings.HasPrefix(procedure, "/"+concordatv1connect.OperatorServiceName+"/") {
			handler = operate
		}
		all = append(all, route{
			path: procedure, needs: needs, handler: handler, rpc: errorWriter, stream: procedure == concordatv1connect.ConcordatServicePipelineProcedure,
		})
	}
	plain := func(path string, needs Role, h http.HandlerFunc, methods ...string) route {
		return route{path: path, needs: needs, handler: h, methods: methods}
	}
	under := func(path string, needs Role, h http.HandlerFunc, methods ...string) route {
		return route{path: path, prefix: true, needs: needs, handler: h, methods: methods}
	}
	all = append(all, s.consoleRoutes()...)
	return append(all,
		under("/v1/call/", Caller, s.callPlain, http.MethodPost),
		under("/v1/run/", Caller, s.callPlain, http.MethodPost),
		under("/v1/ask/", Reader, s.callPlain, http.MethodGet, http.MethodPost),
		under("/v1/instances/", Reader, s.walkPlain, http.MethodGet),
		under("/v1/request/", Reader, s.requestPlain, http.MethodGet),
		plain("/openapi.json", Reader, s.serveOpenAPI, http.MethodGet),
		route{path: "/metrics", needs: Reader, handler: s.metrics(), methods: []string{http.MethodGet}},
		plain("/healthz", Nobody, s.health, http.MethodGet, http.MethodHead),
		plain("/readyz", Nobody, s.ready, http.MethodGet, http.MethodHead),
		route{path: "/v1/backup", needs: Operator, stream: true, handler: http.HandlerFunc(s.backup), methods: []string{http.MethodGet}},
		under("/debug/pprof/", Operator, pprof.Index, http.MethodGet),
		plain("/debug/pprof/cmdline", Operator, pprof.Cmdline, http.MethodGet),
		plain("/debug/pprof/profile", Operator, pprof.Profile, http.MethodGet),
		plain("/debug/pprof/symbol", Operator, pprof.Symbol, http.MethodGet, http.MethodPost),
		plain("/debug/pprof/trace", Operator, pprof.Trace, http.MethodGet),
	)
}

// metrics shows the engine and the process to Prometheus, and what else the program has.
func (s *Server) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.NewCollector(s.engine), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	all := prometheus.Gatherers{registry}
	if s.options.Metrics != nil {
		all = append(all, s.options.Metrics)
	}
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// minCompressed is the size from which answers are compressed, for clients that take that.
const minCompressed = 16 << 10

// strictJSON is the codec of procedures' messages as JSON. Unlike connect's own it refuses fields that there are not.
type strictJSON struct{}

// Name implements connect.Codec.
func (strictJSON) Name() string { return "json" }

// Marshal implements connect.Codec.
func (strictJSON) Marshal(message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("server: %T is no message", message)
	}
	return protojson.Marshal(m)
}

// Unmarshal implements connect.Codec.
func (strictJSON) Unmarshal(text []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("server: %T is no message", message)
	}
	if len(text) == 0 {
		return errors.New("an empty text is no JSON")
	}
	if err := protojson.Unmarshal(text, m); err != nil {
		return errors.New(shortened(err.Error(), maxText))
	}
	return nil
}

// errPanic is what a client sees of a panic in the server: what it was is for the log.
var errPanic = errors.New("the server has failed: its log says why")
