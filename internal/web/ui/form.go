package ui

import (
	"bytes"
	"errors"
	"io"
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
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, fault.New(fault.TooLarge, "the form is larger than %d bytes", maxForm)
	}
	if err != nil { // what came in of it must not be taken for all of it
		return nil, fault.Wrap(fault.Invalid, err, "the form did not come in whole, so nothing was changed; send it again")
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	_ = r.ParseForm() // what cannot be read has no fields, and a field that is missing says so
	if err := r.ParseMultipartForm(maxForm); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return nil, fault.Wrap(fault.Invalid, err, "the form is not written as multipart/form-data has it, so nothing was changed")
	}
	return r.PostForm, nil
}
