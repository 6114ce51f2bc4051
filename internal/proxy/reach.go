package proxy

import (
	"fmt"
	"net/netip"
	"strings"

	"bty/internal/origin"
)

// reach is which addresses a connection may lead to.
type reach uint8

const (
	lan      reach = 1 << iota // private networks (RFC 1918, RFC 4193, RFC 6598)
	loopback                   // this host
	special                    // link-local with its metadata services, multicast, and what is no host
)

// public leads to addresses of the internet alone.
const public reach = 0

func (r reach) String() string {
	return map[reach]string{lan: "a private address", loopback: "an address of the cache's own host",
		special: "a link-local, multicast or reserved address"}[r]
}

var (
	lanPrefixes     = prefixes("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7")
	specialPrefixes = prefixes("0.0.0.0/8 192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 224.0.0.0/3 fec0::/10 ::/96 100::/64 2001::/32")
)

func prefixes(list string) (all []netip.Prefix) {
	for one := range strings.FieldsSeq(list) {
		all = append(all, netip.MustParsePrefix(one))
	}
	return all
}

func within(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// classOf says what kind of address this is; public is 0. An IPv6 address that carries an IPv4 one is
// what that is: a gateway of the network would take it there.
func classOf(addr netip.Addr) reach {
	addr = carried(addr.Unmap().WithZone(""))
	switch {
	case addr.IsLoopback():
		return loopback
	case within(lanPrefixes, addr):
		return lan
	case !addr.IsGlobalUnicast(), within(specialPrefixes, addr):
		return special
	}
	return public
}

// carried is the IPv4 address in one of NAT64 (RFC 6052, RFC 8215) or 6to4 (RFC 3056).
func carried(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	b := addr.As16()
	switch {
	case within(natPrefixes, addr):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}

var natPrefixes = prefixes("64:ff9b::/96 64:ff9b:1::/48")

// ownReach is what the host of a source that somebody named on purpose may lead to by itself. A name
// may be of a private network, as most of a lab's are; it leads to this host or to a link-local
// address only where it says so, so that whoever runs its DNS cannot lead it there.
func ownReach(host string) reach {
	if addr, err := netip.ParseAddr(host); err == nil {
		return classOf(addr)
	}
	if host = strings.ToLower(host); host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return loopback
	}
	return lan
}

// refusal is a connection that is not made.
type refusal struct {
	to     netip.Addr
	class  reach
	source string // the host that led there
}

// Is makes it final for package origin.
func (r *refusal) Is(target error) bool { return target == origin.ErrRefused }

func (r *refusal) Error() string {
	return fmt.Sprintf("%s leads to %s, %s; if it is meant to, name its network in [cache] allow_private", r.source, r.to, r.class)
}
