package oras

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
)

// Error is why a reference led to no image.
type Error struct {
	Ref     string
	Refused bool // asking again changes nothing
	Err     error
	Mirrors []string // what was wrong with each mirror

	// After is how long the registry, or its token service, wants to be left alone; 0 if it does not say.
	After time.Duration
}

func (e *Error) Error() string { return e.Ref + ": " + e.Why().Error() }

// Why is the error without the reference.
func (e *Error) Why() error {
	if len(e.Mirrors) == 0 {
		return e.Err
	}
	return fmt.Errorf("%w (and %s)", e.Err, strings.Join(e.Mirrors, "; "))
}

func mirrorSays(host string, err error) string {
	return fmt.Sprintf("mirror %s: %v", host, cause(host, err))
}

func (e *Error) Unwrap() error { return e.Err }

// refusal is a cause that stays.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

func refuse(format string, args ...any) error { return &refusal{fmt.Errorf(format, args...)} }

// explain says what a failure at a registry means for whoever gave the reference. What the
// registry says of itself stays out, but for the codes of the protocol: it was told secrets, and
// may repeat them.
func explain(src, host string, err error, mirrors ...string) *Error {
	why := cause(host, err)
	_, stays := errors.AsType[*refusal](why)
	return &Error{Ref: src, Refused: stays, Err: why, Mirrors: mirrors}
}

func cause(host string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return unreached(host, u)
	}
	if c, ok := errors.AsType[*credentialsError](err); ok {
		return &refusal{c}
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if answer, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		return answered(host, answer)
	}
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return said(host, nil, http.StatusNotFound, "")
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return said(host, nil, http.StatusUnauthorized, "")
	case errors.Is(err, content.ErrMismatchedDigest), says(err, "digest mismatch"):
		return refuse("the registry %s sent something with another digest than it was asked for: it, or a proxy on the way, is damaged; try again, or name a mirror in [oras] mirrors", host)
	case says(err, "bearer realm", "token returned", "decode response"):
		return noToken(host, err)
	}
	return &refusal{fmt.Errorf("registry %s: %w", host, short(err))}
}

// says looks for what package oras-go has no type for.
func says(err error, any ...string) bool {
	return slices.ContainsFunc(any, func(text string) bool { return strings.Contains(err.Error(), text) })
}

func noToken(host string, err error) error {
	text := err.Error()
	for _, from := range []string{"bearer realm", "failed to", "empty token"} { // without the URL of the request
		if at := strings.Index(text, from); at >= 0 {
			text = text[at:]
			break
		}
	}
	return refuse("the registry %s sends for a token to where none is to be had (%w); tell whoever runs it, or name a mirror in [oras] mirrors", host, short(errors.New(text)))
}

const maxText = 1500 // of a message that may repeat what a registry sent

func short(err error) error {
	if len(err.Error()) <= maxText {
		return err
	}
	return fmt.Errorf("%s ...", strings.ToValidUTF8(err.Error()[:maxText], ""))
}

// answered tells the registry's answer from that of its token service.
func answered(host string, answer *errcode.ErrorResponse) error {
	status := answer.StatusCode
	final := status != http.StatusUnauthorized && status != http.StatusForbidden && status < 500 && !mayPass(status)
	if final && answer.URL != nil && !strings.HasPrefix(answer.URL.Path, "/v2/") {
		return noToken(host, fmt.Errorf("%s answered %d %s", answer.URL.Host, status, http.StatusText(status)))
	}
	return said(host, answer.URL, status, codes(answer.Errors))
}

// unreached is a request without an answer. Its URL may be a signed one.
func unreached(host string, u *url.Error) error {
	at := host
	if parsed, err := url.Parse(u.URL); err == nil && parsed.Host != "" {
		at = parsed.Scheme + "://" + parsed.Host
	}
	if r, ok := errors.AsType[*refusal](u.Err); ok {
		return &refusal{fmt.Errorf("registry %s: %w", host, r.error)}
	}
	switch {
	case says(u.Err, "unsupported protocol scheme", "invalid header field", "missing ']' in host", "no Host in request URL"):
		return refuse("the registry %s sends for a token, or for the image, to where nothing can be asked (%w); tell whoever runs it, or name a mirror in [oras] mirrors", host, short(u.Err))
	case says(u.Err, "server gave HTTP response to HTTPS client"):
		return refuse("%s does not speak https; if it is meant to be asked over http, list %s in [oras] plain_http (BTY_ORAS_PLAIN_HTTP)", at, host)
	}
	return fmt.Errorf("registry %s: no answer from %s: %w", host, at, u.Err)
}

// said is what an answer means.
func said(host string, from *url.URL, status int, codes string) error {
	answer := fmt.Sprintf("it answered %d %s%s", status, http.StatusText(status), codes)
	if from != nil && from.Host != host {
		answer = fmt.Sprintf("%s answered %d %s%s", from.Host, status, http.StatusText(status), codes)
	}
	switch {
	case status == http.StatusNotFound:
		return refuse("it is not in the registry %s; check owner, repository and tag", host)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return refuse("the registry %s lets only those in who sign in, or has no such image (%s); put its credentials into the file that [oras] credentials_file (BTY_ORAS_CREDENTIALS_FILE) names", host, answer)
	case status == http.StatusTooManyRequests:
		return fmt.Errorf("the registry %s wants fewer requests (%s); wait, sign in, or name a mirror in [oras] mirrors", host, answer)
	case mayPass(status) || status >= 500:
		return fmt.Errorf("the registry %s is failing (%s); try again later, or name a mirror in [oras] mirrors", host, answer)
	}
	return refuse("the registry %s does not give it (%s); check that this host is an OCI registry", host, answer)
}

var errorCode = regexp.MustCompile(`^[A-Z][A-Z_]{1,40}$`)

// codes are the protocol's words for what went wrong.
func codes(all errcode.Errors) string {
	for _, e := range all {
		if errorCode.MatchString(e.Code) {
			return ", " + e.Code
		}
	}
	return ""
}
