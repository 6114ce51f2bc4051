package proxy

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/fill"
	"bty/internal/wire"
)

// Rules say which sources are fetched: those that bty-web publishes, and those that begin as the
// operator allows. Without them a cache is an open proxy into the network it stands in. They are
// safe for concurrent use.
type Rules struct {
	mu        sync.Mutex
	allowed   []*url.URL
	published map[string]wire.CacheSource // by canonical source
	names     map[string]bool             // of the hosts of both
}

// Allow sets how sources may begin beside those that are published: [cache] allow.
func (r *Rules) Allow(beginnings []string) error {
	var allowed []*url.URL
	for _, one := range beginnings {
		u, err := location(one)
		if err != nil {
			return fmt.Errorf("[cache] allow: %q: %w", one, err)
		}
		allowed = append(allowed, u)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.allowed = allowed
	r.name()
	return nil
}

// Publish sets what the catalog has. A source that no cache can fetch (a file of another host) is
// left out: nobody asks a cache for it.
func (r *Rules) Publish(sources []wire.CacheSource) {
	published := make(map[string]wire.CacheSource, len(sources))
	for _, s := range sources {
		if _, err := location(s.Src); err != nil {
			continue
		}
		if key, err := catalog.Canonical(s.Src); err == nil {
			published[key] = s
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.published = published
	r.name()
}

// name collects the hosts that are known.
func (r *Rules) name() {
	r.names = make(map[string]bool)
	for _, u := range r.allowed {
		r.names[u.Hostname()] = true
	}
	for _, s := range r.published {
		if u, err := location(s.Src); err == nil {
			r.names[u.Hostname()] = true
		}
	}
}

// Known reports whether a source that is allowed or published has this host.
func (r *Rules) Known(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[strings.ToLower(strings.TrimSuffix(host, "."))]
}

// Len is how many sources are published.
func (r *Rules) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.published)
}

// Listed reports whether a source is of the catalog. Where nobody has published one, what is allowed is
// all there is, and as good.
func (r *Rules) Listed(src string) bool {
	key, err := catalog.Canonical(src)
	r.mu.Lock()
	defer r.mu.Unlock()
	_, found := r.published[key]
	return len(r.published) == 0 || err == nil && found
}

// Admit returns the source as the cache is to fetch it, or why it does not.
func (r *Rules) Admit(src string) (fill.Source, error) {
	u, err := location(src)
	if err != nil {
		return fill.Source{}, fault.New(fault.Forbidden, "%v", err)
	}
	key, err := catalog.Canonical(src)
	if err != nil {
		return fill.Source{}, fault.New(fault.Forbidden, "%v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.published[key]; ok {
		return sourceOf(s), nil
	}
	for _, beginning := range r.allowed {
		if begins(u, beginning) {
			return fill.Source{Src: src}, nil
		}
	}
	return fill.Source{}, fault.New(fault.Forbidden,
		"this source is not in the catalog and [cache] allow does not name it; add the image to the catalog, or the beginning of its URL to [cache] allow")
}

// sourceOf is a published source for the engine. What is wrong with its digest, bty-web has said.
func sourceOf(s wire.CacheSource) fill.Source {
	digest, _ := catalog.ParseDigest(s.SHA256)
	return fill.Source{Src: s.Src, Digest: digest, Size: s.SizeBytes, Rolling: s.Rolling}
}

// begins reports whether a source lies below a beginning: the same place on the same host, and no
// name that only starts alike.
func begins(u, beginning *url.URL) bool {
	if u.Scheme != beginning.Scheme || u.Host != beginning.Host || !strings.HasPrefix(u.Path, beginning.Path) {
		return false
	}
	rest := u.Path[len(beginning.Path):]
	if rest == "" || strings.HasSuffix(beginning.Path, "/") || rest[0] == '/' {
		return true
	}
	return u.Scheme == "oras" && (rest[0] == ':' || rest[0] == '@') // of a repository, its tags
}

// location is where a source lies: scheme, host and port in one spelling, and a path that leads
// nowhere else.
func location(src string) (*url.URL, error) {
	u, err := url.Parse(src)
	if err != nil {
		return nil, fmt.Errorf("it is not a URL")
	}
	ports := map[string]string{"http": "80", "https": "443", "oras": "443"}
	switch {
	case ports[u.Scheme] == "":
		return nil, fmt.Errorf("scheme %q is not fetched; http://, https:// and oras:// are", u.Scheme)
	case u.Hostname() == "":
		return nil, fmt.Errorf("it names no host")
	case u.User != nil:
		return nil, fmt.Errorf("it has a user name; credentials belong into the file that [oras] credentials_file names")
	case strings.ContainsRune(u.Path, '\\') || climbs(u.Path):
		return nil, fmt.Errorf("its path leads upwards")
	}
	port := u.Port()
	if port == ports[u.Scheme] {
		port = ""
	}
	u.Host = strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if port != "" {
		u.Host = net.JoinHostPort(u.Host, port)
	} else if strings.Contains(u.Host, ":") {
		u.Host = "[" + u.Host + "]"
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// climbs reports whether a path has a step upwards, which url.Parse has decoded by then. Some servers take
// parameters off a step before they follow it.
func climbs(path string) bool {
	for step := range strings.SplitSeq(path, "/") {
		if step, _, _ = strings.Cut(step, ";"); step == ".." || step == "." {
			return true
		}
	}
	return false
}
