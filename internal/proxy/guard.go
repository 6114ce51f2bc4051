package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"bty/internal/origin"
)

// Guard makes the connections to origins: no redirect, no answer of a registry and no change of a
// name's address leads into a network that its source is not in. The address is looked at when the
// connection is made, so that the one that was looked at is the one that is used.
type Guard struct {
	Known    func(host string) bool // a source that is allowed or published has this host
	Mirror   func(host string) bool // the operator named it as a mirror; may be nil
	SignIn   func(*http.Request)    // adds credentials to a request for a known host; may be nil
	Resolver *net.Resolver          // nil is the system's

	private atomic.Pointer[[]netip.Prefix]
	base    *http.Transport

	mu    sync.Mutex
	pools map[pool]*http.Transport // connections that were made with other rights are not used again
}

// pool is what the connections of a transport have in common.
type pool struct {
	may     reach
	proxied bool // the address is that of the operator's proxy
}

// NewGuard returns a guard that trusts the authorities of caFile beside the system's.
func NewGuard(caFile string) (*Guard, error) {
	authorities, err := origin.ReadCAs(caFile)
	if err != nil {
		return nil, fmt.Errorf("[cache] ca_file: %w", err)
	}
	base := origin.NewClient(origin.ClientOptions{CAs: authorities}).Transport.(*http.Transport)
	base.IdleConnTimeout = 30 * time.Second
	return &Guard{Known: func(string) bool { return false }, base: base, pools: make(map[pool]*http.Transport)}, nil
}

// AllowPrivate sets the networks that connections may lead to although they are not public.
func (g *Guard) AllowPrivate(list []netip.Prefix) { g.private.Store(&list) }

// Client is for origins: origin.NewClient with this guard under it.
func (g *Guard) Client() *http.Client {
	c := origin.NewClient(origin.ClientOptions{})
	c.Transport = g
	return c
}

// RoundTrip implements http.RoundTripper.
func (g *Guard) RoundTrip(req *http.Request) (*http.Response, error) {
	first := firstOf(req)
	source := g.sourceOf(first)
	isOwn := source == first.URL.Hostname()
	may := g.reach(req.Context(), source, req.URL.Hostname(), isOwn && req == first)
	through, err := g.base.Proxy(req)
	if err != nil {
		return nil, err
	}
	if through != nil {
		if err := g.checkName(req.Context(), req.URL, may); err != nil {
			return nil, err
		}
	}
	own := isOwn && req.URL.Scheme == first.URL.Scheme && req.URL.Host == first.URL.Host && g.Known(source)
	if own && g.SignIn != nil && req.Header.Get("Authorization") == "" {
		req = req.Clone(req.Context())
		g.SignIn(req)
	}
	return g.transport(pool{may, through != nil}).RoundTrip(req)
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (g *Guard) CloseIdleConnections() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.pools {
		t.CloseIdleConnections()
	}
}

// firstOf is the request that redirects led away from.
func firstOf(req *http.Request) *http.Request {
	for req.Response != nil && req.Response.Request != nil {
		req = req.Response.Request
	}
	return req
}

// sourceOf is the host on whose behalf a request is made: its own, unless a registry sent the client
// there for a token. A mirror speaks for itself.
func (g *Guard) sourceOf(first *http.Request) string {
	host, source := first.URL.Hostname(), origin.HostOf(first.Context())
	if source == "" || strings.EqualFold(source, host) || g.Mirror != nil && g.Mirror(host) {
		return host
	}
	return source
}

// reach is what a request to host may lead to, that began at the host of first. A source in a private
// network may redirect within such networks; one of the internet may not redirect there, however well
// known the place is.
func (g *Guard) reach(ctx context.Context, first, host string, isFirst bool) reach {
	if !g.Known(first) {
		return public
	}
	own := ownReach(first)
	if isFirst || host == first {
		return own
	}
	if _, err := netip.ParseAddr(first); err == nil || own == loopback {
		return own
	}
	if g.livesInLAN(ctx, first) {
		return lan
	}
	return public
}

// livesInLAN reports whether all addresses of a name are private.
func (g *Guard) livesInLAN(ctx context.Context, name string) bool {
	addrs, err := g.Resolver.LookupNetIP(ctx, "ip", name)
	for _, a := range addrs {
		if classOf(a) != lan {
			return false
		}
	}
	return err == nil && len(addrs) > 0
}

// checkName is for requests that a proxy takes: it makes the connection, so what can be looked at is
// where the name leads from here. One that leads nowhere from here is the proxy's to judge.
func (g *Guard) checkName(ctx context.Context, u *url.URL, may reach) error {
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return g.check(u.Hostname(), addr, may)
	}
	addrs, _ := g.Resolver.LookupNetIP(ctx, "ip", u.Hostname())
	for _, a := range addrs {
		if err := g.check(u.Hostname(), a, may); err != nil {
			return err
		}
	}
	return nil
}

// check refuses an address beyond what may be reached.
func (g *Guard) check(host string, addr netip.Addr, may reach) error {
	class := classOf(addr)
	if class == public || class&may != 0 {
		return nil
	}
	if private := g.private.Load(); private != nil && within(*private, addr.Unmap().WithZone("")) {
		return nil
	}
	return &refusal{to: addr.Unmap(), class: class, source: host}
}

func (g *Guard) transport(p pool) *http.Transport {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.pools[p]
	if t == nil {
		t = g.base.Clone()
		t.DialContext = g.dialer(p)
		g.pools[p] = t
	}
	return t
}

func (g *Guard) dialer(p pool) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address) // for people alone
		d := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, Resolver: g.Resolver}
		if !p.proxied {
			d.ControlContext = func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
				to, err := netip.ParseAddrPort(resolved)
				if err != nil {
					return err
				}
				return g.check(host, to.Addr(), p.may)
			}
		}
		return d.DialContext(ctx, network, address)
	}
}

// Refused says why a connection was not made, "" if err is about something else.
func Refused(err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.Error()
	}
	return ""
}
