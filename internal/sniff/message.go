package sniff

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"bty/internal/machine"
	"bty/internal/wire"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Seen is one DHCP message: a request or an answer, never both.
type Seen struct {
	Request *wire.Sighting
	Answer  *wire.DHCPAnswer
	id      identity
}

// identity is what the copies of one packet share that several links show.
type identity struct {
	xid  dhcpv4.TransactionID
	kind dhcpv4.MessageType
	mac  machine.MAC
	ipxe bool    // a firmware and its iPXE may use the same xid
	from [4]byte // who answers
}

// place is where and when a packet was captured.
type place struct {
	at   time.Time
	link string
}

const maxPayload = 1<<16 - 1

// readMessage reads a message of DHCPv4.
func readMessage(d datagram, p place) (Seen, error) {
	if len(d.payload) > maxPayload {
		return Seen{}, errMalformed
	}
	m, err := dhcpv4.FromBytes(d.payload)
	if errors.Is(err, io.ErrUnexpectedEOF) { // some firmware forgets the End that RFC 2131 section 4.1 demands
		m, err = dhcpv4.FromBytes(append(d.payload[:len(d.payload):len(d.payload)], byte(dhcpv4.OptionEnd.Code())))
	}
	if err != nil {
		return Seen{}, errMalformed
	}
	overloaded := overload(m, d.payload)
	mac, ok := ethernet(m)
	if !ok {
		return Seen{}, errForeign
	}
	kind := m.MessageType()
	id := identity{xid: m.TransactionID, kind: kind, mac: mac}
	switch kind {
	case dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeInform:
		s := request(m, mac, d, p)
		id.ipxe = s.FromIPXE()
		return Seen{Request: &s, id: id}, nil
	case dhcpv4.MessageTypeOffer, dhcpv4.MessageTypeAck, dhcpv4.MessageTypeNak:
		a := answer(m, mac, d, p, overloaded)
		copy(id.from[:], m.ServerIdentifier().To4())
		return Seen{Answer: &a, id: id}, nil
	}
	return Seen{}, errForeign // BOOTP, or a message that says nothing of booting
}

// ethernet is the client's address, if it is one that a machine can have.
func ethernet(m *dhcpv4.DHCPv4) (mac machine.MAC, ok bool) {
	if len(m.ClientHWAddr) != len(mac) {
		return mac, false
	}
	copy(mac[:], m.ClientHWAddr)
	const group = 1 // bit of the first octet: broadcast and multicast
	return mac, mac != machine.MAC{} && mac[0]&group == 0
}

// fields says which fields of the header hold further options instead of what they are for.
type fields struct{ file, sname bool }

// Where they are in a message, RFC 2131 section 2.
const (
	snameAt, fileAt, cookieAt = 44, 108, 236
)

// overload reads the options that are continued in the fields file and sname, option 52. What is
// broken there leaves the message as it was without.
func overload(m *dhcpv4.DHCPv4, payload []byte) (o fields) {
	value := m.Options.Get(dhcpv4.OptionOptionOverload)
	if len(value) != 1 {
		return o
	}
	o = fields{file: value[0]&1 != 0, sname: value[0]&2 != 0}
	if o.file {
		_ = m.Options.FromBytes(payload[fileAt:cookieAt])
	}
	if o.sname {
		_ = m.Options.FromBytes(payload[snameAt:fileAt])
	}
	return o
}

func request(m *dhcpv4.DHCPv4, mac machine.MAC, d datagram, p place) wire.Sighting {
	s := wire.Sighting{
		At: p.at, MAC: mac.String(), Message: m.MessageType().String(), Link: p.link, VLAN: d.vlan, Count: 1,
		Class: text(m.Options.Get(dhcpv4.OptionClassIdentifier)), UserClass: userClass(m.Options.Get(dhcpv4.OptionUserClassInformation)),
		UUID: uuid(m.Options.Get(dhcpv4.OptionClientMachineIdentifier)), Hostname: text(m.Options.Get(dhcpv4.OptionHostName)),
		Address: spell(m.ClientIPAddr),
	}
	if s.Address == "" {
		s.Address = spell(m.RequestedIPAddress())
	}
	if codes := m.Options.Get(dhcpv4.OptionClientSystemArchitectureType); len(codes) >= 2 { // of several, the one it prefers
		code := binary.BigEndian.Uint16(codes)
		s.Arch, s.ArchCode = Arch(code), &code
	}
	return s
}

func answer(m *dhcpv4.DHCPv4, mac machine.MAC, d datagram, p place, overloaded fields) wire.DHCPAnswer {
	a := wire.DHCPAnswer{
		At: p.at, MAC: mac.String(), Message: m.MessageType().String(), From: d.from.String(), Link: p.link, VLAN: d.vlan, Count: 1,
		Server: spell(m.ServerIdentifier()), Class: text(m.Options.Get(dhcpv4.OptionClassIdentifier)),
		Address: spell(m.YourIPAddr), NextServer: spell(m.ServerIPAddr),
		TFTPServer: text(m.Options.Get(dhcpv4.OptionTFTPServerName)), Bootfile: text(m.Options.Get(dhcpv4.OptionBootfileName)),
	}
	if a.TFTPServer == "" && !overloaded.sname {
		a.TFTPServer = text([]byte(m.ServerHostName))
	}
	if a.Bootfile == "" && !overloaded.file {
		a.Bootfile = text([]byte(m.BootFileName))
	}
	return a
}

func addressOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// spell is an address as text, "" for none.
func spell(ip net.IP) string {
	if a := addressOf(ip); a.IsValid() && !a.IsUnspecified() {
		return a.String()
	}
	return ""
}
