package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"bty/internal/message"
)

// HTTP is the task of an http.Server that stops without losing a request.
//
// http.Server.Shutdown alone loses them by design: a request read after it began is dropped
// unanswered. So the listeners stop accepting first (the socket itself stays with the service
// manager, and what queues there waits for the next process), answers close their connections,
// and only when none has a request in it is Shutdown called.
type HTTP struct {
	Name      string
	Server    *http.Server // Handler set; the rest is filled where it is zero
	Listeners []net.Listener
	Log       *slog.Logger

	Linger   time.Duration // how long idle connections may still bring a request; 0 is 100 ms
	Limit    time.Duration // the longest drain; 0 is 10 s
	MaxConns int           // 0 is 4096

	ready chan struct{}
	drain chan struct{}
	conns conns
}

// NewHTTP returns a task that serves handler on listeners.
func NewHTTP(name string, handler http.Handler, log *slog.Logger, listeners ...net.Listener) *HTTP {
	return &HTTP{
		Name: name, Server: &http.Server{Handler: handler}, Listeners: listeners, Log: log,
		ready: make(chan struct{}), drain: make(chan struct{}),
	}
}

// String implements Task.
func (h *HTTP) String() string { return h.Name }

// Ready implements Task.
func (h *HTTP) Ready() <-chan struct{} { return h.ready }

type drainKey struct{}

// Draining returns a channel that is closed when the server of the request that ctx belongs to
// begins to stop. A handler that streams for ever must end then; nil when there is no such server.
func Draining(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(drainKey{}).(chan struct{})
	return c
}

// Run implements Task: it serves until ctx is done, then drains.
func (h *HTTP) Run(ctx context.Context) error {
	h.prepare(ctx)
	var serving errgroup.Group
	failed := make(chan error, len(h.Listeners))
	for _, l := range h.Listeners {
		l := &listener{Listener: l, http: h}
		serving.Go(func() error {
			err := h.Server.Serve(l)
			if h.draining() || errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			failed <- err
			return err
		})
	}
	close(h.ready)
	select {
	case <-ctx.Done():
	case err := <-failed:
		h.Server.Close()
		_ = serving.Wait() // err is the first of them
		return err
	}
	h.stopAccepting()
	err := serving.Wait() // every accepted connection is counted now
	h.settle()
	return errors.Join(err, h.shutdown())
}

// prepare fills in what the server lacks. Bodies and answers may be large and slow, so there is
// no limit on a whole request here: handlers set their own deadlines.
func (h *HTTP) prepare(ctx context.Context) {
	s := h.Server
	setZero(&s.ReadHeaderTimeout, 10*time.Second)
	setZero(&s.IdleTimeout, 75*time.Second)
	setZero(&s.MaxHeaderBytes, 64<<10)
	setZero(&h.Linger, 100*time.Millisecond)
	setZero(&h.Limit, 10*time.Second)
	setZero(&h.MaxConns, 4096)
	h.conns.free = make(chan struct{}, h.MaxConns)
	h.conns.seen = make(map[net.Conn]http.ConnState)
	if s.ErrorLog == nil {
		s.ErrorLog = slog.NewLogLogger(h.Log.Handler(), slog.LevelDebug)
	}
	if s.BaseContext == nil {
		base := context.WithValue(context.WithoutCancel(ctx), drainKey{}, h.drain)
		s.BaseContext = func(net.Listener) context.Context { return base }
	}
	next := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.draining() {
			w.Header().Set("Connection", "close") // SetKeepAlivesEnabled(false) would cut idle ones now
		}
		next.ServeHTTP(w, r)
	})
	hook := s.ConnState
	s.ConnState = func(c net.Conn, state http.ConnState) {
		h.conns.note(c, state)
		if hook != nil {
			hook(c, state)
		}
	}
}

func (h *HTTP) draining() bool {
	select {
	case <-h.drain:
		return true
	default:
		return false
	}
}

// stopAccepting wakes the accept loops without closing the listeners.
func (h *HTTP) stopAccepting() {
	close(h.drain)
	for _, l := range h.Listeners {
		if d, ok := l.(interface{ SetDeadline(time.Time) error }); ok {
			if err := d.SetDeadline(time.Unix(1, 0)); err == nil {
				continue
			}
		}
		l.Close()
	}
}

// settle waits until no connection has a request in it and idle ones had time to bring theirs. A
// connection that has sent nothing yet counts for a second only: browsers open spares.
func (h *HTTP) settle() {
	const step, patience = 5 * time.Millisecond, time.Second
	begun := time.Now()
	quiet := begun
	for time.Since(begun) < h.Limit {
		fresh, active, idle := h.conns.count()
		busy := active > 0 || fresh > 0 && time.Since(begun) < patience
		switch {
		case busy:
			quiet = time.Now()
		case fresh+idle == 0 || time.Since(quiet) >= h.Linger:
			return
		}
		time.Sleep(step)
	}
}

func (h *HTTP) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := h.Server.Shutdown(ctx); err != nil {
		_, active, _ := h.conns.count()
		h.Log.Warn("requests were cut off after the longest drain", message.RequestsCut, "server", h.Name, "active", active, "limit", h.Limit)
		return h.Server.Close()
	}
	return nil
}

func setZero[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
