package deploy

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"bty/internal/doctor"
	"bty/internal/snippet"
)

// Summary is what an operator has to know of a site that is up: where it is, and what the LAN's DHCP
// server has to say.
func Summary(s Site, port int, own []doctor.Address) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Pages and API:  %s\n", s.url(port, "/"))
	if s.Has("bty-cache") {
		fmt.Fprintf(&b, "Image cache:    %s\n", s.url(service("bty-cache").Ports[0].Number, "/"))
	}
	b.WriteString("\n" + s.dhcp(port, own))
	return b.String()
}

// URL is that of the pages.
func (s Site) URL(port int) string { return s.url(port, "/") }

func (s Site) url(port int, path string) string {
	return "http://" + net.JoinHostPort(s.Address.String(), strconv.Itoa(port)) + path
}

// dhcp is for the LAN's DHCP server. One bootfile is enough.
func (s Site) dhcp(port int, own []doctor.Address) string {
	if !s.Address.Is4() {
		return "DHCP: machines boot from IPv4 addresses alone, and this deployment has " + s.Address.String() + ". Deploy with --host-addr and an IPv4 address for network boot.\n"
	}
	if !s.Has("bty-tftp") {
		return fmt.Sprintf("DHCP, for UEFI HTTP Boot (there is no TFTP here):\n  option 60 (vendor class)  HTTPClient\n  option 67 (bootfile)      %s\n", s.url(port, "/boot/ipxe.efi"))
	}
	text := fmt.Sprintf("DHCP, on the server that gives machines their addresses:\n  option 66 (next server)  %s\n  option 67 (bootfile)     ipxe.efi, or undionly.kpxe where all machines are BIOS\n", s.Address)
	if body, err := snippet.Fill("dnsmasq", snippet.Site{Host: s.Address, Port: port, Subnet: subnet(s.Address, own)}); err == nil {
		text += "As dnsmasq spells it:\n  " + strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n  ") + "\n"
	}
	return text + "Other servers, ready to copy: " + s.url(port, "/ui/netboot") + "\n"
}

// subnet is that of an address of this host; of another's, the likeliest.
func subnet(a netip.Addr, own []doctor.Address) netip.Prefix {
	for _, x := range own {
		if x.Addr() == a {
			return x.Masked()
		}
	}
	const likely = 24
	return netip.PrefixFrom(a, likely).Masked()
}
