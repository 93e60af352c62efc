package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/concordat-dev/concordat/engine"
)

// Server answers clients of an engine. It is made by [Start].
type Server struct {
	options     Options
	engine      *engine.Engine
	functions   *catalogue
	openAPI     []byte
	routes      []route
	gate        *gate
	connections *connections
	live        *live
	listener    net.Listener
	http        *http.Server
	streams     atomic.Int64
	backing     atomic.Bool   // a backup is being made or sent
	closing     chan struct{} // closed when Shutdown was called
	once        sync.Once
	served      chan error // what http.Server.Serve returned
}

// Start makes a server for an engine and listens. It returns once clients can connect; [Server.Shutdown] ends it. Errors: bad options, an
// address that is in use or cannot be listened on, with the operating system's error in it.
func Start(e *engine.Engine, o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		options: o.withDefaults(), engine: e, functions: newCatalogue(e.Definitions()), closing: make(chan struct{}), served: make(chan error, 1),
	}
	o = s.options
	s.openAPI = s.functions.openAPI()
	s.connections = newConnections(o.MaxConnections)
	s.gate = newGate(o)
	s.live = newLive(s.liveViews(), e.Watch, func(view string, err error) {
		o.Logger.Debug("a view of the console cannot be told", "view", view, "error", err)
	})
	s.routes = s.makeRoutes()
	s.removeHalfBackups()
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("server: listen: %w", err)
	}
	s.listener = listener
	s.http = s.makeHTTP()
	go func() { s.served <- s.listen() }()
	return s, nil
}

// listen answers until the server is shut down.
func (s *Server) listen() (err error) {
	if s.options.TLS != nil {
		err = s.http.ServeTLS(s.listener, "", "")
	} else {
		err = s.http.Serve(s.listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		s.options.Logger.Error("the server takes no more connections", "error", err)
	}
	return err
}

// Serve is [Start] for a program that does nothing else: it returns when ctx is over and all requests that had come in are answered, or
// after o.WaitTimeout.
func Serve(ctx context.Context, e *engine.Engine, o Options) error {
	s, err := Start(e, o)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case err := <-s.served:
		return fmt.Errorf("server: %w", err)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.WaitTimeout)
	defer cancel()
	return s.Shutdown(end)
}

func (s *Server) makeHTTP() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true) // gRPC on the loopback interface
	o := s.options
	return &http.Server{
		Handler: s.Handler(), Protocols: protocols, TLSConfig: o.TLS, ReadHeaderTimeout: o.HeaderTimeout, IdleTimeout: o.IdleTimeout,
		MaxHeaderBytes: o.MaxHeaderBytes, ConnState: s.connections.changed, ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 1000, SendPingTimeout: o.WriteTimeout, PingTimeout: o.WriteTimeout, WriteByteTimeout: o.WriteTimeout,
			MaxReceiveBufferPerConnection: 4 << 20, MaxReceiveBufferPerStream: 1 << 20,
		},
	}
}

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL is the address that clients on this machine use.
func (s *Server) URL() string {
	scheme, host := "http", s.listener.Addr().String()
	if s.options.TLS != nil {
		scheme = "https"
	}
	if name, port, err := net.SplitHostPort(host); err == nil {
		if ip := net.ParseIP(name); ip != nil && ip.IsUnspecified() {
			host = net.JoinHostPort("localhost", port)
		}
	}
	return scheme + "://" + host
}

// Shutdown ends the server: it takes no more connections and requests, and returns once those that had come in are answered, or ctx is over,
// with its error; then it closes all connections. The engine goes on. It may be called several times.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(func() { close(s.closing) })
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("server: requests were under way at the end: %w", err), s.http.Close())
	}
	return err
}

// isClosing reports whether Shutdown was called.
func (s *Server) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// Handler is what the server does with a request, for a program that has an http.Server of its own. Of the options those that are about
// listening and connections are that program's, then: it has to do for itself what Options.Validate asks for.
func (s *Server) Handler() http.Handler {
	byPath := map[string]route{}
	var prefixes []route
	for _, r := range s.routes {
		if r.prefix {
			prefixes = append(prefixes, r)
		} else {
			byPath[r.path] = r
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found, known := byPath[r.URL.Path]
		for i := 0; !known && i < len(prefixes); i++ {
			if known = hasPrefix(r.URL.Path, prefixes[i].path); known {
				found = prefixes[i]
			}
		}
		s.serve(found, known, w, r)
	})
}

func hasPrefix(path, prefix string) bool {
	return len(path) > len(prefix) && path[:len(prefix)] == prefix
}

// serve lets a request in, if it may, and answers it.
func (s *Server) serve(to route, known bool, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if !known {
		writeFault(w, faultf(codeNotFound, "there is no such route; /openapi.json says which there are"))
		return
	}
	who, f := s.gate.admit(r)
	if f == nil && to.needs > Nobody {
		f = who.role.permit(to.needs)
	}
	if f == nil && !to.allows(r.Method) {
		w.Header().Set("Allow", to.allowed())
		writeFaultStatus(w, faultf(codeInvalid, "%.20q is no method of this route: it has %s", r.Method, to.allowed()), http.StatusMethodNotAllowed)
		return
	}
	if f != nil {
		to.refuse(w, r, f)
		return
	}
	if !to.stream {
		// Where there is no body net/http reads on already, to see whether the client is still there: it would take the end of the time for
		// the end of the client.
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(w, r.Body, int64(s.options.MaxBodyBytes)+1)
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.options.BodyTimeout)) // not all writers can: then there is none
		}
		ctx, cancel := context.WithTimeout(withSpan(r.Context(), propagation.HeaderCarrier(r.Header)), s.options.WaitTimeout)
		defer cancel()
		r = r.WithContext(ctx)
	}
	to.handler.ServeHTTP(w, r.WithContext(withVisit(r.Context(), &visit{role: who.role, control: http.NewResponseController(w)})))
}

// visit is what is known of a request that was let in.
type visit struct {
	role    Role
	control *http.ResponseController
}

type visitKey struct{}

func withVisit(ctx context.Context, v *visit) context.Context {
	return context.WithValue(ctx, visitKey{}, v)
}

// visitOf is the visit that a request's context has; one of nobody, should there be none.
func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{}
}

// tlsNames reports whether a host is among the names of the server's certificates.
func tlsNames(c *tls.Config, host string) bool {
	if c == nil {
		return false
	}
	for i := range c.Certificates {
		if leaf := c.Certificates[i].Leaf; leaf != nil && leaf.VerifyHostname(host) == nil {
			return true
		}
	}
	return false
}
