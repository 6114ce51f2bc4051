package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"bty/internal/wire"
)

// isOurs reports whether an address is the appliance's, as far as that is known.
func (e *examination) isOurs(a netip.Addr) (ours, known bool) {
	n := e.Network
	if n == nil || !a.IsValid() {
		return false, false
	}
	for _, own := range n.Addresses {
		if own.Addr().Unmap() == a {
			return true, true
		}
	}
	if n.Advertised.IsValid() {
		return n.Advertised == a, true
	}
	return false, len(n.Addresses) > 0 && !e.isApart()
}

// isApart reports whether the network that the appliance sees is not the host's: it is in a container
// without a link on which machines were seen.
func (e *examination) isApart() bool {
	links := e.seenOn()
	return e.Network.Contained && !slices.ContainsFunc(e.Network.Addresses, func(a Address) bool { return slices.Contains(links, a.Link) })
}

// address is where machines are to reach the appliance: what is set, else its address on a link
// where machines were seen, else any.
func (e *examination) address() netip.Addr {
	n := e.Network
	switch {
	case n == nil:
		return netip.Addr{}
	case n.Advertised.IsValid():
		return n.Advertised
	}
	links := e.seenOn()
	var first netip.Addr
	for _, own := range n.Addresses {
		if slices.Contains(links, own.Link) {
			return own.Addr()
		}
		if !first.IsValid() {
			first = own.Addr()
		}
	}
	return first
}

// seenOn are the links on which machines that boot were seen.
func (e *examination) seenOn() (links []string) {
	for _, s := range e.Seen.Sightings {
		if s.Link != "" && clientOf(s.Asker()).method != other && !slices.Contains(links, s.Link) {
			links = append(links, s.Link)
		}
	}
	slices.Sort(links)
	return links
}

// site is what snippets are filled in with.
func (e *examination) site() wire.DoctorSite {
	a := e.address()
	if !a.IsValid() {
		return wire.DoctorSite{}
	}
	return wire.DoctorSite{Address: a.String(), Port: e.Network.Port, LAN: e.lanOf(a).String()}
}

// lanOf is the network that an address is in, as far as the host knows; else the usual size.
func (e *examination) lanOf(a netip.Addr) netip.Prefix {
	for _, own := range e.Network.Addresses {
		if own.Contains(a) && own.Bits() >= 8 && own.Bits() <= 30 {
			return own.Masked()
		}
	}
	return netip.PrefixFrom(a, 24).Masked()
}

// advertised looks at the address that machines are told.
func (e *examination) advertised() {
	n := e.Network
	if n == nil {
		return
	}
	if !n.Advertised.IsValid() {
		if e.isApart() {
			e.find(wire.Finding{ID: "host.address", Severity: wire.SeverityNote, SubjectKind: host, Subject: host, Title: "Address",
				What: "bty-web runs in a container with a network of its own, so it does not know the address that machines reach it at.",
				Why:  "What DHCP servers say of the appliance's address cannot be judged, and the texts for DHCP servers have to guess.",
				Next: "Set [netboot] address in bty.toml to the host's address in the machines' LAN.", Page: "netboot"})
		}
		return
	}
	ours := slices.ContainsFunc(n.Addresses, func(a Address) bool { return a.Addr().Unmap() == n.Advertised })
	switch {
	case !ours && !e.isApart() && len(n.Addresses) > 0:
		e.find(wire.Finding{ID: "host.address-not-ours", Severity: wire.SeverityError, SubjectKind: host, Subject: n.Advertised.String(), Title: "Address",
			What: fmt.Sprintf("[netboot] address is %s, which is no address of this host. It has %s.", n.Advertised, and(e.ownNames())),
			Why:  "Machines that are sent to that address reach nobody, or somebody else.",
			Next: "Set [netboot] address to the host's address in the machines' LAN, or give the host that address.", Page: "netboot"})
	case ours:
		e.advertisedLink()
	}
}

func (e *examination) ownNames() (names []string) {
	for _, a := range e.Network.Addresses {
		names = append(names, fmt.Sprintf("%s on %s", a.Addr(), a.Link))
	}
	return names[:min(len(names), 8)]
}

// advertisedLink compares it with where machines are. Nothing is wrong if no machine was seen yet.
func (e *examination) advertisedLink() {
	links := e.seenOn()
	if len(links) == 0 {
		return
	}
	a := e.Network.Advertised
	for _, own := range e.Network.Addresses {
		if own.Addr().Unmap() == a && slices.Contains(links, own.Link) {
			return
		}
	}
	i := slices.IndexFunc(e.Network.Addresses, func(own Address) bool { return own.Addr().Unmap() == a })
	e.find(wire.Finding{ID: "host.address-other-link", Severity: wire.SeverityWarning, SubjectKind: host, Subject: a.String(), Title: "Address",
		What: fmt.Sprintf("[netboot] address is %s on %s, but the machines that boot were seen on %s.", a, e.Network.Addresses[i].Link, and(links)),
		Why:  "Without a route between the two, machines cannot reach the appliance.",
		Next: "Set [netboot] address to the host's address in the machines' LAN. If a router leads from there to here, all is well.", Page: "netboot"})
}
