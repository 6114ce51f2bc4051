package netup

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
)

// Apply puts a lease to use: address, routes, and the name servers into resolvConf.
func Apply(link Link, lease Lease, resolvConf string) error {
	nic, err := netlink.LinkByIndex(link.Index)
	if err != nil {
		return fmt.Errorf("configure %s: %w", link.Name, err)
	}
	if lease.MTU > 0 {
		// A driver may refuse it; the link still works with the MTU that it has.
		_ = netlink.LinkSetMTU(nic, lease.MTU)
	}
	if err := setAddress(nic, lease.Address); err != nil {
		return fmt.Errorf("set %s on %s: %w", lease.Address, link.Name, err)
	}
	if err := setRoutes(link.Index, lease); err != nil {
		return fmt.Errorf("routes of %s: %w", link.Name, err)
	}
	return os.WriteFile(resolvConf, []byte(resolver(lease)), 0o644)
}

// setAddress makes address the only IPv4 address of the NIC. Old ones go first: a new one in the
// same subnet would be secondary to an old one, and vanish with it.
func setAddress(nic netlink.Link, address netip.Prefix) error {
	wanted := &netlink.Addr{IPNet: ipNet(address)}
	have, err := netlink.AddrList(nic, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, a := range have {
		if a.IPNet.String() == wanted.IPNet.String() {
			continue
		}
		if err := netlink.AddrDel(nic, &a); err != nil {
			return err
		}
	}
	return netlink.AddrReplace(nic, wanted)
}

// setRoutes: with option 121 the router of option 3 is not used (RFC 3442).
func setRoutes(index int, lease Lease) error {
	routes := lease.Routes
	if len(routes) == 0 && lease.Gateway.IsValid() {
		routes = []Route{{To: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Via: lease.Gateway}}
	}
	var failed error
	for _, r := range routes {
		route := &netlink.Route{LinkIndex: index, Dst: ipNet(r.To)}
		switch {
		case r.Via.IsUnspecified(): // on the link itself
			route.Scope = netlink.SCOPE_LINK
		default:
			route.Gw = r.Via.AsSlice()
			// A gateway may lie outside of our subnet (a /32 from a cloud's server).
			route.SetFlag(netlink.FLAG_ONLINK)
		}
		if err := netlink.RouteReplace(route); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s via %s: %w", r.To, r.Via, err))
		}
	}
	return failed
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}

// resolver is the text of resolv.conf(5). Names come from the network: what is not a domain
// name stays out.
func resolver(lease Lease) string {
	var b strings.Builder
	var search []string
	for _, name := range lease.Search {
		if isDomain(name) {
			search = append(search, name)
		}
	}
	if len(search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(search[:min(6, len(search))], " "))
	}
	servers := slices.Concat(lease.named, lease.DNS)
	for _, a := range servers[:min(3, len(servers))] {
		fmt.Fprintf(&b, "nameserver %s\n", a)
	}
	return b.String()
}

func isDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// Loopback brings up lo.
func Loopback() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}
