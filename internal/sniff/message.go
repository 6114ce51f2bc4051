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

// said is what a message holds that is looked at here.
type said struct {
	kind               dhcpv4.MessageType
	xid                dhcpv4.TransactionID
	mac                machine.MAC
	client, your, next netip.Addr // ciaddr, yiaddr, siaddr
	sname, file        []byte     // as texts; empty where they hold options
	options            options
}

type options interface {
	Get(dhcpv4.OptionCode) []byte
}

// reader takes messages apart, one after the other.
type reader struct{ plain plain }

// read reads a message of DHCPv4.
func (r *reader) read(d datagram, p place) (Seen, error) {
	m, err := r.parse(d.payload)
	if err != nil {
		return Seen{}, err
	}
	id := identity{xid: m.xid, kind: m.kind, mac: m.mac}
	switch m.kind {
	case dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeInform:
		s := request(m, d, p)
		id.ipxe = s.FromIPXE()
		return Seen{Request: &s, id: id}, nil
	case dhcpv4.MessageTypeOffer, dhcpv4.MessageTypeAck, dhcpv4.MessageTypeNak:
		a := answer(m, d, p)
		copy(id.from[:], addressIn(m.options, dhcpv4.OptionServerIdentifier).AsSlice())
		return Seen{Answer: &a, id: id}, nil
	}
	return Seen{}, errForeign // BOOTP, or a message that says nothing of booting
}

func (r *reader) parse(payload []byte) (m said, err error) {
	if len(payload) > maxPayload {
		return m, errMalformed
	}
	var ok bool
	if r.plain.read(payload) {
		m, ok = r.plain.said()
	} else {
		m, ok, err = parseAny(payload)
	}
	if err == nil && !ok {
		err = errForeign
	}
	return m, err
}

// parseAny reads what is not plain.
func parseAny(payload []byte) (said, bool, error) {
	m, err := dhcpv4.FromBytes(payload)
	if errors.Is(err, io.ErrUnexpectedEOF) { // some firmware forgets the End that RFC 2131 section 4.1 demands
		m, err = dhcpv4.FromBytes(append(payload[:len(payload):len(payload)], byte(dhcpv4.OptionEnd.Code())))
	}
	if err != nil {
		return said{}, false, errMalformed
	}
	overloaded := overload(m, payload)
	mac, ok := ethernet(m.ClientHWAddr)
	all := said{kind: kindOf(m.Options), xid: m.TransactionID, mac: mac, options: m.Options,
		client: addressOf(m.ClientIPAddr), your: addressOf(m.YourIPAddr), next: addressOf(m.ServerIPAddr)}
	if !overloaded.sname {
		all.sname = []byte(m.ServerHostName)
	}
	if !overloaded.file {
		all.file = []byte(m.BootFileName)
	}
	return all, ok, nil
}

// kindOf is option 53, none if it is not one octet.
func kindOf(o options) dhcpv4.MessageType {
	value := o.Get(dhcpv4.OptionDHCPMessageType)
	if len(value) != 1 {
		return dhcpv4.MessageTypeNone
	}
	return dhcpv4.MessageType(value[0])
}

// fields says which fields of the header hold further options instead of what they are for.
type fields struct{ file, sname bool }

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

func request(m said, d datagram, p place) wire.Sighting {
	o := m.options
	s := wire.Sighting{
		At: p.at, MAC: m.mac.String(), Message: m.kind.String(), Link: p.link, VLAN: d.vlan, Count: 1,
		Class: text(o.Get(dhcpv4.OptionClassIdentifier)), UserClass: userClass(o.Get(dhcpv4.OptionUserClassInformation)),
		UUID: uuid(o.Get(dhcpv4.OptionClientMachineIdentifier)), Hostname: text(o.Get(dhcpv4.OptionHostName)),
		Address: spell(m.client),
	}
	if s.Address == "" {
		s.Address = spell(addressIn(o, dhcpv4.OptionRequestedIPAddress))
	}
	if codes := o.Get(dhcpv4.OptionClientSystemArchitectureType); len(codes) >= 2 { // of several, the one it prefers
		code := binary.BigEndian.Uint16(codes)
		s.Arch, s.ArchCode = Arch(code), &code
	}
	return s
}

func answer(m said, d datagram, p place) wire.DHCPAnswer {
	o := m.options
	a := wire.DHCPAnswer{
		At: p.at, MAC: m.mac.String(), Message: m.kind.String(), From: d.from.String(), Link: p.link, VLAN: d.vlan, Count: 1,
		Server: spell(addressIn(o, dhcpv4.OptionServerIdentifier)), Class: text(o.Get(dhcpv4.OptionClassIdentifier)),
		Address: spell(m.your), NextServer: spell(m.next),
		TFTPServer: text(o.Get(dhcpv4.OptionTFTPServerName)), Bootfile: text(o.Get(dhcpv4.OptionBootfileName)),
	}
	if a.TFTPServer == "" {
		a.TFTPServer = text(upToNUL(m.sname))
	}
	if a.Bootfile == "" {
		a.Bootfile = text(upToNUL(m.file))
	}
	return a
}

// addressIn is the address that an option holds, the zero one if it is not exactly that.
func addressIn(o options, code dhcpv4.OptionCode) (a netip.Addr) {
	if value := o.Get(code); len(value) == net.IPv4len {
		a = addressAt(value)
	}
	return a
}

func addressOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// spell is an address as text, "" for none.
func spell(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}
