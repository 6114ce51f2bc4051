package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// StatusError is an answer other than 2xx.
type StatusError struct {
	Method, URL string
	Code        int
	Detail      string // what the server said, "" if nothing readable
}

func (e *StatusError) Error() string {
	msg := fmt.Sprintf("%s %s: the server answered %d %s", e.Method, e.URL, e.Code, http.StatusText(e.Code))
	if e.Detail != "" {
		msg += ": " + e.Detail
	}
	return msg
}

// StallError is a request that the server did not answer in time.
type StallError struct {
	URL   string
	Limit time.Duration
}

func (e *StallError) Error() string {
	return fmt.Sprintf("%s: no answer within %v", e.URL, e.Limit)
}

// Timeout makes StallError a net.Error like any other timeout.
func (e *StallError) Timeout() bool { return true }

// UnreachableError is a request that failed on the way.
type UnreachableError struct {
	URL   string
	Cause error
}

func (e *UnreachableError) Error() string {
	cause := e.Cause
	if u, ok := errors.AsType[*url.Error](cause); ok {
		cause = u.Err // its own text names the URL a second time
	}
	return e.URL + ": " + cause.Error()
}

func (e *UnreachableError) Unwrap() error { return e.Cause }

// BadAnswerError is a 2xx answer that is not what this route answers: another server, most often.
type BadAnswerError struct {
	URL   string
	Want  string // what it should be, "" for a plan
	Cause error
}

func (e *BadAnswerError) Error() string {
	what := e.Want
	if what == "" {
		what = "a plan of bty-web"
	}
	return fmt.Sprintf("%s: the answer is not %s: %v", e.URL, what, e.Cause)
}

func (e *BadAnswerError) Unwrap() error { return e.Cause }

// CodeOf is the HTTP status of err, 0 if the server did not answer.
func CodeOf(err error) int {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Code
	}
	return 0
}

// Retryable reports whether the same request may succeed later: the network or the server was
// in the way, not the request.
func Retryable(err error) bool {
	if e, ok := errors.AsType[*StatusError](err); ok {
		return e.Code >= 500 || e.Code == http.StatusTooManyRequests || e.Code == http.StatusRequestTimeout
	}
	if _, ok := errors.AsType[*StallError](err); ok {
		return true
	}
	_, ok := errors.AsType[*UnreachableError](err)
	return ok
}

func newStatusError(req *http.Request, code int, body []byte) *StatusError {
	return &StatusError{Method: req.Method, URL: req.URL.Redacted(), Code: code, Detail: detailOf(body)}
}

// detailOf reads {"detail": "text"} or {"detail": [...]}, the server's two error shapes.
func detailOf(body []byte) string {
	var shape struct{ Detail json.RawMessage }
	if json.Unmarshal(body, &shape) != nil || len(shape.Detail) == 0 {
		return ""
	}
	text := string(shape.Detail)
	var plain string
	if json.Unmarshal(shape.Detail, &plain) == nil {
		text = plain
	}
	return cut(strings.TrimSpace(text), 300)
}
