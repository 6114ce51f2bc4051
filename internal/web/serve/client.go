package serve

import (
	"net/http"
	"net/netip"
	"strings"

	"bty/internal/config"
)

// Proxy is the reverse proxy whose X-Forwarded-For is believed.
type Proxy = config.Proxy

// Client is the address that a request comes from: the peer, or behind a trusted proxy the last
// hop that is none. It is not valid on a unix socket.
func Client(r *http.Request, proxy Proxy) netip.Addr {
	port, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	peer := port.Addr().Unmap()
	if !proxy.Trusts(peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if peer = hop.Unmap(); proxy.Any && i > 0 || proxy.Trusts(peer) && i > 0 {
			continue
		}
		break
	}
	return peer
}
