package ui

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"bty/internal/fault"
)

const (
	maxForm  = 64 << 10         // bytes
	formTime = 30 * time.Second // that a form may take to come in
)

// readForm reads the fields from the body and from nowhere else: a URL ends up in logs.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(formTime)) // a server that has none reads without
	defer func() { _ = deadline.SetReadDeadline(time.Time{}) }()
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := errors.Join(r.ParseForm(), r.ParseMultipartForm(maxForm)) // the second hides the first
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, fault.New(fault.TooLarge, "the form is larger than %d bytes", maxForm)
	}
	return r.PostForm, nil // what cannot be read has no fields, and a field that is missing says so
}
