// Package proxy is the HTTP face of the image cache: withcache's URLs for machines, the rules of
// what is fetched and from where, and the control socket that bty-web uses.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"bty/internal/daemon"
	"bty/internal/fault"
	"bty/internal/fill"
	"bty/internal/flood"
	"bty/internal/message"
	"bty/internal/origin"
	"bty/internal/wire"
)

// Config is what the face works with.
type Config struct {
	Cache     *fill.Cache
	Rules     *Rules
	Log       *slog.Logger
	Strangers *flood.Log
	Now       func() time.Time
	Strict    func() bool                 // [cache] strict_miss
	Pages     func() int                  // port of bty-web's pages on this host
	Check     func(context.Context) error // whether new work is welcome
	Metrics   http.Handler
	Version   string
}

// Face answers machines.
type Face struct {
	Config
	given, broken, refused, missed, sent atomic.Int64
}

// New returns the face; it starts nothing.
func New(c Config) *Face { return &Face{Config: c} }

// Handler is what the port of the LAN serves.
func (f *Face) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, pattern := range []string{"GET /b/{token}", "GET /b/{token}/{name...}", "GET /blob"} { // HEAD too
		mux.HandleFunc(pattern, f.blob)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", f.ready)
	mux.Handle("GET /metrics", f.Metrics)
	mux.HandleFunc("GET /{$}", f.pages)
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

func (f *Face) ready(w http.ResponseWriter, r *http.Request) {
	select {
	case <-daemon.Draining(r.Context()):
		say(w, http.StatusServiceUnavailable, "bty-cache is stopping")
		return
	default:
	}
	if err := f.Check(r.Context()); err != nil {
		say(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	say(w, http.StatusOK, "ready")
}

// pages leads a person who asks the cache to the page that shows it.
func (f *Face) pages(w http.ResponseWriter, r *http.Request) {
	host := (&url.URL{Host: r.Host}).Hostname()
	to := url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(f.Pages())), Path: "/ui/images"}
	http.Redirect(w, r, to.String(), http.StatusFound)
}

// cut bounds what a line repeats of what a stranger sent.
func cut(s string) string {
	const longest = 300
	if len(s) > longest {
		return s[:longest] + "..."
	}
	return s
}

// Status is what the cache holds and does.
func (f *Face) Status() wire.CacheStatus {
	s := f.Cache.Status()
	s.Version = f.Version
	return s
}

// Totals counts answers to requests for images.
type Totals struct{ Given, Broken, Refused, Missed, SentBytes int64 }

// Totals is what was answered since the start.
func (f *Face) Totals() Totals {
	return Totals{f.given.Load(), f.broken.Load(), f.refused.Load(), f.missed.Load(), f.sent.Load()}
}

// refuse answers without the image, and remembers why for whoever looks at the page.
func (f *Face) refuse(w http.ResponseWriter, r *http.Request, src string, status int, err error) {
	reason := publicOf(err)
	f.refused.Add(1)
	_, isCounted := errors.AsType[countedError](err)
	switch {
	case isCounted:
		f.Cache.Explained(origin.Redact(src), reason)
	case src != "":
		f.Cache.Refused(origin.Redact(src), reason)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	from := remote(r)
	f.Strangers.Info(from, "image not given", message.CacheRefused, "src", cut(origin.Redact(src)), "remote", from.String(),
		"status", status, "reason", cut(reason))
	say(w, status, reason)
}

func remote(r *http.Request) netip.Addr {
	port, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return port.Addr().Unmap()
}

// statusOf maps what the rules, the guard and the engine say.
func statusOf(err error) int {
	if status := statuses[fault.KindOf(err)]; status != 0 {
		return status
	}
	switch {
	case Refused(err) != "":
		return http.StatusForbidden
	case errors.Is(err, fill.ErrSource):
		return http.StatusForbidden
	case errors.Is(err, fill.ErrProof):
		return http.StatusConflict
	case errors.Is(err, fill.ErrNoRoom):
		return http.StatusInsufficientStorage
	case errors.Is(err, fill.ErrNotHeld), errors.Is(err, fill.ErrDeleted):
		return http.StatusNotFound
	case errors.Is(err, fill.ErrBusy), errors.Is(err, fill.ErrStopping), errors.Is(err, fill.ErrFolder):
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}

var statuses = map[fault.Kind]int{
	fault.Invalid: http.StatusBadRequest, fault.Rejected: http.StatusBadRequest, fault.Forbidden: http.StatusForbidden,
	fault.NotFound: http.StatusNotFound, fault.Conflict: http.StatusConflict, fault.TooLarge: http.StatusRequestEntityTooLarge,
	fault.Unavailable: http.StatusServiceUnavailable,
}

// publicOf is what may be said of an error: all that the rules and the engine say is for people.
func publicOf(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.Public
	}
	if why := Refused(err); why != "" {
		return why
	}
	return err.Error()
}
