package ui

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"bty/internal/snippet"
	"bty/internal/web/serve"
)

// bootFilePath is where the page of one boot file is.
func bootFilePath(name string) string { return netbootPath + "/files/" + url.PathEscape(name) }

// nowhere stands in the snippets where nothing better is known (RFC 5737).
var nowhere = netip.MustParseAddr("192.0.2.1")

// siteOf is what the snippets are filled with: what the URL says, else the address that is set, else
// the one that the browser used, else that of this host. It reports whether it had to be guessed.
func siteOf(r *http.Request, port int, set string) (site snippet.Site, guessed bool) {
	query := r.URL.Query()
	site.Port = port
	site.Host, guessed = hostOf(r)
	if address, err := netip.ParseAddr(set); err == nil && address.Is4() {
		site.Host, guessed = address, false
	}
	if named, err := netip.ParseAddr(query.Get("address")); err == nil && named.Is4() {
		site.Host, guessed = named, false
	}
	site.Subnet = subnetOf(site.Host)
	if named, err := netip.ParsePrefix(query.Get("lan")); err == nil && named.Addr().Is4() && named.Bits() >= 8 && named.Bits() <= 30 {
		site.Subnet = named.Masked()
	}
	return site, guessed
}

// hostOf is the appliance's IPv4 address as the browser reached it. A DHCP server wants an address,
// not a name.
func hostOf(r *http.Request) (addr netip.Addr, guessed bool) {
	host := serve.Host(r)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if named, err := netip.ParseAddr(host); err == nil && isUseful(named) {
		return named.Unmap(), false
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		if own := local.AddrPort().Addr(); isUseful(own) {
			return own.Unmap(), false
		}
	}
	for _, p := range hostPrefixes() {
		return p.Addr(), true
	}
	return nowhere, true
}

func isUseful(a netip.Addr) bool {
	a = a.Unmap()
	return a.Is4() && !a.IsLoopback() && !a.IsUnspecified()
}

// hostPrefixes are the IPv4 addresses of this host with the networks that they are in.
func hostPrefixes() (list []netip.Prefix) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && isUseful(p.Addr()) {
			list = append(list, p)
		}
	}
	return list
}

// subnetOf is the network that an address is in, as far as this host knows; else the usual size.
func subnetOf(a netip.Addr) netip.Prefix {
	for _, p := range hostPrefixes() {
		if p.Contains(a) && p.Bits() >= 8 && p.Bits() <= 30 {
			return p.Masked()
		}
	}
	return netip.PrefixFrom(a, 24).Masked()
}
