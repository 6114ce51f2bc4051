package serve

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Proxy is the reverse proxy whose X-Forwarded-For is believed; the zero Proxy is none.
type Proxy struct {
	any    bool
	prefix netip.Prefix
}

// ParseProxy reads an address, a prefix, or a word that says all or none.
func ParseProxy(s string) (Proxy, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "0", "false", "no", "off":
		return Proxy{}, nil
	case "1", "true", "yes", "on", "*":
		return Proxy{any: true}, nil
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return Proxy{prefix: netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())}, nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return Proxy{}, fmt.Errorf("[server] trusted_proxy is %q; set the address of the reverse proxy, like 192.0.2.1 or 192.0.2.0/24, or leave it empty", s)
	}
	return Proxy{prefix: prefix}, nil
}

func (p Proxy) trusts(peer netip.Addr) bool {
	return p.any || p.prefix.IsValid() && p.prefix.Contains(peer)
}

// Client is the address that a request comes from: the peer, or behind a trusted proxy the last
// hop that is none. It is not valid on a unix socket.
func Client(r *http.Request, proxy Proxy) netip.Addr {
	port, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	peer := port.Addr().Unmap()
	if !proxy.trusts(peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if peer = hop.Unmap(); proxy.any && i > 0 || proxy.trusts(peer) && i > 0 {
			continue
		}
		break
	}
	return peer
}
