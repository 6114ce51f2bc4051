package doctor

import (
	"net/netip"
	"slices"

	"bty/internal/snippet"
	"bty/internal/wire"
)

// byFirmware are the texts that tell each kind of firmware its own program, for each product that
// can; simplest are those for products that can set one bootfile.
func byFirmware() []string {
	return []string{"dnsmasq-arch", "dnsmasq-proxy-arch", "kea-arch", "isc-dhcpd-arch", "openwrt-arch", "opnsense-isc", "opnsense-kea",
		"opnsense-dnsmasq", "mikrotik-arch", "windows-arch"}
}

func anyBootfile() []string { return append(byFirmware(), "unifi", "unifi-bios") }

// snippets are the texts that findings name, filled in. A site of which nothing is known fills in
// none: the Netboot page asks for it.
func (e *examination) snippets() []wire.DoctorSnippet {
	list := []wire.DoctorSnippet{}
	site := e.site()
	host, err := netip.ParseAddr(site.Address)
	if err != nil || !host.Is4() {
		return list
	}
	lan, err := netip.ParsePrefix(site.LAN)
	if err != nil {
		return list
	}
	wanted := map[string]bool{}
	for _, f := range e.findings {
		for _, id := range f.Snippets {
			wanted[id] = true
		}
	}
	if len(wanted) == 0 {
		return list
	}
	products, err := snippet.Snippets(snippet.Site{Host: host, Port: site.Port, Subnet: lan})
	if err != nil {
		return list // the Netboot page, which needs them all, says so
	}
	for _, p := range products {
		for _, t := range p.Texts {
			if wanted[t.ID] {
				list = append(list, wire.DoctorSnippet{ID: t.ID, Product: p.Title, Title: t.Title, Steps: slices.Clone(p.Steps), Body: t.Body})
			}
		}
	}
	return list
}
