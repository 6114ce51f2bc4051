package netup

import (
	"net"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"bty/internal/machine"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/rfc1035label"
)

var mac = machine.MAC{0x52, 0x54, 0, 0x12, 0x34, 0x56}

// ack is an ACK for 192.0.2.10 with options.
func ack(options ...dhcpv4.Option) *dhcpv4.DHCPv4 {
	m := message(dhcpv4.MessageTypeAck, mac, 0)
	m.OpCode = dhcpv4.OpcodeBootReply
	m.YourIPAddr = net.IPv4(192, 0, 2, 10)
	for _, o := range options {
		m.UpdateOption(o)
	}
	return m
}

func TestReadLease(t *testing.T) {
	now := time.Now()
	slash24 := dhcpv4.OptSubnetMask(net.CIDRMask(24, 32))
	for name, c := range map[string]struct {
		ack  *dhcpv4.DHCPv4
		want Lease
	}{
		"all": {
			ack(slash24, dhcpv4.OptRouter(net.IPv4(192, 0, 2, 1)), dhcpv4.OptDNS(net.IPv4(192, 0, 2, 2), net.IPv4zero),
				dhcpv4.OptDomainName("lan.example"), dhcpv4.OptIPAddressLeaseTime(time.Hour),
				dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{0x23, 0x28})),
			Lease{Address: netip.MustParsePrefix("192.0.2.10/24"), Gateway: netip.MustParseAddr("192.0.2.1"),
				DNS: []netip.Addr{netip.MustParseAddr("192.0.2.2")}, Search: []string{"lan.example"}, MTU: 9000,
				Renew: now.Add(30 * time.Minute), Rebind: now.Add(52*time.Minute + 30*time.Second), Expire: now.Add(time.Hour)},
		},
		"routes, search list, own times": {
			ack(dhcpv4.OptSubnetMask(net.CIDRMask(32, 32)), dhcpv4.OptRouter(net.IPv4(192, 0, 2, 1)),
				dhcpv4.OptClasslessStaticRoute(&dhcpv4.Route{Dest: &net.IPNet{IP: net.IPv4(10, 0, 0, 0), Mask: net.CIDRMask(8, 32)}, Router: net.IPv4(192, 0, 2, 9)}),
				dhcpv4.OptDomainName("x"), dhcpv4.OptDomainSearch(&rfc1035label.Labels{Labels: []string{"a.example", "b.example"}}),
				dhcpv4.OptIPAddressLeaseTime(time.Hour), dhcpv4.OptRenewTimeValue(10*time.Minute), dhcpv4.OptGeneric(dhcpv4.OptionRebindingTimeValue, []byte{0, 0, 4, 0xb0})),
			Lease{Address: netip.MustParsePrefix("192.0.2.10/32"), Gateway: netip.MustParseAddr("192.0.2.1"),
				Routes: []Route{{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParseAddr("192.0.2.9")}}, Search: []string{"a.example", "b.example"},
				Renew: now.Add(10 * time.Minute), Rebind: now.Add(20 * time.Minute), Expire: now.Add(time.Hour)},
		},
		"next to nothing, times that make no sense": {
			ack(dhcpv4.OptIPAddressLeaseTime(time.Second), dhcpv4.OptRenewTimeValue(time.Hour), dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{0, 1})),
			Lease{Address: netip.MustParsePrefix("192.0.2.10/24"), // that of its class
				Renew: now.Add(30 * time.Second), Rebind: now.Add(52*time.Second + 500*time.Millisecond), Expire: now.Add(time.Minute)},
		},
	} {
		got, err := readLease(c.ack, now)
		got.ack = nil
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", name, err, got, c.want)
		}
	}
	for _, address := range []net.IP{net.IPv4zero, net.IPv4bcast, net.IPv4(127, 0, 0, 1), net.IPv4(224, 0, 0, 1)} {
		bad := ack()
		bad.YourIPAddr = address
		if lease, err := readLease(bad, now); err == nil {
			t.Errorf("%v was accepted: %+v", address, lease)
		}
	}
}

func TestInherit(t *testing.T) {
	old := Lease{Address: netip.MustParsePrefix("192.0.2.10/20"), Gateway: netip.MustParseAddr("192.0.2.1"), DNS: []netip.Addr{netip.MustParseAddr("192.0.2.2")}, Search: []string{"a"}}
	next, err := readLease(ack(dhcpv4.OptIPAddressLeaseTime(time.Hour)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	next.inherit(old)
	if next.Address != old.Address || next.Gateway != old.Gateway || !reflect.DeepEqual(next.DNS, old.DNS) {
		t.Errorf("a renewal with times only lost something: %+v", next)
	}
}

func TestMessages(t *testing.T) {
	d := discover(mac, 70*time.Second)
	if d.NumSeconds != 70 || d.IsBroadcast() || d.MessageType() != dhcpv4.MessageTypeDiscover {
		t.Errorf("%s", d.Summary())
	}
	if id := d.Options.Get(dhcpv4.OptionClientIdentifier); string(id) != "\x01"+string(mac[:]) {
		t.Errorf("client identifier % x: another than iPXE's gets another address", id)
	}
	r := request(mac, ack(dhcpv4.OptServerIdentifier(net.IPv4(192, 0, 2, 1))), 0)
	if !r.RequestedIPAddress().Equal(net.IPv4(192, 0, 2, 10)) || !r.ServerIdentifier().Equal(net.IPv4(192, 0, 2, 1)) || !r.ClientIPAddr.Equal(net.IPv4zero) {
		t.Errorf("%s", r.Summary())
	}
	e := extension(mac, Lease{Address: netip.MustParsePrefix("192.0.2.10/24")})
	if !e.ClientIPAddr.Equal(net.IPv4(192, 0, 2, 10)) || e.Options.Has(dhcpv4.OptionRequestedIPAddress) || e.Options.Has(dhcpv4.OptionServerIdentifier) {
		t.Errorf("%s", e.Summary())
	}
	for _, m := range []*dhcpv4.DHCPv4{d, r, e} {
		if _, err := dhcpv4.FromBytes(m.ToBytes()); err != nil {
			t.Errorf("not readable: %v", err)
		}
	}
}

func TestResolver(t *testing.T) {
	a := netip.MustParseAddr
	got := resolver(Lease{DNS: []netip.Addr{a("192.0.2.1"), a("192.0.2.2"), a("192.0.2.3"), a("192.0.2.4")}, Search: []string{"ok.example", "no\nnameserver 6.6.6.6", ""}})
	if want := "search ok.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzLease: whatever a server sends is refused or gives a usable lease.
func FuzzLease(f *testing.F) {
	f.Add(ack(dhcpv4.OptSubnetMask(net.CIDRMask(24, 32)), dhcpv4.OptRouter(net.IPv4(192, 0, 2, 1))).ToBytes())
	f.Add(ack(dhcpv4.OptClasslessStaticRoute(&dhcpv4.Route{Dest: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Router: net.IPv4(192, 0, 2, 9)})).ToBytes())
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := dhcpv4.FromBytes(packet)
		if err != nil {
			return
		}
		now := time.Now()
		lease, err := readLease(m, now)
		if err != nil {
			return
		}
		if !lease.Address.IsValid() || !lease.Renew.Before(lease.Rebind) || !lease.Rebind.Before(lease.Expire) || lease.Renew.Before(now) {
			t.Errorf("%+v", lease)
		}
		resolver(lease)
		for _, r := range lease.Routes {
			ipNet(r.To)
		}
	})
}
