package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ImageRef is the identity of a catalog entry: the SHA-256 of its canonical source. It stays the
// same when the image behind the source is rebuilt, so bindings survive.
type ImageRef [32]byte

// RefOf derives the identity of a source.
func RefOf(src string) (ImageRef, error) {
	canonical, err := Canonical(src)
	if err != nil {
		return ImageRef{}, err
	}
	return sha256.Sum256([]byte(canonical)), nil
}

var lowerHex64 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ParseRef accepts 64 lower-case hex digits, the only spelling on the wire.
func ParseRef(s string) (ImageRef, error) {
	var r ImageRef
	if !lowerHex64.MatchString(s) {
		return r, fmt.Errorf("invalid image ref %q: want 64 lower-case hex digits", s)
	}
	_, err := hex.Decode(r[:], []byte(s))
	return r, err
}

func (r ImageRef) String() string { return hex.EncodeToString(r[:]) }

// Short is the part of a ref that people are shown.
func (r ImageRef) Short() string { return r.String()[:12] }

// IsZero reports whether no image is meant.
func (r ImageRef) IsZero() bool { return r == ImageRef{} }

// MarshalText makes ImageRef a JSON string.
func (r ImageRef) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses the spelling of ParseRef.
func (r *ImageRef) UnmarshalText(b []byte) error {
	parsed, err := ParseRef(string(b))
	if err == nil {
		*r = parsed
	}
	return err
}

// Canonical returns the spelling of a source that its identity is derived from. Two spellings
// that lead to the same bytes for sure have one canonical form; nothing else is folded.
func Canonical(src string) (string, error) {
	scheme, rest, ok := strings.Cut(src, "://")
	if !ok {
		return "", fmt.Errorf("source %q has no scheme; want http://, https://, oras:// or file://", src)
	}
	switch scheme = strings.ToLower(scheme); scheme {
	case "http", "https":
		return canonicalHTTP(scheme, rest)
	case "oras":
		return canonicalORAS(rest)
	case "file":
		return canonicalFile(rest)
	}
	return "", fmt.Errorf("source %q has scheme %q; want http, https, oras or file", src, scheme)
}

// canonicalHTTP lower-cases the host, drops user information, the default port and an empty
// query or fragment, and keeps every other byte. The brackets of an IPv6 host are lost, which
// existing refs depend on.
func canonicalHTTP(scheme, rest string) (string, error) {
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	host, port, err := splitAuthority(authority)
	if err != nil {
		return "", err
	}
	if host == "" {
		return "", errors.New("source has no host")
	}
	n, err := strconv.ParseUint("0"+port, 10, 16) // no sign, and an empty port is none
	if err != nil {
		return "", fmt.Errorf("source has port %q; want 0 to 65535", port)
	}
	if port != "" && n != map[string]uint64{"http": 80, "https": 443}[scheme] {
		host += ":" + strconv.FormatUint(n, 10)
	}
	return scheme + "://" + host + dropEmptyMarkers(tail), nil
}

// HasUserInfo reports whether a source carries a user name or password before its host.
func HasUserInfo(src string) bool {
	_, rest, _ := strings.Cut(src, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return strings.Contains(rest, "@")
}

// splitAuthority separates host and port, without user information.
func splitAuthority(authority string) (host, port string, err error) {
	authority = authority[strings.LastIndexByte(authority, '@')+1:]
	if inner, ok := strings.CutPrefix(authority, "["); ok {
		v6, after, closed := strings.Cut(inner, "]")
		if !closed || (after != "" && after[0] != ':') {
			return "", "", fmt.Errorf("source has a malformed IPv6 host in %q", authority)
		}
		return strings.ToLower(v6), strings.TrimPrefix(after, ":"), nil
	}
	host, port, _ = strings.Cut(authority, ":")
	return strings.ToLower(host), port, nil
}

// dropEmptyMarkers removes a '?' with no query and a '#' with no fragment behind it.
func dropEmptyMarkers(tail string) string {
	body, fragment, hasFragment := strings.Cut(tail, "#")
	if path, query, _ := strings.Cut(body, "?"); query == "" {
		body = path
	}
	if hasFragment && fragment != "" {
		return body + "#" + fragment
	}
	return body
}

var (
	orasHost = `[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]+)?`
	orasRepo = `[a-z0-9][a-z0-9/_.-]*/[a-z0-9/_.-]*`
	orasRef  = regexp.MustCompile(`^` + orasHost + `/` + orasRepo + `(?::[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$`)
)

// canonicalORAS lower-cases everything before the tag or digest, the last ':' or '@'.
func canonicalORAS(rest string) (string, error) {
	cut := strings.LastIndexByte(rest, '@')
	if cut < 0 {
		cut = strings.LastIndexByte(rest, ':')
	}
	if cut < 0 {
		return "", fmt.Errorf("oras source %q has no tag or digest; want oras://host/owner/repo:tag", rest)
	}
	canonical := strings.ToLower(rest[:cut]) + rest[cut:]
	if !orasRef.MatchString(canonical) {
		return "", fmt.Errorf("oras source %q is malformed; want oras://host[:port]/owner/repo:tag or @sha256:<64 hex>", rest)
	}
	return "oras://" + canonical, nil
}

// canonicalFile keeps the path's segments without empty ones and ".".
func canonicalFile(rest string) (string, error) {
	var kept []string
	for segment := range strings.SplitSeq(rest, "/") {
		switch {
		case segment == "" || segment == ".":
		case segment == ".." || strings.ContainsRune(segment, 0):
			return "", fmt.Errorf("file source %q must not contain \"..\" or NUL", rest)
		default:
			kept = append(kept, segment)
		}
	}
	if len(kept) == 0 {
		return "", errors.New("file source has an empty path")
	}
	return "file://" + strings.Join(kept, "/"), nil
}
