// Package serve is what all HTTP surfaces share: handlers that return an error, the one map from
// kinds of fault to status codes, and the error shapes of the wire.
package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"bty/internal/fault"
	"bty/internal/flood"
	"bty/internal/message"
	"bty/internal/web/body"
)

// Handler answers a request or returns why it cannot.
type Handler func(http.ResponseWriter, *http.Request) error

// BodyHandler answers a request with a JSON body.
type BodyHandler func(http.ResponseWriter, *http.Request, body.Value) error

// Guard lets a request pass or returns why not.
type Guard func(*http.Request) error

// Open lets everybody pass.
func Open(*http.Request) error { return nil }

// Mux takes routes; an *http.ServeMux is one.
type Mux interface {
	Handle(pattern string, h http.Handler)
}

// Adapter turns Handlers into http.Handlers.
type Adapter struct {
	Log *slog.Logger
	// Strangers has the lines that whoever reaches the port can cause.
	Strangers *flood.Log
	// Client is the address that a request comes from.
	Client func(*http.Request) netip.Addr
	// Large bounds how many large bodies are held in memory at one time, all decoded; nil does not.
	Large chan struct{}
	// Page tells a browser what went wrong; nil tells everybody in JSON.
	Page Page
}

// Page answers with an error as a page for people.
type Page func(w http.ResponseWriter, r *http.Request, status int, text string) error

// largeBody is from how many bytes on a body counts as large.
const largeBody = 1 << 20

// Do runs h behind guard.
func (a Adapter) Do(guard Guard, h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer a.recover(w, r)
		err := guard(r)
		if err == nil {
			err = h(w, r)
		}
		if err != nil {
			a.Fail(w, r, err)
		}
	})
}

// recover answers a request whose handler panicked, and keeps where it did for the journal.
func (a Adapter) recover(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p) // net/http cuts the connection
	}
	a.Fail(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
}

// bodyTime is how long a client may take to send a JSON body.
const bodyTime = 30 * time.Second

// WithBody reads a JSON body of at most limit bytes before it asks guard: a body that is not JSON
// is said to be so even to an anonymous caller.
func (a Adapter) WithBody(limit int64, guard Guard, h BodyHandler) http.Handler {
	return a.Do(Open, func(w http.ResponseWriter, r *http.Request) error {
		leave, err := a.enter(r, limit)
		if err != nil {
			return err
		}
		defer leave()
		deadline := http.NewResponseController(w)
		_ = deadline.SetReadDeadline(time.Now().Add(bodyTime)) // a server that has none reads without
		value, err := body.Read(w, r, limit)
		_ = deadline.SetReadDeadline(time.Time{})
		if err != nil {
			return err
		}
		if err := guard(r); err != nil {
			return err
		}
		return h(w, r, value)
	})
}

// enter waits for its turn to hold a large body.
func (a Adapter) enter(r *http.Request, limit int64) (leave func(), err error) {
	isSmall := limit <= largeBody || r.ContentLength >= 0 && r.ContentLength <= largeBody
	if a.Large == nil || isSmall {
		return func() {}, nil
	}
	select {
	case a.Large <- struct{}{}:
		return func() { <-a.Large }, nil
	case <-r.Context().Done():
	case <-time.After(bodyTime):
	}
	return nil, fault.New(fault.Unavailable, "too many large requests at one time; repeat this one in a moment")
}

// Fail answers with err in the shape of the wire. What is not meant for the caller goes to the journal.
func (a Adapter) Fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		err = fault.Wrap(fault.Invalid, err, "the caller left before the answer, and nothing was changed")
	}
	status := Status(err)
	a.note(r, status, err)
	problems, isList := body.AsProblems(err)
	switch {
	case isList && a.show(w, r, status, problems.Error()), !isList && a.show(w, r, status, fault.Public(err)):
	case isList:
		JSON(w, status, detail{problems})
	default:
		JSON(w, status, detail{fault.Public(err)})
	}
}

// Refuse answers a request that no handler takes.
func (a Adapter) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	text := http.StatusText(status)
	a.note(r, status, fault.New(fault.NotFound, "no route takes this method and path"))
	if !a.show(w, r, status, text) {
		JSON(w, status, detail{text})
	}
}

// show answers with a page if there are any and it is a browser that asks: nothing else names HTML
// as what it wants. It reports whether it did.
func (a Adapter) show(w http.ResponseWriter, r *http.Request, status int, text string) bool {
	if a.Page == nil || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return false
	}
	if err := a.Page(w, r, status, text); err != nil {
		a.Log.Error("an error page cannot be shown", message.Defect, "path", r.URL.Path, "status", status, "err", err)
		return false
	}
	return true
}

type detail struct {
	Detail any `json:"detail"`
}

// Status is the one map from kinds of fault to status codes.
func Status(err error) int {
	if _, ok := body.AsProblems(err); ok {
		return http.StatusUnprocessableEntity
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthorized:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Rejected:
		return http.StatusUnprocessableEntity
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Full:
		return http.StatusInsufficientStorage
	default:
		return http.StatusInternalServerError
	}
}

// JSON answers with v, compact and with non-ASCII text as it is.
func JSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("encode the answer %T: %v", v, err)) // our own types, which always encode
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n"))) // the client is gone, if anything
}

// NoContent answers 204.
func NoContent(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Host is what the client reached us by: the Host header as it came, else the socket's address.
func Host(r *http.Request) string {
	if r.Host != "" {
		return r.Host
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(interface{ String() string }); ok {
		return addr.String()
	}
	return "localhost"
}
