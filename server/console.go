package server

import (
	"net/http"
	"strings"

	"github.com/concordat-dev/concordat/server/console"
)

// consoleRoutes are the routes of the console. Its files are the same for everybody, and let in whoever asks; all that they show comes from
// routes that need a role.
func (s *Server) consoleRoutes() []route {
	if s.options.NoConsole {
		return nil
	}
	get := []string{http.MethodGet}
	page := []string{http.MethodGet, http.MethodHead}
	return []route{
		{path: "/", needs: Nobody, handler: http.HandlerFunc(toConsole), methods: page},
		{path: "/console", needs: Nobody, handler: http.HandlerFunc(toConsole), methods: page},
		{path: "/console/api/live", needs: Reader, stream: true, handler: http.HandlerFunc(s.serveLive), methods: get},
		{path: "/console/api/session", needs: Reader, handler: http.HandlerFunc(s.serveSession), methods: get},
		{path: "/console/api/compare", needs: Reader, handler: http.HandlerFunc(s.serveComparison), methods: get},
		{path: consolePath, needs: Nobody, handler: http.HandlerFunc(serveConsole), methods: page},
		{path: consolePath, prefix: true, needs: Nobody, handler: http.HandlerFunc(serveConsole), methods: page},
	}
}

const consolePath = "/console/"

func toConsole(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, consolePath, http.StatusSeeOther)
}

// consolePolicy lets the console run its own script and style, talk to this server, and nothing else: neither script nor style in the page
// itself, no frame around it, no form that sends anything.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'none'"

// serveConsole answers with a file of the console.
func serveConsole(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, consolePath)
	file, there := console.File(name)
	if !there {
		writeFault(w, faultf(codeNotFound, "the console has no file %.100q", name))
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", consolePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	writeBody(w, http.StatusOK, file.Type, file.Content)
}

// serveSession tells a console who it talks for, and what there is to show.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request) {
	writeBody(w, http.StatusOK, "application/json", mustText(struct {
		Role    string `json:"role"`
		Open    bool   `json:"open"` // nobody needs credentials
		Compare bool   `json:"compare"`
	}{visitOf(r.Context()).role.String(), s.options.Credentials.IsEmpty(), s.options.Compare != nil}))
}

// serveComparison tells what the program compares, as the console has it.
func (s *Server) serveComparison(w http.ResponseWriter, r *http.Request) {
	if s.options.Compare == nil {
		writeFault(w, faultf(codeNotFound, "this program compares nothing: see Options.Compare"))
		return
	}
	shown, err := s.showComparison(r.Context())
	if err != nil {
		writeFault(w, faultOf(err))
		return
	}
	writeBody(w, http.StatusOK, "application/json", mustText(shown))
}
