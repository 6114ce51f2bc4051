package snippet

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/iana"

	"bty/internal/testenv"
)

// firmware is a machine that is switched on.
type firmware struct {
	name  string
	arch  iana.Arch
	class string // DHCP option 60 as it sends it
}

var (
	bios      = firmware{"BIOS", iana.INTEL_X86PC, "PXEClient:Arch:00000:UNDI:002001"}
	uefi      = firmware{"UEFI", iana.EFI_BC, "PXEClient:Arch:00007:UNDI:003016"}
	uefi9     = firmware{"UEFI of type 9", iana.EFI_X86_64, "PXEClient:Arch:00009:UNDI:003016"}
	arm64     = firmware{"arm64 UEFI", iana.EFI_ARM64, "PXEClient:Arch:00011:UNDI:003016"}
	uefiHTTP  = firmware{"UEFI HTTP Boot", iana.EFI_X86_64_HTTP, "HTTPClient:Arch:00016:UNDI:003001"}
	arm64HTTP = firmware{"arm64 UEFI HTTP Boot", iana.EFI_ARM64_HTTP, "HTTPClient:Arch:00019:UNDI:003001"}
)

// told is what a machine is to learn: option 60, bootfile, next server.
type told struct {
	machine           firmware
	class, file, next string
}

const (
	host    = "10.77.0.1"
	bootURL = "http://10.77.0.1:8123/boot/"
)

// simple is what one bootfile for everybody gives.
var simple = []told{{uefi, "", "ipxe.efi", host}, {uefi9, "", "ipxe.efi", host}}

// byArch is what a LAN that tells kinds of firmware apart gives.
var byArch = []told{
	{bios, "PXEClient", "undionly.kpxe", host},
	{uefi, "PXEClient", "ipxe.efi", host},
	{uefi9, "PXEClient", "ipxe.efi", host},
	{arm64, "PXEClient", "ipxe-arm64.efi", host},
	{uefiHTTP, "HTTPClient", bootURL + "ipxe.efi", ""},
	{arm64HTTP, "HTTPClient", bootURL + "ipxe-arm64.efi", ""},
}

// lan is a network with one machine's cable in it.
type lan struct {
	*testing.T
	*testenv.LAN
	servers int // that answer a DISCOVER
}

func newLAN(t *testing.T) lan {
	t.Helper()
	network, err := testenv.OpenLAN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := network.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := network.PlugIn(t.Context(), "nic0"); err != nil {
		t.Fatal(err)
	}
	return lan{t, network, 1}
}

func (l lan) fill(id string) string {
	l.Helper()
	text, err := Fill(id, site)
	if err != nil {
		l.Fatal(err)
	}
	return text
}

// offer is what a machine makes of the answers to its DISCOVER and its REQUEST.
type offer struct{ class, file, next string }

// boot plays a machine up to the point where it knows what to load: it takes an address from whoever
// gives one, and the boot options from that answer or from one without an address (a proxy's).
func (l lan) boot(f firmware) offer {
	l.Helper()
	mac := net.HardwareAddr{0x52, 0x54, 0, 0, byte(f.arch), 1}
	var conn net.PacketConn
	if err := l.Inside(func() (err error) { conn, err = nclient4.NewRawUDPConn("nic0", 68); return err }); err != nil {
		l.Fatal(err)
	}
	defer conn.Close()
	pxe := func(m *dhcpv4.DHCPv4) {
		m.UpdateOption(dhcpv4.OptClassIdentifier(f.class))
		m.UpdateOption(dhcpv4.OptClientArch(f.arch))
		m.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientNetworkInterfaceIdentifier, []byte{1, 3, 16}))
		m.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, append([]byte{0}, make([]byte, 16)...)))
		m.UpdateOption(dhcpv4.OptParameterRequestList(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionTFTPServerName, dhcpv4.OptionBootfileName,
			dhcpv4.OptionVendorSpecificInformation, dhcpv4.OptionClassIdentifier))
		m.SetBroadcast()
	}
	discover, err := dhcpv4.NewDiscovery(mac, pxe)
	if err != nil {
		l.Fatal(err)
	}
	var lease, boot *dhcpv4.DHCPv4
	for _, answer := range l.ask(conn, toAll, discover, func(got []*dhcpv4.DHCPv4) bool { return len(got) == l.servers }) {
		switch {
		case answer.YourIPAddr.IsUnspecified():
			boot = answer
		case lease == nil:
			lease = answer
		}
	}
	if lease == nil {
		l.Fatalf("%s: no address was offered", f.name)
	}
	request, err := dhcpv4.NewRequestFromOffer(lease, pxe)
	if err != nil {
		l.Fatal(err)
	}
	acks := l.ask(conn, toAll, request, func(got []*dhcpv4.DHCPv4) bool { return !got[len(got)-1].YourIPAddr.IsUnspecified() })
	if len(acks) == 0 {
		l.Fatalf("%s: its address was not acknowledged", f.name)
	}
	switch {
	case boot == nil:
		boot = acks[len(acks)-1]
	case fileOf(boot) == "":
		boot = l.askProxy(f, mac, acks[len(acks)-1].YourIPAddr, boot, pxe)
	}
	return offer{boot.ClassIdentifier(), fileOf(boot), nextOf(boot)}
}

// askProxy asks a proxy that named itself and no file, as firmware does for PXE (its specification
// 2.1, section 2.2.3): on port 4011, from the address that it has now, with the first item of the menu.
func (l lan) askProxy(f firmware, mac net.HardwareAddr, own net.IP, proxy *dhcpv4.DHCPv4, pxe dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	l.Helper()
	if err := l.Addresses(l.Context(), "replace "+own.String()+"/32 dev lo"); err != nil {
		l.Fatal(err)
	}
	defer func() { _ = l.Addresses(context.WithoutCancel(l.Context()), "del "+own.String()+"/32 dev lo") }()
	conn, err := l.ListenPacket(l.Context(), own.String()+":68")
	if err != nil {
		l.Fatal(err)
	}
	defer conn.Close()
	request, err := dhcpv4.New(pxe, dhcpv4.WithHwAddr(mac), dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest), dhcpv4.WithClientIP(own))
	if err != nil {
		l.Fatal(err)
	}
	if item := menuItem(proxy); item != nil {
		request.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionVendorSpecificInformation, append([]byte{71, 4}, item[0], item[1], 0, 0)))
	}
	to := &net.UDPAddr{IP: proxy.ServerIdentifier(), Port: 4011}
	answers := l.ask(conn, to, request, func(got []*dhcpv4.DHCPv4) bool { return true })
	if len(answers) == 0 {
		l.Fatalf("%s: the proxy does not answer on port 4011", f.name)
	}
	return answers[0]
}

// menuItem is the type of the first item of the boot menu in option 43, nil without a menu.
func menuItem(m *dhcpv4.DHCPv4) []byte {
	const menu = 9
	for raw := m.GetOneOption(dhcpv4.OptionVendorSpecificInformation); len(raw) >= 2 && raw[0] != 255; raw = raw[2+int(raw[1]):] {
		if raw[0] == menu && len(raw) >= 4 {
			return raw[2:4]
		}
	}
	return nil
}

var toAll = &net.UDPAddr{IP: net.IPv4bcast, Port: 67}

// ask sends a message and returns the answers to it, until they are enough or nothing more comes.
func (l lan) ask(conn net.PacketConn, to net.Addr, m *dhcpv4.DHCPv4, enough func([]*dhcpv4.DHCPv4) bool) (answers []*dhcpv4.DHCPv4) {
	l.Helper()
	const patience, quiet = 10 * time.Second, 5 * time.Second // of a server on a busy host
	if _, err := conn.WriteTo(m.ToBytes(), to); err != nil {
		l.Fatal(err)
	}
	buf := make([]byte, 1500)
	for wait := patience; ; wait = quiet {
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return answers
		}
		answer, err := dhcpv4.FromBytes(buf[:n])
		if err != nil || answer.TransactionID != m.TransactionID || answer.OpCode != dhcpv4.OpcodeBootReply {
			wait = patience
			continue
		}
		if answers = append(answers, answer); enough(answers) {
			return answers
		}
	}
}

// fileOf is the bootfile, which is in option 67 or in the header.
func fileOf(m *dhcpv4.DHCPv4) string {
	if name := m.BootFileNameOption(); name != "" {
		return strings.TrimRight(name, "\x00")
	}
	return m.BootFileName
}

func nextOf(m *dhcpv4.DHCPv4) string {
	if m.ServerIPAddr == nil || m.ServerIPAddr.IsUnspecified() {
		return ""
	}
	return m.ServerIPAddr.String()
}

// tells checks what machines learn.
func (l lan) tells(want []told) {
	l.Helper()
	for _, w := range want {
		got := l.boot(w.machine)
		if strings.HasPrefix(w.file, "http://") {
			got.next = "" // a URL names its host; servers name themselves beside it or nobody
		}
		if got != (offer{w.class, w.file, w.next}) {
			l.Errorf("%s learns %+v, want %+v", w.machine.name, got, offer{w.class, w.file, w.next})
		}
	}
}

// Each text runs in the server that it is for, and every kind of machine that it names learns from it
// what it is to load. A proxy runs beside a server that knows nothing of booting.
func TestServers(t *testing.T) {
	for _, test := range []struct {
		id     string
		server testenv.Foreign
		want   []told
	}{
		{"dnsmasq", testenv.Dnsmasq, simple},
		{"dnsmasq-arch", testenv.Dnsmasq, byArch},
		{"dnsmasq-proxy", testenv.DnsmasqProxy, []told{{uefi, "PXEClient", "ipxe.efi", host}, {uefi9, "PXEClient", "ipxe.efi", host}}},
		{"dnsmasq-proxy-arch", testenv.DnsmasqProxy, byArch},
		{"kea", testenv.Kea, simple},
		{"kea-arch", testenv.Kea, byArch},
		{"isc-dhcpd", testenv.ISCDHCPD, simple},
		{"isc-dhcpd-arch", testenv.ISCDHCPD, byArch},
	} {
		t.Run(test.id, func(t *testing.T) {
			l := newLAN(t)
			if test.server == testenv.DnsmasqProxy {
				l.servers = 2
			}
			if _, err := l.ServeDHCP(t.Context(), test.server, l.fill(test.id)); err != nil {
				t.Fatal(err)
			}
			l.tells(test.want)
		})
	}
}

// The check that the steps name finds nothing.
func TestChecks(t *testing.T) {
	l := newLAN(t)
	for _, id := range []string{"dnsmasq", "dnsmasq-arch", "dnsmasq-proxy", "dnsmasq-proxy-arch"} {
		if err := l.Check(t.Context(), l.fill(id)); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}
