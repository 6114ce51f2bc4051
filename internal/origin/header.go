package origin

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// validators tell one version of an entity from another (RFC 9110 section 8.8).
type validators struct{ etag, modified string }

func validatorsOf(h http.Header) validators {
	return validators{etag: sane(h.Get("ETag")), modified: sane(h.Get("Last-Modified"))}
}

// maxValidator bounds a validator: one is kept with each address of an image, and sent back.
const maxValidator = 1 << 10

// sane is "" for what is no use as a validator: too long, or not the same any more once a record of JSON
// had it.
func sane(validator string) string {
	if len(validator) > maxValidator || !utf8.ValidString(validator) {
		return ""
	}
	return validator
}

// forIfRange is the validator that a range request may be made conditional on: a strong ETag,
// else the date, "" if there is neither.
func (v validators) forIfRange() string {
	if tag := v.strong(); tag != "" {
		return tag
	}
	return v.modified
}

// strong is an ETag that names bytes, "" if there is none. One who names the same bytes by two ETags, as an image cache
// does before and after it knows their digest, answers with the one that it is asked with.
func (v validators) strong() string {
	if strings.HasPrefix(v.etag, "W/") {
		return ""
	}
	return v.etag
}

// differ reports whether both name a version, and not the same one. An ETag decides alone:
// mirrors behind one name agree on ETags more often than on dates.
func (v validators) differ(now validators) bool {
	if v.etag != "" && now.etag != "" {
		return v.etag != now.etag
	}
	return v.modified != "" && now.modified != "" && v.modified != now.modified
}

func (v validators) String() string {
	if v.etag != "" {
		return v.etag
	}
	return v.modified
}

// contentRange is a parsed Content-Range of a 206; total is -1 for "*".
type contentRange struct{ first, last, total int64 }

// parseContentRange parses `bytes first-last/total` (RFC 9110 section 14.4).
func parseContentRange(s string) (contentRange, error) {
	bad := func() (contentRange, error) {
		return contentRange{}, fmt.Errorf("invalid Content-Range %q", s)
	}
	unit, rest, ok := strings.Cut(strings.TrimSpace(s), " ")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return bad()
	}
	span, size, ok := strings.Cut(strings.TrimSpace(rest), "/")
	if !ok {
		return bad()
	}
	from, to, ok := strings.Cut(span, "-")
	if !ok {
		return bad()
	}
	first, ok1 := digits(from)
	last, ok2 := digits(to)
	total, ok3 := digits(size)
	if size == "*" {
		total, ok3 = -1, true
	}
	if !ok1 || !ok2 || !ok3 || last < first || total >= 0 && last >= total {
		return bad()
	}
	return contentRange{first: first, last: last, total: total}, nil
}

// digits parses 1*DIGIT, without the signs and underscores that strconv would take.
func digits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
