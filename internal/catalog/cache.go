package catalog

import (
	"encoding/base64"
	"fmt"
	"net/url"
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

// PinnedCacheURL is CacheURL at a cache that gives these bytes or none: bty-cache does, others do
// not look at the query.
func PinnedCacheURL(base, src string, d Digest) string {
	if d.IsZero() {
		return CacheURL(base, src)
	}
	return CacheURL(base, src) + "?sha256=" + d.String()
}

// CacheSource is the source in a URL that CacheURL made, as far as a machine can ask it by itself; ""
// for every other URL. The name has to be the one that the source gives: a path of somebody else's
// that happens to have a /b/ in it is no cache's.
func CacheSource(cached string) string {
	place, _, _ := strings.Cut(cached, "?")
	steps := strings.Split(place, "/")
	if len(steps) < 6 || steps[len(steps)-3] != "b" {
		return ""
	}
	src, err := base64.RawURLEncoding.Strict().DecodeString(steps[len(steps)-2])
	if err != nil || CacheURL(strings.Join(steps[:len(steps)-3], "/"), string(src)) != place {
		return ""
	}
	u, err := url.Parse(string(src)) // which refuses control characters
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "oras" {
		return ""
	}
	return string(src)
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
	Digest     Digest // with these bytes, as the catalog had it then
	Configured bool
	Hit        bool   // it has all the bytes
	URL        string // where a machine gets them, on a hit
}

// Of reports whether this is the answer for an entry as it is now.
func (c Cached) Of(e Entry) bool { return c.Src == e.Src && c.Digest == e.Digest }
