package oras

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// RetryAfter is how long a server wants to be left alone (RFC 9110 section 10.2.3), 0 if it does not say.
// A date counts from that of the same answer: the clock of a machine that just booted may be wrong.
func RetryAfter(h http.Header) time.Duration {
	said := h.Get("Retry-After")
	if n, err := strconv.ParseUint(said, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	until, err := http.ParseTime(said)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(until.Sub(now), 0)
}

// later notes what the last answer said of when to ask again: neither a registry's errors nor those of
// its token service have that.
type later struct {
	http.RoundTripper
	after atomic.Int64
}

func (l *later) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(req)
	after := time.Duration(0)
	if err == nil && mayPass(resp.StatusCode) {
		after = RetryAfter(resp.Header)
	}
	l.after.Store(int64(after))
	return resp, err
}

// asked completes an error that may pass.
func (l *later) asked(e *Error) *Error {
	if !e.Refused {
		e.After = time.Duration(l.after.Load())
	}
	return e
}
