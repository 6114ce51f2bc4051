// Package packet builds DHCP packets byte by byte, as firmware sends them and as nobody should, and
// puts them on a cable.
package packet

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// Ethernet types.
const (
	IPv4 = 0x0800
	VLAN = 0x8100
	QinQ = 0x88a8
)

// Broadcast is everybody's address.
var Broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Frame is an Ethernet frame with a UDP datagram.
type Frame struct {
	To, From net.HardwareAddr // To is everybody if it is nil
	Tags     []Tag            // outer first
	Src, Dst netip.AddrPort
	Protocol byte   // of IPv4, UDP if it is 0
	Fragment uint16 // flags and offset of IPv4
	Options  []byte // of IPv4, a multiple of four
	Payload  []byte
}

// Tag is a VLAN tag.
type Tag struct {
	Type uint16
	ID   uint16
}

// Bytes is the frame without its checksum at the end; UDP goes without one, too.
func (f Frame) Bytes() []byte {
	to, protocol := f.To, f.Protocol
	if to == nil {
		to = Broadcast
	}
	if protocol == 0 {
		protocol = 17
	}
	b := append(append([]byte{}, to...), f.From...)
	for _, tag := range f.Tags {
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, tag.Type), tag.ID)
	}
	b = binary.BigEndian.AppendUint16(b, IPv4)
	start, header := len(b), 20+len(f.Options)
	b = append(b, 0x40|byte(header/4), 0)
	b = binary.BigEndian.AppendUint16(b, uint16(header+8+len(f.Payload)))
	b = binary.BigEndian.AppendUint16(b, 1) // identification
	b = binary.BigEndian.AppendUint16(b, f.Fragment)
	b = append(b, 64, protocol, 0, 0)
	b = append(append(b, f.Src.Addr().AsSlice()...), f.Dst.Addr().AsSlice()...)
	b = append(b, f.Options...)
	binary.BigEndian.PutUint16(b[start+10:], checksum(b[start:]))
	b = binary.BigEndian.AppendUint16(b, f.Src.Port())
	b = binary.BigEndian.AppendUint16(b, f.Dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(f.Payload)))
	b = append(b, 0, 0)
	return append(b, f.Payload...)
}

func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

var (
	client    = netip.MustParseAddrPort("0.0.0.0:68")
	everybody = netip.MustParseAddrPort("255.255.255.255:67")
)

// Of puts a client's message into the frame in which it is sent.
func Of(m *dhcpv4.DHCPv4, tags ...Tag) Frame {
	return Frame{From: m.ClientHWAddr, Tags: tags, Src: client, Dst: everybody, Payload: m.ToBytes()}
}

// Answered puts a server's message into a frame to everybody.
func Answered(m *dhcpv4.DHCPv4, server netip.Addr, tags ...Tag) Frame {
	return Frame{From: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Tags: tags, Src: netip.AddrPortFrom(server, 67),
		Dst: netip.MustParseAddrPort("255.255.255.255:68"), Payload: m.ToBytes()}
}

// Client is a machine as its firmware describes itself.
type Client struct {
	Class     string // option 60
	UserClass string // option 77
	Arch      iana.Arch
	HasArch   bool
	UUID      []byte // option 97, with its type
}

// The kinds of client that boot from a network.
var (
	uuid = []byte{0, 0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}

	BIOS = Client{Class: "PXEClient:Arch:00000:UNDI:002001", HasArch: true, UUID: uuid}
	UEFI = Client{Class: "PXEClient:Arch:00007:UNDI:003016", Arch: iana.EFI_X86_64, HasArch: true, UUID: uuid}
	HTTP = Client{Class: "HTTPClient:Arch:00016:UNDI:003016", Arch: iana.EFI_X86_64_HTTP, HasArch: true, UUID: uuid}
	IPXE = Client{Class: "PXEClient:Arch:00007:UNDI:003010", UserClass: "iPXE", Arch: iana.EFI_X86_64, HasArch: true, UUID: uuid}
)

// Message is what such a client sends.
func (c Client) Message(kind dhcpv4.MessageType, mac net.HardwareAddr, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	m := Message(kind, mac)
	if c.Class != "" {
		m.UpdateOption(dhcpv4.OptClassIdentifier(c.Class))
	}
	if c.UserClass != "" {
		m.UpdateOption(dhcpv4.OptUserClass(c.UserClass))
	}
	if c.HasArch {
		m.UpdateOption(dhcpv4.OptClientArch(c.Arch))
	}
	if c.UUID != nil {
		m.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, c.UUID))
	}
	for _, modify := range more {
		modify(m)
	}
	return m
}

// Message is a message of that kind for a machine, and nothing more. Its transaction is the last four
// octets of the MAC and the kind, so that the same is the same.
func Message(kind dhcpv4.MessageType, mac net.HardwareAddr, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	m := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootRequest, HWType: iana.HWTypeEthernet, ClientHWAddr: mac, Flags: 0x8000,
		TransactionID: dhcpv4.TransactionID(mac[2:6]),
		ClientIPAddr:  net.IPv4zero, YourIPAddr: net.IPv4zero, ServerIPAddr: net.IPv4zero, GatewayIPAddr: net.IPv4zero,
		Options: dhcpv4.Options{},
	}
	if kind == dhcpv4.MessageTypeOffer || kind == dhcpv4.MessageTypeAck || kind == dhcpv4.MessageTypeNak {
		m.OpCode = dhcpv4.OpcodeBootReply
	}
	m.UpdateOption(dhcpv4.OptMessageType(kind))
	for _, modify := range more {
		modify(m)
	}
	return m
}
