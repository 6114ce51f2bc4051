package systemd

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/packet"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

const sniffer = "bty-sniff.service"

// rack is machines on the LAN that ask for an address.
type rack struct {
	*host
	*packet.Port
	dhcp *testenv.Process
	next byte
}

// newRack enables the appliance beside a LAN with somebody else's DHCP server.
func newRack(h *host) *rack {
	h.t.Helper()
	h.enable()
	h.await(10*time.Second, sniffer, "ActiveState", "active")
	port, err := h.LAN.Plug(h.ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	dhcp, err := h.LAN.DHCP(h.ctx, testenv.StockBootFiles, "")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { port.Close(); dhcp.Kill() })
	return &rack{host: h, Port: port, dhcp: dhcp}
}

func (r *rack) mac() net.HardwareAddr {
	r.next++
	return net.HardwareAddr{0x52, 0x54, 0, 0, 2, r.next}
}

// discover sends one DISCOVER of a machine that nobody has seen, and waits until it is known.
func (r *rack) discover(tags ...packet.Tag) time.Duration {
	r.t.Helper()
	mac := r.mac()
	if err := r.Send(packet.Of(packet.UEFI.Message(dhcpv4.MessageTypeDiscover, mac), tags...).Bytes()); err != nil {
		r.t.Fatal(err)
	}
	return r.known(mac)
}

// discoverAgainAndAgain sends what a machine sends as long as nobody answers.
func (r *rack) discoverAgainAndAgain() {
	r.t.Helper()
	mac := r.mac()
	for begun := time.Now(); !strings.Contains(r.ask("/machines"), `"`+mac.String()+`"`); time.Sleep(300 * time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			r.t.Fatalf("%s was not made known", mac)
		}
		if err := r.Send(packet.Of(packet.UEFI.Message(dhcpv4.MessageTypeDiscover, mac)).Bytes()); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rack) known(mac net.HardwareAddr) time.Duration {
	r.t.Helper()
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if strings.Contains(r.ask("/machines"), `"`+mac.String()+`"`) {
			return time.Since(begun)
		}
		if time.Since(begun) > 10*time.Second {
			r.t.Fatalf("%s was not made known; %s", mac, r.property(sniffer, "StatusText"))
		}
	}
}

func (r *rack) stored(want string) {
	r.t.Helper()
	if got := r.property(sniffer, "NFileDescriptorStore"); got != want {
		r.t.Errorf("%s descriptors are stored, want %s", got, want)
	}
}

// The sniffer has no right and no network, and still knows every machine that asks.
func TestSniffer(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		r := newRack(h)
		t.Logf("a machine was known %v after its first packet, which started bty-web", r.discover())
		r.stored("1")
		r.hasNoRights()
		r.discover(packet.Tag{Type: packet.VLAN, ID: 7})
		r.discover(packet.Tag{Type: packet.QinQ, ID: 8}, packet.Tag{Type: packet.VLAN, ID: 9})
		r.saw(`"link":"` + NIC + `","vlan":9`)

		for range 20 {
			h.run("systemctl", "restart", sniffer)
			r.stored("1")
		}
		r.discover()

		before := r.property(sniffer, "MainPID")
		h.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", sniffer)
		r.another(before)
		r.stored("1")
		r.discover()

		h.run("ip", "link", "set", NIC, "down")
		h.run("ip", "link", "set", NIC, "up")
		r.carries()
		r.discoverAgainAndAgain() // the bridge takes up to a second to forward to the port
		if h.property(sniffer, "NRestarts") != "1" {
			t.Errorf("it was restarted %s times, and killed once", h.property(sniffer, "NRestarts"))
		}

		h.run("systemctl", "stop", "bty-web.service")
		t.Logf("known %v after a packet that started bty-web", r.discover())
		r.sendsNothing()
		r.answersAreSeen()

		h.run("systemctl", "stop", sniffer)
		r.stored("0")
		h.run("systemctl", "start", sniffer)
		r.stored("1")
		r.discover()
	})
}

// saw looks for what the events of machines that DHCP made known carry.
func (r *rack) saw(details string) {
	r.t.Helper()
	if events := r.ask("/events?kind=machine.discovered&limit=100"); !strings.Contains(compact(events), details) {
		r.t.Errorf("no event says %s: %s", details, events)
	}
}

func compact(doc string) string {
	var b bytes.Buffer
	_ = json.Compact(&b, []byte(doc))
	return b.String()
}

func (r *rack) hasNoRights() {
	r.t.Helper()
	pid := r.property(sniffer, "MainPID")
	status := r.run("cat", "/proc/"+pid+"/status")
	for _, want := range []string{"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000",
		"CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			r.t.Errorf("%q is not in its status", want)
		}
	}
	if links := r.run("nsenter", "--target", pid, "--net", "ip", "-o", "link"); strings.Contains(links, NIC) || strings.Count(links, "\n") != 0 {
		r.t.Errorf("it has a network: %s", links)
	}
	if own, first := r.run("readlink", "/proc/"+pid+"/ns/net"), r.run("readlink", "/proc/1/ns/net"); own == first {
		r.t.Errorf("it has the host's network: %s", own)
	}
	log := r.run("journalctl", "-o", "cat", "-u", sniffer)
	if !strings.Contains(log, "impossible") || !strings.Contains(log, "sending packets") {
		r.t.Errorf("it does not say that it cannot send:\n%s", log)
	}
}

// another waits for the next main process to be ready.
func (r *rack) another(before string) {
	r.t.Helper()
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if pid := r.property(sniffer, "MainPID"); pid != before && pid != "0" && r.property(sniffer, "ActiveState") == "active" {
			return
		}
		if time.Since(begun) > 10*time.Second {
			r.t.Fatal("it was killed and did not come back")
		}
	}
}

// carries waits until the cable carries packets again.
func (r *rack) carries() {
	r.t.Helper()
	for begun := time.Now(); !strings.Contains(r.run("ip", "-o", "link", "show", NIC), "LOWER_UP"); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 5*time.Second {
			r.t.Fatal("the link does not come up")
		}
	}
}

// sendsNothing has machines ask and be reported, and looks at what comes from the host meanwhile:
// the kernel's own neighbour discovery at most.
func (r *rack) sendsNothing() {
	r.t.Helper()
	_, after, _ := strings.Cut(r.run("ip", "-o", "link", "show", NIC), "link/ether ")
	host, err := net.ParseMAC(strings.Fields(after + " ?")[0])
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.Received(100 * time.Millisecond); err != nil {
		r.t.Fatal(err)
	}
	for range 20 {
		r.discover()
	}
	frames, err := r.Received(time.Second)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, frame := range frames {
		kind := uint16(frame[12])<<8 | uint16(frame[13])
		if bytes.Equal(frame[6:12], host) && kind != 0x86dd && kind != 0x0806 || isDHCP(frame) && bytes.Equal(frame[6:12], host) {
			r.t.Errorf("the host sent %x", frame)
		}
	}
}

func isDHCP(frame []byte) bool {
	return len(frame) > 42 && frame[12] == 8 && frame[13] == 0 && (frame[35] == 67 || frame[35] == 68 || frame[37] == 67 || frame[37] == 68)
}

// answersAreSeen has a machine get an address, first its firmware, then its iPXE, and asks as TFTP does.
func (r *rack) answersAreSeen() {
	r.t.Helper()
	mac := r.mac()
	for _, c := range []struct {
		packet.Client
		want string
	}{{packet.UEFI, `{"ipxe":false}`}, {packet.IPXE, `{"ipxe":true}`}} {
		ack, err := r.Lease(c.Client, mac)
		if err != nil {
			r.t.Fatal(err)
		}
		path := "http://report/clients/" + ack.YourIPAddr.String()
		for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			got := r.run("curl", "--fail", "--silent", "--unix-socket", "/run/bty/report.sock", path)
			if got == c.want {
				break
			}
			if time.Since(begun) > 5*time.Second {
				r.t.Fatalf("%s of %s is %s", path, c.UserClass, got)
			}
		}
	}
	r.known(mac)
}
