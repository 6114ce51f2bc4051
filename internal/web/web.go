// Package web puts the HTTP surfaces of bty-web together: who may reach which routes is settled
// here, by the socket that a request came in on.
package web

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"bty/internal/event"
	"bty/internal/web/api"
	"bty/internal/web/control"
	"bty/internal/web/live"
	"bty/internal/web/pxe"
	"bty/internal/web/report"
	"bty/internal/web/serve"
	"bty/internal/web/ui"
)

// Config is the surfaces, each with what it works with.
type Config struct {
	Serve   serve.Adapter
	PXE     pxe.Config
	API     api.Config
	Live    *live.Live
	UI      ui.Config
	Report  report.Config
	Control control.Config
	// Identify looks at who sends a request before any route does; nil does not.
	Identify func(http.Handler) http.Handler
	Metrics  http.Handler
}

// Public is what the LAN reaches.
func Public(c Config) http.Handler {
	mux := http.NewServeMux()
	page := public(mux, c)
	if c.Identify == nil {
		return router{mux, c.Serve, page}
	}
	return c.Identify(router{mux, c.Serve, page})
}

func public(mux serve.Mux, c Config) serve.Page {
	pxe.Register(mux, c.PXE)
	api.Register(mux, c.API)
	c.Live.Register(mux, c.API.Guard)
	mux.Handle("GET /metrics", c.Metrics)
	mux.Handle("GET /openapi.json", document(c.API.Version))
	c.UI.Operations = Operations
	return ui.Register(mux, c.UI)
}

// Patterns lists the routes of Public as http.ServeMux spells them.
func Patterns(c Config) []string {
	var list patterns
	c.Live = cmp.Or(c.Live, new(live.Live))
	public(&list, c)
	return list
}

type patterns []string

func (p *patterns) Handle(pattern string, _ http.Handler) { *p = append(*p, pattern) }

// Control is what the control socket reaches: whoever can open its file is the administrator.
func Control(c Config) http.Handler {
	mux := http.NewServeMux()
	c.API.Guard, c.API.Session, c.PXE.Guard = serve.Open, serve.Open, serve.Open
	pxe.Register(mux, c.PXE)
	api.Register(mux, c.API)
	control.Register(mux, c.Control)
	c.Live.Register(mux, c.API.Guard)
	mux.Handle("GET /metrics", c.Metrics)
	return byTool(router{mux, c.Serve, nil})
}

// byTool has the events of what comes over the control socket say so.
func byTool(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(event.WithBy(r.Context(), "control socket")))
	})
}

// Report is what the report socket reaches.
func Report(c Config) http.Handler {
	mux := http.NewServeMux()
	report.Register(mux, c.Report)
	return router{mux, c.Serve, nil}
}

// router adds what clients know of the routes as a whole: errors in JSON, or as a page under /ui/,
// no HEAD but where firmware needs it, no trailing slash.
type router struct {
	mux   *http.ServeMux
	serve serve.Adapter
	page  serve.Page
}

func (t router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r, ok := plainPath(r)
	if !ok {
		t.refuse(w, r, http.StatusNotFound)
		return
	}
	_, pattern := t.mux.Handler(r)
	switch {
	case pattern == "":
		t.noRoute(w, r)
	case asksTheTime(r):
		w.Header().Set("Allow", http.MethodGet)
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.Method == http.MethodHead && !answersHEAD(pattern):
		t.notAllowed(w, r, t.allowed(r))
	default:
		t.mux.ServeHTTP(w, r)
	}
}

// plainPath takes several slashes for one, as a bootfile URL put together from parts has them. It
// refuses "." and ".." as segments. http.ServeMux would redirect both, which firmware may not follow.
func plainPath(r *http.Request) (*http.Request, bool) {
	path := r.URL.EscapedPath()
	if strings.HasPrefix(path, "/") && !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return r, true
	}
	var kept []string
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch segment {
		case ".", "..":
			return r, false
		case "":
		default:
			kept = append(kept, segment)
		}
	}
	plain := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && strings.HasSuffix(path, "/") {
		plain += "/"
	}
	unescaped, err := url.PathUnescape(plain)
	if err != nil || path == "" || path == "*" {
		return r, false
	}
	clone := r.Clone(r.Context())
	clone.URL.Path, clone.URL.RawPath = unescaped, plain
	return clone, true
}

// asksTheTime is what live environments of before ask at each start, for nothing but the Date of the
// answer. It is refused as every HEAD of a page is, and is no line in the journal.
func asksTheTime(r *http.Request) bool {
	return r.Method == http.MethodHead && (r.URL.Path == "/" || r.URL.Path == "/healthz")
}

func answersHEAD(pattern string) bool {
	return strings.HasPrefix(pattern, "GET /boot/") || strings.HasPrefix(pattern, "GET /static/")
}

// noRoute says whether it is the path or the method that nobody answers to.
func (t router) noRoute(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if trimmed := strings.TrimSuffix(path, "/"); trimmed != path && trimmed != "" && t.knows(r, trimmed) {
		target := "http://" + serve.Host(r) + trimmed
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, target, http.StatusTemporaryRedirect)
		return
	}
	if allowed := t.allowed(r); len(allowed) > 0 {
		t.notAllowed(w, r, allowed)
		return
	}
	t.refuse(w, r, http.StatusNotFound)
}

func (t router) notAllowed(w http.ResponseWriter, r *http.Request, allowed []string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	t.refuse(w, r, http.StatusMethodNotAllowed)
}

func (t router) refuse(w http.ResponseWriter, r *http.Request, status int) {
	adapter := t.serve
	if strings.HasPrefix(r.URL.Path, "/ui/") {
		adapter.Page = t.page
	}
	adapter.Refuse(w, r, status)
}

func (t router) knows(r *http.Request, path string) bool {
	unescaped, err := url.PathUnescape(path)
	if err != nil {
		return false
	}
	probe := r.Clone(r.Context())
	probe.URL.Path, probe.URL.RawPath = unescaped, path
	_, pattern := t.mux.Handler(probe)
	return pattern != "" || len(t.allowed(probe)) > 0
}

func (t router) allowed(r *http.Request) []string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := t.mux.Handler(probe); pattern != "" {
			methods = append(methods, method)
		}
	}
	return methods
}
