package doctor

import (
	"cmp"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"bty/internal/wire"
)

const (
	// oneBoot is for how long packets of a machine belong to the same start of it.
	oneBoot = 2 * time.Minute
	// stale is when what one machine was told no longer counts because the server tells other
	// machines of its kind something: its configuration may have been mended since.
	stale = 30 * time.Minute
)

// lan tells broadcast domains apart, as far as the appliance sees them.
type lan struct {
	link string
	vlan uint16
}

// exchange is what one server told one machine's program to load, last.
type exchange struct {
	wire.DHCPAnswer
	client client
	lan    lan
}

// server is how the server is called.
func (x exchange) server() string { return cmp.Or(x.Server, x.From) }

// exchanges makes them from the answers: an offer, its acknowledgement and what a proxy says on
// port 4011 are one. Of what was told in one boot, that with a bootfile counts.
func (e *examination) exchanges() {
	type key struct {
		server, mac string
		client      client
		lan         lan
	}
	last := map[key]exchange{}
	for _, a := range e.Seen.Answers {
		if a.Message == "NAK" {
			continue
		}
		for _, text := range []*string{&a.From, &a.Server, &a.Class, &a.Address, &a.NextServer, &a.TFTPServer, &a.Bootfile, &a.Link} {
			*text = printable(*text)
		}
		x := exchange{DHCPAnswer: a, client: e.clientOf(a), lan: lan{a.Link, a.VLAN}}
		k := key{x.server(), x.MAC, x.client, x.lan}
		last[k] = newer(last[k], x)
	}
	newest := map[key]time.Time{}
	for k, x := range last {
		k.mac = ""
		if x.At.After(newest[k]) {
			newest[k] = x.At
		}
	}
	for k, x := range last {
		k.mac = ""
		if newest[k].Sub(x.At) < stale {
			e.exchange = append(e.exchange, x)
		}
	}
	slices.SortFunc(e.exchange, func(a, b exchange) int {
		return cmp.Or(cmp.Compare(a.lan.link, b.lan.link), cmp.Compare(a.lan.vlan, b.lan.vlan), cmp.Compare(a.server(), b.server()),
			cmp.Compare(a.client.method, b.client.method), cmp.Compare(a.client.firmware, b.client.firmware), b.At.Compare(a.At), cmp.Compare(a.MAC, b.MAC))
	})
}

// maxText is how much of an option is told.
const maxText = 200

// printable is what may be shown of an option: anybody on the LAN can put anything into one, and a
// terminal obeys what is no letter.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(strings.TrimRight(s, "\x00"), "?"))
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "..."
	}
	return s
}

func newer(a, b exchange) exchange {
	if a.At.After(b.At) {
		a, b = b, a
	}
	if b.Bootfile == "" && a.Bootfile != "" && b.At.Sub(a.At) < oneBoot {
		a.At = b.At
		a.Address = cmp.Or(b.Address, a.Address)
		return a
	}
	b.Address = cmp.Or(b.Address, a.Address)
	return b
}

// clientOf is what an answer was for: the request that it names, else the nearest in time.
func (e *examination) clientOf(a wire.DHCPAnswer) client {
	if a.To != nil {
		return clientOf(*a.To)
	}
	var nearest *wire.Sighting
	for _, s := range e.requests[a.MAC] {
		if nearest == nil || apart(s.At, a.At) < apart(nearest.At, a.At) {
			nearest = s
		}
	}
	if nearest == nil {
		return client{}
	}
	return clientOf(nearest.Asker())
}

func apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }

// target is where a machine goes to load what it is told.
type target struct {
	host netip.Addr // not valid if it is a name, or nothing that can be understood
	name string     // of the host, as it is written
	url  *url.URL   // nil for TFTP
	file string     // as it is asked for there
}

func (x exchange) isURL() bool {
	return strings.HasPrefix(x.Bootfile, "http://") || strings.HasPrefix(x.Bootfile, "https://") || strings.HasPrefix(x.Bootfile, "tftp://")
}

// target is that of an exchange with a bootfile. Firmware goes to siaddr; PXE ROMs go by option 66
// where there is no siaddr, and UEFI by the server's own identifier at last.
func (x exchange) target() target {
	if x.isURL() {
		u, err := url.Parse(x.Bootfile)
		if err != nil {
			return target{name: x.Bootfile}
		}
		host, _ := netip.ParseAddr(u.Hostname()) // not valid for a name
		t := target{host: host.Unmap(), name: u.Hostname(), file: strings.TrimPrefix(path.Clean(u.Path), "/")}
		if u.Scheme != "tftp" {
			t.url = u
		}
		return t
	}
	next := x.NextServer
	if a, err := netip.ParseAddr(next); err != nil || a.IsUnspecified() {
		next = cmp.Or(x.TFTPServer, x.server())
	}
	host, _ := netip.ParseAddr(next)
	return target{host: host.Unmap(), name: next, file: x.Bootfile}
}

// servers lists who answers what to whom.
func (e *examination) servers() []wire.DHCPServer {
	list := []wire.DHCPServer{}
	type key struct {
		server string
		lan    lan
	}
	at := map[key]int{}
	for _, x := range e.exchange {
		k := key{x.server(), x.lan}
		i, known := at[k]
		if !known && len(list) == maxServers {
			continue
		}
		if !known {
			i = len(list)
			at[k] = i
			list = append(list, wire.DHCPServer{Server: x.server(), From: x.From, Link: x.Link, VLAN: x.VLAN, Offers: []wire.DHCPOffer{}})
		}
		list[i].Leases = list[i].Leases || x.Address != ""
		if x.At.After(list[i].Last) {
			list[i].Last = x.At
		}
		list[i].Offers = withOffer(list[i].Offers, x)
	}
	return list
}

func withOffer(list []wire.DHCPOffer, x exchange) []wire.DHCPOffer {
	o := wire.DHCPOffer{Client: x.client.String(), Class: x.Class, TFTPServer: x.TFTPServer, Bootfile: x.Bootfile, NextServer: x.NextServer, Machines: 1, Last: x.At}
	for i, known := range list {
		machines, last := known.Machines, known.Last
		known.Machines, known.Last = o.Machines, o.Last
		if known != o {
			continue
		}
		list[i].Machines = machines + 1
		if x.At.After(last) {
			list[i].Last = x.At
		}
		return list
	}
	if len(list) == maxOffers {
		return list
	}
	return append(list, o)
}
