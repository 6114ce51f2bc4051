package doctor

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"bty/internal/nbp"
	"bty/internal/tftp/probe"
	"bty/internal/wire"
)

const (
	box    = "52:54:00:00:00:01"
	box2   = "52:54:00:00:00:02"
	own    = "192.0.2.1"
	router = "192.0.2.254"
	lease  = "192.0.2.50"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// patient is what the doctor looks at: an appliance with nothing wrong, and what was seen of its LAN.
type patient struct{ Facts }

func well() *patient {
	isDefault := false
	return &patient{Facts{
		Network: &Network{Addresses: []Address{{netip.MustParsePrefix("127.0.0.1/8"), "lo"}, {netip.MustParsePrefix(own + "/24"), "eth0"}, {netip.MustParsePrefix("198.51.100.9/24"), "eth1"}}, Port: 8080},
		Boot: &Boot{
			Has:      func(name string) bool { return nbp.Advice(name) != "" && !strings.Contains(name, "riscv") },
			Programs: []Program{program("undionly.kpxe", "BIOS over TFTP", ""), program("ipxe.efi", "64-bit UEFI", nbp.X64), program("ipxe-arm64.efi", "arm64 UEFI", nbp.ARM64)},
			Live:     []Live{{"x86_64", ""}, {"arm64", ""}},
		},
		TFTP: &TFTP{probe.Serves, own, 69}, Default: &isDefault,
		Clock:   &Clock{Now: now, Synchronised: true},
		Disks:   []Disk{{Folder: "/var/lib/bty", For: "the state", Free: 50e9, Size: 100e9}},
		Rules:   &Firewall{By: "nftables", Next: "Add a rule."},
		Ports:   []Port{{"udp", 69, "bty-tftp", "bty-tftp.socket", false, []Process{{PID: 1, Name: "systemd", Unit: "bty-tftp.socket"}}, false}, {"tcp", 8080, "bty-web", "bty-web.socket", false, []Process{{PID: 1, Name: "systemd"}, {PID: 70, Name: "bty-web"}}, false}},
		Daemons: []Process{{PID: 70, Name: "bty-web", Unit: "bty-web.service"}},
		Request: func(string, netip.Addr) time.Time { return now },
		Script:  func(string) time.Time { return now },
	}}
}

func program(name, what string, f nbp.Firmware) Program {
	return Program{Name: name, For: what, Path: "/usr/lib/ipxe/" + name, Content: nbp.Content{Firmware: f, Readable: f != "", Autoexec: f != "", Version: "1.21.1"}}
}

// kinds of clients as their firmware asks.
func pxe(arch uint16) wire.Asker {
	return wire.Asker{Class: fmt.Sprintf("PXEClient:Arch:%05d:UNDI:003016", arch), ArchCode: &arch}
}

func httpBoot(arch uint16) wire.Asker {
	return wire.Asker{Class: fmt.Sprintf("HTTPClient:Arch:%05d:UNDI:003001", arch), ArchCode: &arch}
}

var ipxe = wire.Asker{Class: "PXEClient:Arch:00007:UNDI:003010", UserClass: "iPXE"}

// asks has a machine ask; ago is before now.
func (p *patient) asks(mac string, a wire.Asker, ago time.Duration) *patient {
	p.Seen.Sightings = append(p.Seen.Sightings, wire.Sighting{At: now.Add(-ago), MAC: mac, Message: "DISCOVER", Class: a.Class, UserClass: a.UserClass, ArchCode: a.ArchCode, Link: "eth0", Count: 2})
	return p
}

// told has the machine that asked last be answered.
func (p *patient) told(a wire.DHCPAnswer) *patient {
	last := p.Seen.Sightings[len(p.Seen.Sightings)-1]
	asker := last.Asker()
	a.At, a.MAC, a.Link, a.Message, a.Count, a.To = last.At.Add(time.Millisecond), last.MAC, last.Link, cmp.Or(a.Message, "ACK"), 1, &asker
	a.From, a.Server = cmp.Or(a.From, router), cmp.Or(a.Server, a.From, router)
	p.Seen.Answers = append(p.Seen.Answers, a)
	return p
}

// boots has a machine ask and be told a bootfile of the appliance.
func (p *patient) boots(mac string, a wire.Asker, file string) *patient {
	return p.asks(mac, a, time.Minute).told(wire.DHCPAnswer{Address: lease, NextServer: own, Bootfile: file})
}

const base = "http://" + own + ":8080/boot/"

// cases has a row for every finding that there is, and for what must not be one.
var cases = []struct {
	name string
	make func(*patient)
	id   string
	sev  wire.Severity
	says string // in what, why or next
	not  string // an ID that must not be found
}{
	{"x86_64 UEFI gets ipxe.efi", func(p *patient) { p.boots(box, pxe(7), "ipxe.efi") }, "dhcp.well", "ok", "x86_64 UEFI over PXE is told to load ipxe.efi from 192.0.2.1", "dhcp.wrong-program"},
	{"UEFI of type 9", func(p *patient) { p.boots(box, pxe(9), "snponly.efi") }, "dhcp.well", "ok", "snponly.efi", ""},
	{"BIOS", func(p *patient) { p.boots(box, pxe(0), "undionly.kpxe") }, "dhcp.well", "ok", "BIOS over PXE", ""},
	{"arm64", func(p *patient) { p.boots(box, pxe(11), "ipxe-arm64.efi") }, "dhcp.well", "ok", "arm64", ""},
	{"HTTP Boot", func(p *patient) {
		p.asks(box, httpBoot(16), time.Minute).told(wire.DHCPAnswer{Address: lease, Class: "HTTPClient", Bootfile: base + "ipxe.efi"})
	}, "dhcp.well", "ok", "x86_64 UEFI HTTP Boot is told to load http://", ""},
	{"the architecture in the class alone", func(p *patient) { a := pxe(7); a.ArchCode = nil; p.boots(box, a, "undionly.kpxe") }, "dhcp.wrong-program", "error", "x86_64", ""},
	{"an arch that nobody knows", func(p *patient) { p.boots(box, pxe(999), "ipxe.efi") }, "dhcp.well", "ok", "firmware of no known kind", "dhcp.wrong-program"},
	{"a windows path", func(p *patient) { p.boots(box, pxe(7), `\boot\x64\ipxe.efi`) }, "dhcp.missing-file", "error", "no such file", ""},

	{"no bootfile", func(p *patient) {
		p.asks(box, pxe(7), time.Minute).told(wire.DHCPAnswer{Message: "OFFER", Address: lease}).told(wire.DHCPAnswer{Address: lease})
	}, "dhcp.no-bootfile", "error", "192.0.2.254 offers x86_64 UEFI over PXE an address and no bootfile", "dhcp.well"},
	{"the acknowledgement repeats the bootfile not", func(p *patient) {
		p.asks(box, pxe(7), time.Minute).told(wire.DHCPAnswer{Message: "OFFER", Address: lease, NextServer: own, Bootfile: "ipxe.efi"}).told(wire.DHCPAnswer{Address: lease})
	}, "dhcp.well", "ok", "ipxe.efi", "dhcp.no-bootfile"},
	{"a proxy adds it", func(p *patient) {
		p.asks(box, pxe(7), time.Minute).told(wire.DHCPAnswer{Address: lease}).told(wire.DHCPAnswer{From: "192.0.2.2", Class: "PXEClient", NextServer: own, Bootfile: "ipxe.efi"})
	}, "dhcp.well", "ok", "ipxe.efi", "dhcp.no-bootfile"},
	{"a proxy that is asked on port 4011", func(p *patient) {
		p.asks(box, pxe(7), time.Minute).told(wire.DHCPAnswer{Address: lease}).told(wire.DHCPAnswer{From: "192.0.2.2", Class: "PXEClient"})
	}, "", "", "", "dhcp.no-bootfile"},
	{"a system asks", func(p *patient) {
		p.asks(box, wire.Asker{Class: "MSFT 5.0"}, time.Minute).told(wire.DHCPAnswer{Address: lease})
	}, "", "", "", "dhcp.no-bootfile"},
	{"HTTP Boot alone, and no URL", func(p *patient) { p.asks(box, httpBoot(16), time.Minute).told(wire.DHCPAnswer{Address: lease}) }, "dhcp.no-bootfile", "error", "no URL", ""},
	{"HTTP Boot beside PXE", func(p *patient) {
		p.boots(box, pxe(7), "ipxe.efi").asks(box, httpBoot(16), 50*time.Second).told(wire.DHCPAnswer{Address: lease})
	}, "dhcp.no-http-boot", "note", "Nothing is wrong", "dhcp.no-bootfile"},

	{"BIOS program for UEFI", func(p *patient) { p.boots(box, pxe(7), "undionly.kpxe") }, "dhcp.wrong-program", "error", "these are to load ipxe.efi", "dhcp.well"},
	{"UEFI program for BIOS", func(p *patient) { p.boots(box, pxe(0), "ipxe.efi") }, "dhcp.wrong-program", "error", "these are to load undionly.kpxe", ""},
	{"x86_64 program for arm64", func(p *patient) { p.boots(box, pxe(11), "ipxe.efi") }, "dhcp.wrong-program", "error", "these are to load ipxe-arm64.efi", ""},
	{"pxelinux for UEFI", func(p *patient) { p.boots(box, pxe(7), "pxelinux.0") }, "dhcp.wrong-program", "error", "pxelinux.0, which is for BIOS", ""},
	{"HTTP URL of a BIOS program", func(p *patient) {
		p.asks(box, httpBoot(16), time.Minute).told(wire.DHCPAnswer{Address: lease, Class: "HTTPClient", Bootfile: base + "undionly.kpxe"})
	}, "dhcp.wrong-program", "error", base + "ipxe.efi", ""},

	{"no HTTPClient", func(p *patient) {
		p.asks(box, httpBoot(16), time.Minute).told(wire.DHCPAnswer{Address: lease, Bootfile: base + "ipxe.efi"})
	}, "dhcp.http-no-echo", "error", "option 60", "dhcp.well"},
	{"PXEClient for HTTP Boot", func(p *patient) {
		p.asks(box, httpBoot(16), time.Minute).told(wire.DHCPAnswer{Address: lease, Class: "PXEClient", Bootfile: base + "ipxe.efi"})
	}, "dhcp.http-no-echo", "error", "HTTPClient", ""},
	{"a file name for HTTP Boot", func(p *patient) {
		p.asks(box, httpBoot(19), time.Minute).told(wire.DHCPAnswer{Address: lease, Class: "HTTPClient", NextServer: own, Bootfile: "ipxe.efi"})
	}, "dhcp.http-no-url", "error", base + "ipxe-arm64.efi", ""},
	{"a URL for PXE", func(p *patient) { p.boots(box, pxe(7), base+"ipxe.efi") }, "dhcp.url-for-pxe", "error", "PXE loads over TFTP", ""},

	{"another port", func(p *patient) {
		p.asks(box, httpBoot(16), time.Minute).told(wire.DHCPAnswer{Address: lease, Class: "HTTPClient", Bootfile: "http://" + own + "/boot/ipxe.efi"})
	}, "dhcp.wrong-port", "error", "port 8080", ""},
	{"a file that is not there", func(p *patient) { p.boots(box, pxe(7), "grub/grubx64.efi") }, "dhcp.missing-file", "error", "grubx64.efi from the appliance", "dhcp.well"},
	{"an iPXE that is not installed", func(p *patient) { p.boots(box, pxe(27), "ipxe-riscv64.efi") }, "dhcp.missing-file", "error", "install the distribution's iPXE", ""},
	{"a URL beside the boot folder", func(p *patient) {
		p.asks(box, ipxe, time.Minute).told(wire.DHCPAnswer{Address: lease, Bootfile: "http://" + own + ":8080/ipxe/menu"})
	}, "dhcp.missing-file", "error", "ipxe/menu", ""},
	{"the script's URL for iPXE", func(p *patient) {
		p.asks(box, ipxe, time.Minute).told(wire.DHCPAnswer{Address: lease, Bootfile: "http://" + own + ":8080/pxe-bootstrap.ipxe"})
	}, "", "", "", "dhcp.missing-file"},
	{"autoexec", func(p *patient) { p.boots(box, ipxe, "autoexec.ipxe") }, "", "", "", "dhcp.missing-file"},
	{"iPXE is given its program again", func(p *patient) { p.boots(box, ipxe, "ipxe.efi") }, "", "", "", "dhcp.other-host"},

	{"another host", func(p *patient) {
		p.asks(box, pxe(7), time.Minute).told(wire.DHCPAnswer{Address: lease, NextServer: "192.0.2.77", Bootfile: "ipxe.efi"})
	}, "dhcp.other-host", "warning", "192.0.2.77", "dhcp.missing-file"},
	{"a URL of another host", func(p *patient) {
		p.asks(box, httpBoot(16), time.Minute).told(wire.DHCPAnswer{Address: lease, Class: "HTTPClient", Bootfile: "http://192.0.2.77:8080/boot/ipxe.efi"})
	}, "dhcp.other-host", "warning", "Let the URL name 192.0.2.1", ""},
	{"no next server", func(p *patient) {
		p.asks(box, pxe(7), time.Minute).told(wire.DHCPAnswer{Address: lease, Bootfile: "ipxe.efi"})
	}, "dhcp.other-host", "warning", "No next server is named", ""},
	{"option 66 alone", func(p *patient) {
		p.asks(box, pxe(7), time.Minute).told(wire.DHCPAnswer{Address: lease, NextServer: "0.0.0.0", TFTPServer: own, Bootfile: "ipxe.efi"})
	}, "dhcp.well", "ok", "ipxe.efi", "dhcp.other-host"},
	{"a name as the next server", func(p *patient) {
		p.asks(box, pxe(7), time.Minute).told(wire.DHCPAnswer{Address: lease, TFTPServer: "boot.example", Bootfile: "ipxe.efi"})
	}, "dhcp.well", "ok", "boot.example", "dhcp.other-host"},
	{"the advertised address is ours, too", func(p *patient) {
		p.Network.Advertised = netip.MustParseAddr("203.0.113.9")
		p.asks(box, pxe(7), time.Minute).told(wire.DHCPAnswer{Address: lease, NextServer: "203.0.113.9", Bootfile: "ipxe.efi"})
	}, "dhcp.well", "ok", "", "dhcp.other-host"},
	{"in a container nobody knows", func(p *patient) {
		p.Network.Contained, p.Network.Addresses = true, []Address{{netip.MustParsePrefix("10.88.0.5/16"), "tap0"}}
		p.asks(box, pxe(7), time.Minute).told(wire.DHCPAnswer{Address: lease, NextServer: "192.0.2.77", Bootfile: "ipxe.efi"})
	}, "host.address", "note", "container", "dhcp.other-host"},

	{"a container with the host's network", func(p *patient) {
		p.Network.Contained = true
		p.asks(box, pxe(7), time.Minute).told(wire.DHCPAnswer{Address: lease, NextServer: "192.0.2.77", Bootfile: "ipxe.efi"})
	}, "dhcp.other-host", "warning", "192.0.2.77", "host.address"},
	{"two servers", func(p *patient) {
		p.boots(box, pxe(7), "ipxe.efi").told(wire.DHCPAnswer{From: "192.0.2.3", Address: "192.0.2.51", NextServer: own, Bootfile: "snponly.efi"})
	}, "dhcp.servers-disagree", "warning", "192.0.2.254 says ipxe.efi from 192.0.2.1 and 192.0.2.3 says snponly.efi from 192.0.2.1", ""},
	{"a proxy beside a server with a bootfile", func(p *patient) {
		p.boots(box, pxe(7), "ipxe.efi").told(wire.DHCPAnswer{From: "192.0.2.3", Class: "PXEClient"})
	}, "dhcp.servers-disagree", "warning", "192.0.2.3 says to ask it on port 4011", ""},
	{"two servers that agree", func(p *patient) {
		p.boots(box, pxe(7), "ipxe.efi").told(wire.DHCPAnswer{From: "192.0.2.3", Address: "192.0.2.51", NextServer: own, Bootfile: "ipxe.efi"})
	}, "dhcp.two-servers", "note", "192.0.2.254 and 192.0.2.3", "dhcp.servers-disagree"},
	{"what was told another machine long ago", func(p *patient) {
		p.asks(box, pxe(7), 2*time.Hour).told(wire.DHCPAnswer{Address: lease}).boots(box2, pxe(7), "ipxe.efi")
	}, "dhcp.well", "ok", "", "dhcp.no-bootfile"},
	{"a refusal is no offer", func(p *patient) {
		p.boots(box, pxe(7), "ipxe.efi").told(wire.DHCPAnswer{Message: "NAK", From: "192.0.2.3"})
	}, "dhcp.well", "ok", "", "dhcp.two-servers"},

	{"nothing seen", func(p *patient) {}, "dhcp.nothing-seen", "note", "bty-sniff", ""},
	{"no answers", func(p *patient) { p.asks(box, pxe(7), time.Minute) }, "dhcp.no-answer-seen", "note", "no fault by itself", ""},
	{"no answer to one of them", func(p *patient) { p.boots(box, pxe(7), "ipxe.efi").asks(box2, pxe(7), time.Minute) }, "dhcp.no-answer-seen", "note", "pool is full", ""},
	{"no answer yet", func(p *patient) { p.asks(box, pxe(7), time.Second) }, "", "", "", "dhcp.no-answer-seen"},

	{"asked for nothing", func(p *patient) {
		p.Request = func(string, netip.Addr) time.Time { return time.Time{} }
		p.asks(box, pxe(7), 3*time.Minute).told(wire.DHCPAnswer{Address: lease, NextServer: own, Bootfile: "ipxe.efi"})
	}, "machine.silent", "warning", "UDP port 69", ""},
	{"asked for nothing over HTTP", func(p *patient) {
		p.Request = func(string, netip.Addr) time.Time { return time.Time{} }
		p.asks(box, httpBoot(16), 3*time.Minute).told(wire.DHCPAnswer{Address: lease, Class: "HTTPClient", Bootfile: base + "ipxe.efi"})
	}, "machine.silent", "warning", "TCP port 8080", ""},
	{"asked for nothing behind a proxy", func(p *patient) {
		p.Request = func(string, netip.Addr) time.Time { return time.Time{} }
		p.asks(box, pxe(7), 3*time.Minute).told(wire.DHCPAnswer{Address: lease}).told(wire.DHCPAnswer{From: "192.0.2.2", Class: "PXEClient", NextServer: own, Bootfile: "ipxe.efi"})
	}, "machine.silent", "warning", lease, ""},
	{"may still ask", func(p *patient) {
		p.Request = func(string, netip.Addr) time.Time { return time.Time{} }
		p.boots(box, pxe(7), "ipxe.efi")
	}, "dhcp.well", "ok", "", "machine.silent"},
	{"asked by its address", func(p *patient) {
		p.Request = func(mac string, a netip.Addr) time.Time {
			if a.String() != lease || mac != box {
				return time.Time{}
			}
			return now.Add(-170 * time.Second)
		}
		p.asks(box, pxe(7), 3*time.Minute).told(wire.DHCPAnswer{Address: lease, NextServer: own, Bootfile: "ipxe.efi"})
	}, "dhcp.well", "ok", "", "machine.silent"},
	{"many silent machines", func(p *patient) {
		p.Request = func(string, netip.Addr) time.Time { return time.Time{} }
		for i := range maxSilent + 3 {
			p.asks(fmt.Sprintf("52:54:00:00:01:%02x", i), pxe(7), 3*time.Minute).told(wire.DHCPAnswer{Address: fmt.Sprintf("192.0.2.%d", 100+i), NextServer: own, Bootfile: "ipxe.efi"})
		}
	}, "machine.silent-more", "warning", "3 more machines", ""},
	{"iPXE loads itself", func(p *patient) {
		p.Script = func(string) time.Time { return time.Time{} }
		p.asks(box, ipxe, time.Minute).told(wire.DHCPAnswer{Address: lease, NextServer: "192.0.2.77", Bootfile: "ipxe.efi"})
		p.Seen.Sightings[0].Count = 40
	}, "machine.ipxe-loop", "error", "40 times in a row, and is told to load ipxe.efi from 192.0.2.77", ""},
	{"iPXE that has asked for its script", func(p *patient) {
		p.boots(box, ipxe, "ipxe.efi")
		p.Seen.Sightings[0].Count = 40
	}, "", "", "", "machine.ipxe-loop"},

	{"an address of somebody else", func(p *patient) { p.Network.Advertised = netip.MustParseAddr("192.0.2.9") }, "host.address-not-ours", "error", "192.0.2.1 on eth0", ""},
	{"an address on another link", func(p *patient) {
		p.Network.Advertised = netip.MustParseAddr("198.51.100.9")
		p.boots(box, pxe(7), "ipxe.efi")
	}, "host.address-other-link", "warning", "on eth1, but the machines that boot were seen on eth0", ""},
	{"the right address", func(p *patient) {
		p.Network.Advertised = netip.MustParseAddr(own)
		p.boots(box, pxe(7), "ipxe.efi")
	}, "dhcp.well", "ok", "", "host.address-other-link"},

	{"bty-web is down", func(p *patient) { p.Down = "nobody listens" }, "host.down", "error", "nobody listens", ""},
	{"TFTP serves", func(p *patient) {}, "host.tftp", "ok", "answers", ""},
	{"another TFTP server", func(p *patient) { p.TFTP.Outcome = probe.Refuses }, "host.tftp", "warning", "Another server answers at 192.0.2.1", ""},
	{"no TFTP server", func(p *patient) { p.TFTP.Outcome = probe.Silent }, "host.tftp", "warning", "bty-tftp.socket", ""},
	{"port taken", func(p *patient) {
		p.Ports[0].Holders = []Process{{PID: 51, Name: "in.tftpd", Unit: "tftpd-hpa.service"}}
	}, "host.port-taken", "error", "in.tftpd (pid 51, tftpd-hpa.service)", "host.port-free"},
	{"port taken by another socket unit", func(p *patient) { p.Ports[0].Holders = []Process{{PID: 1, Name: "systemd", Unit: "tftp.socket"}} }, "host.port-taken", "error", "systemctl disable --now tftp.socket", ""},
	{"port taken by a container", func(p *patient) {
		p.Ports[0].Holders = []Process{{PID: 51, Name: "dnsmasq", Engine: "podman", Container: "0123456789ab"}}
	}, "host.port-taken", "error", "dnsmasq (pid 51, container 0123456789ab)", "host.port-free"},
	{"how to stop a container", func(p *patient) {
		p.Ports[0].Holders = []Process{{PID: 51, Name: "dnsmasq", Engine: "docker", Container: "0123456789ab"}}
	}, "host.port-taken", "error", "docker stop 0123456789ab", ""},
	{"no TFTP server, seen from a container", func(p *patient) { p.TFTP.Outcome, p.InContainer = probe.Silent, true }, "host.tftp", "warning", "on the host of this container: bty-lab deploy --without none", ""},
	{"port free", func(p *patient) { p.Ports[0].Holders = nil }, "host.port-free", "warning", "systemctl enable --now bty-tftp.socket", ""},
	{"port free, units of a user", func(p *patient) { p.Ports[0].Holders, p.OfUser = nil, true }, "host.port-free", "warning", "systemctl --user enable --now bty-tftp.socket starts it", ""},
	{"bty-web of a user is down", func(p *patient) { p.Down, p.OfUser = "nobody listens", true }, "host.down", "error", "journalctl --user -u bty-web says", ""},
	{"cache of a user is down", func(p *patient) { p.Cache, p.OfUser = &Cache{Down: "nobody listens"}, true }, "host.cache", "warning", "systemctl --user status bty-cache.socket", ""},
	{"port of somebody", func(p *patient) { p.Ports[0].Holders, p.Ports[0].Hidden = nil, true }, "host.port-hidden", "note", "as root", ""},
	{"port of the cache, which is off", func(p *patient) { p.Ports = append(p.Ports, cachePort()) }, "host.port", "ok", "", "host.port-free"},
	{"port of the cache, of somebody else", func(p *patient) {
		p.Ports = append(p.Ports, cachePort(Process{PID: 61, Name: "grafana", Unit: "grafana.service"}))
	}, "host.port-other", "note", "grafana (pid 61, grafana.service)", "host.port-taken"},
	{"port of the cache, its own", func(p *patient) {
		p.Ports = append(p.Ports, cachePort(Process{PID: 1, Name: "systemd", Unit: "bty-cache.socket"}))
	}, "host.port", "ok", "TCP port 3000", "host.port-other"},
	{"cache works", func(p *patient) { p.Cache = &Cache{Images: 3, Held: 9e9, Free: 50e9} }, "host.cache", "ok", "3 images, 9.0 GB; 50.0 GB", ""},
	{"cache is off", func(p *patient) {}, "", "", "", "host.cache"},
	{"cache is down", func(p *patient) { p.Cache = &Cache{Down: "nobody listens"} }, "host.cache", "warning", "nobody listens", ""},
	{"cache has a problem", func(p *patient) { p.Cache = &Cache{Problem: "its folder cannot be used"} }, "host.cache", "warning", "its folder", ""},
	{"port ours", func(p *patient) {}, "host.port", "ok", "bty-web (pid 70)", "host.port-taken"},
	{"firewall drops", func(p *patient) { p.Rules.Blocked = []string{"UDP port 69"} }, "host.firewall", "error", "nftables drops what comes to UDP port 69", ""},
	{"firewall lets in", func(p *patient) {}, "host.firewall", "ok", "lets machines in", ""},
	{"firewall that depends", func(p *patient) { p.Rules.Unsure = []string{"TCP port 8080"} }, "host.firewall-unsure", "note", "TCP port 8080", ""},
	{"firewall out of sight", func(p *patient) { p.Rules.Blind = "nft: not permitted" }, "host.firewall-unseen", "note", "nft: not permitted", ""},
	{"no live environment", func(p *patient) { p.Boot.Live[0].Missing = "bty-live-x86_64.vmlinuz" }, "host.live", "error", "bty-live-x86_64.vmlinuz is missing", ""},
	{"no arm64", func(p *patient) { p.Boot.Live[1].Missing = "bty-live-arm64.vmlinuz" }, "host.live", "ok", "arm64 is not", ""},
	{"no program", func(p *patient) { p.Boot.Programs[0].Path, p.Boot.Programs[1].Path = "", "" }, "host.programs", "error", "No machine can boot", ""},
	{"no BIOS program", func(p *patient) { p.Boot.Programs[0].Path = "" }, "host.programs", "warning", "undionly.kpxe", ""},
	{"old iPXE", func(p *patient) {
		p.Boot.Programs[1].Content.Autoexec, p.Boot.Programs[1].Content.Version = false, "1.0.0+git-20190125"
	}, "host.program-old", "warning", "1.0.0+git-20190125", ""},
	{"wrong program", func(p *patient) { p.Boot.Programs[1].Content.Firmware = nbp.ARM64 }, "host.program-wrong", "error", "is a program for arm64 UEFI", ""},
	{"clock", func(p *patient) { p.Clock.Now = time.Unix(0, 0) }, "host.clock", "error", "1970-01-01", ""},
	{"clock of the future", func(p *patient) { p.Clock.Now = now.AddDate(300, 0, 0) }, "host.clock", "error", "2326", ""},
	{"clock drifts", func(p *patient) { p.Clock.Synchronised = false }, "host.clock", "warning", "not synchronised", ""},
	{"clock of a container", func(p *patient) { p.Clock.Synchronised, p.Clock.Unknown = false, true }, "", "", "", "host.clock"},
	{"little space", func(p *patient) { p.Disks[0].Free = 9e9 }, "host.space", "warning", "9.0 GB of 100 GB", ""},
	{"very little space", func(p *patient) { p.Disks[0].Free, p.Disks[0].Size = 900e6, 1e9 }, "host.space", "warning", "0.9 GB", ""},
	{"no space", func(p *patient) { p.Disks[0].Free = 100e6 }, "host.space", "error", "Only 100 MB", ""},
	{"no folder", func(p *patient) { p.Disks[0].Err = "permission denied" }, "host.space", "warning", "permission denied", ""},
	{"default password", func(p *patient) { *p.Default = true }, "host.password", "warning", "BTY_ADMIN_PASSWORD", ""},
	{"two instances", func(p *patient) { p.Daemons = append(p.Daemons, Process{PID: 99, Name: "bty-web"}) }, "host.instances", "warning", "bty-web (pid 99)", ""},
	{"previous system", func(p *patient) { p.OldDB = "/var/lib/bty/state.db" }, "host.previous", "note", "bty-lab import /var/lib/bty/state.db", ""},
	{"no previous stack", func(p *patient) { p.Previous = &Previous{Port: 8080} }, "", "", "", "host.previous-stack"},
	{"previous stack of units", func(p *patient) {
		p.Previous = &Previous{Version: "0.65.4", Port: 8080, Quadlets: []string{"/etc/containers/systemd/bty-tftp.container", "/etc/containers/systemd/bty-web.container"}, State: "/opt/x/data/bty"}
	}, "host.previous-stack", "warning", "Then: systemctl stop bty-tftp.service bty-web.service; mkdir -p /root/bty-before; mv /etc/containers/systemd/bty-tftp.container /etc/containers/systemd/bty-web.container /root/bty-before/; " +
		"systemctl daemon-reload; systemctl enable --now bty-web.socket bty-tftp.socket; bty-lab import /opt/x/data/bty.", ""},
	{"previous stack of compose", func(p *patient) {
		p.Previous = &Previous{Containers: []PreviousContainer{{"a", "ghcr.io/safl/bty-web:1", "/srv/bty"}, {"b", "ghcr.io/safl/withcache:1", "/srv/bty"}, {"c", "ghcr.io/safl/nbdmux:1", ""}}}
	}, "host.previous-stack", "warning", "Then: cd /srv/bty && podman-compose --profile tftp down; podman stop c; systemctl enable", ""},
	{"previous program", func(p *patient) { p.Previous = &Previous{Version: "0.65.4", Port: 8080} }, "host.previous-stack", "warning", "bty 0.65.4 answers on port 8080", ""},
}

// cachePort is the port of a daemon that may be off.
func cachePort(holders ...Process) Port {
	return Port{Network: "tcp", Number: 3000, Daemon: "bty-cache", Unit: "bty-cache.socket", Optional: true, Holders: holders}
}

func TestFindings(t *testing.T) {
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			p := well()
			test.make(p)
			d := Examine(p.Facts, now)
			found := test.id == ""
			for _, f := range d.Findings {
				if f.ID == test.not {
					t.Errorf("found: %+v", f)
				}
				if f.ID == test.id && f.Severity == test.sev && strings.Contains(f.What+f.Why+f.Next, test.says) {
					found = true
				}
				complete(t, f)
			}
			if !found {
				t.Errorf("no %s %s that says %q in\n%s", test.sev, test.id, test.says, shown(d.Findings))
			}
			if !slices.IsSortedFunc(d.Findings, func(a, b wire.Finding) int { return rank(a.Severity) - rank(b.Severity) }) {
				t.Errorf("order: %s", shown(d.Findings))
			}
			for _, f := range d.Findings {
				for _, id := range f.Snippets {
					i := slices.IndexFunc(d.Snippets, func(s wire.DoctorSnippet) bool { return s.ID == id })
					if i < 0 || !strings.Contains(d.Snippets[i].Body, d.Site.Address) {
						t.Errorf("%s names the text %s, which is not there or not filled in", f.ID, id)
					}
				}
			}
		})
	}
}

// complete checks that a finding says all that people need.
func complete(t *testing.T, f wire.Finding) {
	t.Helper()
	if f.ID == "" || f.Subject == "" || f.SubjectKind == "" || f.Title == "" || f.What == "" || rank(f.Severity) < 0 {
		t.Errorf("%+v", f)
	}
	if f.Severity != wire.SeverityOK && (f.Why == "" || f.Next == "") {
		t.Errorf("why, and what next: %+v", f)
	}
	if strings.Contains(f.What+f.Why+f.Next, "%!") || strings.Contains(f.What+f.Next, "invalid") {
		t.Errorf("%+v", f)
	}
}

func shown(list []wire.Finding) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%-8s %s [%s] %s %s %s\n", f.Severity, f.ID, f.Subject, f.What, f.Why, f.Next)
	}
	return b.String()
}

// Nothing is wrong with what is well, and what nobody looked at is not spoken of.
func TestNothingToFind(t *testing.T) {
	p := well()
	p.boots(box, pxe(7), "ipxe.efi").boots(box2, pxe(0), "undionly.kpxe")
	for _, f := range Examine(p.Facts, now).Findings {
		if f.Severity != wire.SeverityOK {
			t.Errorf("%+v", f)
		}
	}
	d := Examine(Facts{}, now)
	if len(d.Findings) != 1 || d.Findings[0].ID != "dhcp.nothing-seen" || d.Servers == nil || d.Snippets == nil {
		t.Errorf("%+v", d)
	}
}

// The table has a row for each finding of the source, and the source for each of the table.
func TestEveryFindingHasARow(t *testing.T) {
	made := map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"((?:dhcp|host|machine)\.[a-z-]+)"`).FindAllSubmatch(source, -1) {
			made[string(m[1])] = true
		}
	}
	page, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	for id := range made {
		if !strings.Contains(string(page), "| `"+id+"` |") {
			t.Errorf("docs/doctor.md does not explain %s", id)
		}
	}
	rows := map[string]bool{}
	for _, test := range cases {
		rows[test.id] = true
		if test.id != "" && !made[test.id] {
			t.Errorf("nothing makes %s", test.id)
		}
	}
	for id := range made {
		if !rows[id] {
			t.Errorf("no row finds %s", id)
		}
	}
	if len(made) < 30 {
		t.Errorf("%d findings in the source", len(made))
	}
}

func TestServers(t *testing.T) {
	p := well()
	p.boots(box, pxe(7), "ipxe.efi").boots(box2, pxe(7), "ipxe.efi").boots(box, ipxe, "ipxe.efi").
		asks(box, httpBoot(16), time.Minute).told(wire.DHCPAnswer{From: "192.0.2.2", Class: "HTTPClient", Bootfile: base + "ipxe.efi"})
	servers := Examine(p.Facts, now).Servers
	if len(servers) != 2 || servers[0].Server != "192.0.2.2" || servers[0].Leases || !servers[1].Leases || servers[1].Link != "eth0" {
		t.Fatalf("%+v", servers)
	}
	offers := servers[1].Offers
	if len(offers) != 2 || offers[0].Client != "x86_64 UEFI over PXE" || offers[0].Machines != 2 || offers[0].Bootfile != "ipxe.efi" || offers[0].NextServer != own || offers[1].Client != "iPXE" {
		t.Errorf("%+v", offers)
	}
}

// Answers whose request is not named belong to the nearest one in time.
func TestAnswersWithoutTheirRequest(t *testing.T) {
	p := well()
	p.boots(box, pxe(0), "ipxe.efi").asks(box, ipxe, 30*time.Second).told(wire.DHCPAnswer{Address: lease, NextServer: own, Bootfile: "ipxe.efi"})
	for i := range p.Seen.Answers {
		p.Seen.Answers[i].To = nil
	}
	d := Examine(p.Facts, now)
	if d.Findings[0].ID != "dhcp.wrong-program" || len(d.Servers) != 1 || len(d.Servers[0].Offers) != 2 {
		t.Errorf("%s%+v", shown(d.Findings), d.Servers)
	}
	p.Seen.Sightings = nil
	if d := Examine(p.Facts, now); len(d.Servers) != 1 || d.Servers[0].Offers[0].Client != "other clients" {
		t.Errorf("%+v", d.Servers)
	}
}

// The links and VLANs of a LAN are apart from each other.
func TestVLANs(t *testing.T) {
	p := well()
	p.boots(box, pxe(7), "ipxe.efi").boots(box2, pxe(7), "undionly.kpxe")
	p.Seen.Answers[1].VLAN = 30
	d := Examine(p.Facts, now)
	if f := d.Findings[0]; f.ID != "dhcp.wrong-program" || !strings.Contains(f.Subject, "eth0 VLAN 30") || len(f.Machines) != 1 {
		t.Errorf("%+v", f)
	}
	if len(d.Servers) != 2 || d.Servers[1].VLAN != 30 {
		t.Errorf("%+v", d.Servers)
	}
}

// What comes from the wire is anything.
func FuzzExamine(f *testing.F) {
	f.Add("PXEClient:Arch:00007", "iPXE", uint16(7), own, "ipxe.efi", own, "ACK", lease)
	f.Add("HTTPClient", "", uint16(16), "", "http://[::1", "x", "OFFER", "")
	f.Add("PXEClient\x1b[2J", "", uint16(7), own, "undionly\x1b[31m.kpxe\x00\x00", "10.0.0.1\n", "ACK", lease)
	f.Add("HTTPClient", "", uint16(16), "::", "http://"+own+":8080/boot/../../x", own, "NAK", "999.1.1.1")
	f.Fuzz(func(t *testing.T, class, userClass string, arch uint16, next, file, from, message, address string) {
		p := well()
		p.Request = func(string, netip.Addr) time.Time { return time.Time{} }
		p.Script = func(string) time.Time { return time.Time{} }
		for _, ago := range []time.Duration{time.Second, 10 * time.Minute} {
			p.asks(box, wire.Asker{Class: class, UserClass: userClass, ArchCode: &arch}, ago).
				told(wire.DHCPAnswer{Message: message, From: from, NextServer: next, TFTPServer: next, Bootfile: file, Address: address, Class: class})
		}
		for _, found := range Examine(p.Facts, now).Findings {
			if found.ID == "" || found.What == "" || rank(found.Severity) < 0 {
				t.Errorf("%+v", found)
			}
			if strings.ContainsFunc(found.What+found.Subject+found.Next, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("it has more than letters: %q", found)
			}
		}
	})
}

// A flood of made-up servers costs little and is not told without end.
func TestFlood(t *testing.T) {
	p := well()
	for i := range 4096 {
		p.asks(fmt.Sprintf("52:54:00:01:%02x:%02x", i>>8, i&255), pxe(uint16(i%16)), time.Minute).
			told(wire.DHCPAnswer{From: fmt.Sprintf("198.18.%d.%d", i>>8, i&255), Address: lease, NextServer: own, Bootfile: fmt.Sprintf("%d.kpxe", i)})
	}
	began := time.Now()
	d := Examine(p.Facts, now)
	if len(d.Findings) > maxFindings || len(d.Servers) > maxServers {
		t.Errorf("%d findings, %d servers", len(d.Findings), len(d.Servers))
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

func BenchmarkExamine(b *testing.B) {
	p := well()
	for i := range 4096 {
		p.boots(fmt.Sprintf("52:54:00:01:%02x:%02x", i>>8, i&255), pxe(7), "ipxe.efi")
	}
	b.ReportAllocs()
	for b.Loop() {
		Examine(p.Facts, now)
	}
}
