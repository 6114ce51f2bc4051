package catalog

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// CacheURL is where a cache that speaks withcache's URLs has the bytes of a source:
// <base>/b/<token>/<name>. The token is what counts, the name is for people and for the suffix
// that tells the format.
func CacheURL(base, src string) string {
	base = strings.TrimRight(strings.TrimSpace(base), "/")
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	return base + "/b/" + base64.RawURLEncoding.EncodeToString([]byte(src)) + "/" + quote(lastSegment(src))
}

// lastSegment is what follows the last slash of a URL's path, "download" if nothing does.
func lastSegment(src string) string {
	if i := strings.IndexAny(src, "?#"); i >= 0 {
		src = src[:i]
	}
	_, rest, ok := strings.Cut(src, "://")
	if !ok {
		rest = src
	}
	_, path, hasPath := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		path = path[i+1:]
	}
	if !hasPath || path == "" {
		return "download"
	}
	return path
}

// quote escapes all but letters, digits and "_.-~", as Python's quote does for one segment.
func quote(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_.-~", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Cached is what a cache of images says of one source. The zero Cached is that there is no cache.
type Cached struct {
	Src        string // that was asked for
	Configured bool
	Hit        bool   // it has all the bytes
	URL        string // where it has them, on a hit
}
