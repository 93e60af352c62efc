package demo

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

//go:embed page
var embedded embed.FS

// policy is what the page may do: load what the demo serves, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// maxWatchers bounds the pages that are open.
const maxWatchers = 32

// handler is the page, the stream that it watches, and its buttons. Only pages of this server, asked for by a name of the loopback interface, get
// through.
func (d *Demo) handler() http.Handler {
	files, err := fs.Sub(embedded, "page")
	if err != nil {
		panic("demo: the page is embedded: " + err.Error())
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	var watchers atomic.Int64
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, r *http.Request) {
		if watchers.Add(1) > maxWatchers {
			http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		} else {
			d.watch(w, r)
		}
		watchers.Add(-1)
	})
	mux.HandleFunc("POST /hot", func(w http.ResponseWriter, _ *http.Request) {
		d.heat()
		w.WriteHeader(http.StatusNoContent)
	})
	for name := range actions {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, _ *http.Request) {
			if err := d.press(name); err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
				return
			}
			w.WriteHeader(http.StatusAccepted)
		})
	}
	protected := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !isLoopbackName(r.Host) {
			http.Error(w, "this is no name of this machine's own", http.StatusForbidden)
			return
		}
		protected.ServeHTTP(w, r)
	})
}

// isLoopbackName reports whether a Host header names the loopback interface: a foreign page may have a name of its own for it.
func isLoopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// sendGap is how often a page is sent the state.
const sendGap = 250 * time.Millisecond

// watch sends the state again and again, as server-sent events.
func (d *Demo) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	for {
		text, err := json.Marshal(d.state())
		if err != nil {
			panic("demo: the state always encodes: " + err.Error())
		}
		_ = control.SetWriteDeadline(time.Now().Add(10 * time.Second)) // never fails with this server
		if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil || control.Flush() != nil || !sleep(r.Context(), sendGap) {
			return
		}
	}
}
