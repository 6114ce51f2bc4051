package doctor

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/iana"

	memory "bty/internal/lan"
	"bty/internal/nbp"
	"bty/internal/sniff"
	"bty/internal/snippet"
	"bty/internal/testenv"
	"bty/internal/wire"
)

// watched is a network with somebody else's DHCP server, a machine's cable, and a sniffer of ours.
type watched struct {
	*testing.T
	*testenv.LAN
	conn net.PacketConn // of the machine
	seen *memory.Memory
}

func watch(t *testing.T) *watched {
	t.Helper()
	if os.Geteuid() != 0 {
		if testing.Short() {
			t.Skip("needs root for network namespaces")
		}
		t.Fatal("needs root for network namespaces: run as root, or with -short to leave it out")
	}
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
	w := &watched{T: t, LAN: network, seen: memory.New(time.Now)}
	if err := network.Inside(func() (err error) { w.conn, err = nclient4.NewRawUDPConn("nic0", 68); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.conn.Close() })
	w.sniff()
	return w
}

// sniff watches the LAN as bty-sniff does.
func (w *watched) sniff() {
	w.Helper()
	var file *os.File
	if err := w.Inside(func() (err error) { file, err = sniff.Open(); return err }); err != nil {
		w.Fatal(err)
	}
	socket, err := sniff.Adopt(file)
	if err != nil {
		w.Fatal(err)
	}
	links, err := sniff.ParsePatterns("lan")
	if err != nil {
		w.Fatal(err)
	}
	batch := memory.NewBatch()
	watcher := &sniff.Watcher{Socket: socket, Links: links, Log: slog.New(slog.DiscardHandler), Saw: func(s sniff.Seen) {
		if s.Request != nil {
			batch.Request(*s.Request)
		} else {
			batch.Answer(*s.Answer)
		}
		w.seen.Add(time.Now(), batch.Take(100))
	}}
	go watcher.Run(w.Context())
}

// asks has the machine ask as a kind of firmware does, until it is answered or has waited long enough.
func (w *watched) asks(arch iana.Arch, class string, answers int, more ...dhcpv4.Modifier) {
	w.Helper()
	mac := net.HardwareAddr{0x52, 0x54, 0, 0, byte(arch), 1}
	boots := append([]dhcpv4.Modifier{func(m *dhcpv4.DHCPv4) {
		m.UpdateOption(dhcpv4.OptClassIdentifier(class))
		m.UpdateOption(dhcpv4.OptClientArch(arch))
		m.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientNetworkInterfaceIdentifier, []byte{1, 3, 16}))
		m.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, make([]byte, 17)))
		m.UpdateOption(dhcpv4.OptParameterRequestList(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionTFTPServerName,
			dhcpv4.OptionBootfileName, dhcpv4.OptionVendorSpecificInformation, dhcpv4.OptionClassIdentifier))
		m.SetBroadcast()
	}}, more...)
	discover, err := dhcpv4.NewDiscovery(mac, boots...)
	if err != nil {
		w.Fatal(err)
	}
	var lease *dhcpv4.DHCPv4
	for _, offer := range w.answered(discover, answers) {
		if !offer.YourIPAddr.IsUnspecified() {
			lease = offer
		}
	}
	if lease == nil {
		w.Fatal("no address was offered")
	}
	request, err := dhcpv4.NewRequestFromOffer(lease, boots...)
	if err != nil {
		w.Fatal(err)
	}
	w.answered(request, 1)
}

func (w *watched) answered(m *dhcpv4.DHCPv4, want int) (got []*dhcpv4.DHCPv4) {
	w.Helper()
	for range 6 { // as firmware does
		if _, err := w.conn.WriteTo(m.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: 67}); err != nil {
			w.Fatal(err)
		}
		if got = w.read(m, want); len(got) == want {
			return got
		}
	}
	w.Fatalf("%d of %d answers", len(got), want)
	return nil
}

func (w *watched) read(m *dhcpv4.DHCPv4, want int) (got []*dhcpv4.DHCPv4) {
	_ = w.conn.SetReadDeadline(time.Now().Add(3 * time.Second))
	buf := make([]byte, 1500)
	for len(got) < want {
		n, _, err := w.conn.ReadFrom(buf)
		if err != nil {
			return got
		}
		answer, err := dhcpv4.FromBytes(buf[:n])
		if err == nil && answer.TransactionID == m.TransactionID && answer.OpCode == dhcpv4.OpcodeBootReply {
			got = append(got, answer)
		}
	}
	return got
}

// finds waits until the doctor finds something, and that it says nothing else is bad.
func (w *watched) finds(own string, want ...string) wire.Diagnosis {
	w.Helper()
	facts := Facts{Network: &Network{Addresses: []Address{{netip.MustParsePrefix(own), "lan"}}, Port: 8080},
		Boot: &Boot{Has: func(name string) bool { return nbp.Advice(name) != "" }}}
	var d wire.Diagnosis
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		facts.Seen = w.seen.Recent()
		d = Examine(facts, time.Now())
		var got []string
		for _, f := range d.Findings {
			if IsBad(f.Severity) || slices.Contains(want, f.ID) {
				got = append(got, f.ID)
			}
		}
		if slices.Sort(got); slices.Equal(got, want) {
			return d
		}
	}
	w.Fatalf("want %v; found\n%sby %+v", want, shown(d.Findings), facts.Seen)
	return d
}

const (
	appliance = testenv.ServerIP + "/24"
	uefiPXE   = "PXEClient:Arch:00007:UNDI:003016"
	uefiHTTP  = "HTTPClient:Arch:00016:UNDI:003001"
	matchHTTP = "dhcp-match=set:http,option:client-arch,16\n"
	httpClass = "dhcp-option-force=tag:http,60,HTTPClient\n"
	bootURL   = "http://" + testenv.ServerIP + ":8080/boot/ipxe.efi"
)

// A real dnsmasq that is set up wrongly in each of the ways, seen as bty-sniff sees it.
func TestWrongServers(t *testing.T) {
	for _, test := range []struct {
		name, conf string
		arch       iana.Arch
		class      string
		want       string
	}{
		{"nothing", "", iana.EFI_BC, uefiPXE, "dhcp.no-bootfile"},
		{"BIOS program for UEFI", "dhcp-boot=undionly.kpxe,," + testenv.ServerIP, iana.EFI_BC, uefiPXE, "dhcp.wrong-program"},
		{"UEFI program for BIOS", "dhcp-boot=ipxe.efi,," + testenv.ServerIP, iana.INTEL_X86PC, "PXEClient:Arch:00000:UNDI:002001", "dhcp.wrong-program"},
		{"HTTP Boot without its class", matchHTTP + "dhcp-boot=tag:http," + bootURL, iana.EFI_X86_64_HTTP, uefiHTTP, "dhcp.http-no-echo"},
		{"a name for HTTP Boot", matchHTTP + httpClass + "dhcp-boot=tag:http,ipxe.efi,," + testenv.ServerIP, iana.EFI_X86_64_HTTP, uefiHTTP, "dhcp.http-no-url"},
		{"another port", matchHTTP + httpClass + "dhcp-boot=tag:http,http://" + testenv.ServerIP + "/boot/ipxe.efi", iana.EFI_X86_64_HTTP, uefiHTTP, "dhcp.wrong-port"},
		{"a URL for PXE", "dhcp-boot=" + bootURL, iana.EFI_BC, uefiPXE, "dhcp.url-for-pxe"},
		{"a file that is not there", "dhcp-boot=grubx64.efi,," + testenv.ServerIP, iana.EFI_BC, uefiPXE, "dhcp.missing-file"},
		{"another host", "dhcp-boot=ipxe.efi,,10.77.0.99", iana.EFI_BC, uefiPXE, "dhcp.other-host"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := watch(t)
			if _, err := w.ServeDHCP(t.Context(), testenv.Dnsmasq, test.conf); err != nil {
				t.Fatal(err)
			}
			w.asks(test.arch, test.class, 1)
			w.finds(appliance, test.want)
		})
	}
}

// Two servers that tell different things: dnsmasq gives addresses and a bootfile, and another one
// beside it is a proxy with another.
func TestTwoServers(t *testing.T) {
	w := watch(t)
	if _, err := w.ServeDHCP(t.Context(), testenv.Dnsmasq, "dhcp-boot=ipxe.efi,,"+testenv.ServerIP); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ServeDHCP(t.Context(), testenv.DnsmasqToo, "port=0\ndhcp-range=10.77.0.0,proxy\npxe-service=X86-64_EFI,boot,snponly.efi,"+testenv.ServerIP+"\npxe-service=BC_EFI,boot,snponly.efi,"+testenv.ServerIP); err != nil {
		t.Fatal(err)
	}
	w.asks(iana.EFI_BC, uefiPXE, 2)
	d := w.finds(appliance, "dhcp.servers-disagree")
	if len(d.Servers) != 2 {
		t.Errorf("%+v", d.Servers)
	}
}

// Nothing is wrong with the texts that we give people.
func TestSnippetsAreWell(t *testing.T) {
	text, err := snippet.Fill("dnsmasq-arch", snippet.Site{Host: netip.MustParseAddr(testenv.ServerIP), Port: 8080, Subnet: netip.MustParsePrefix(testenv.Subnet)})
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t)
	if _, err := w.ServeDHCP(t.Context(), testenv.Dnsmasq, text); err != nil {
		t.Fatal(err)
	}
	w.asks(iana.INTEL_X86PC, "PXEClient:Arch:00000:UNDI:002001", 1)
	w.asks(iana.EFI_BC, uefiPXE, 1)
	w.asks(iana.EFI_X86_64_HTTP, uefiHTTP, 1)
	time.Sleep(1100 * time.Millisecond) // no firmware loads and starts iPXE within a second: the sniffer takes the same words for a copy
	w.asks(iana.EFI_BC, uefiPXE, 1, dhcpv4.WithOption(dhcpv4.OptUserClass("iPXE")))
	d := w.finds(appliance, "dhcp.well", "dhcp.well", "dhcp.well")
	for end := time.Now().Add(5 * time.Second); len(d.Servers[0].Offers) < 4 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) { // iPXE's comes last
		d = w.finds(appliance, "dhcp.well", "dhcp.well", "dhcp.well")
	}
	if len(d.Servers) != 1 || len(d.Servers[0].Offers) != 4 || !d.Servers[0].Leases {
		t.Errorf("%+v\nby %+v", d.Servers, w.seen.Recent())
	}
}
