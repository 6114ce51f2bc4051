package sniff

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Ports of DHCP: 4011 is where PXE clients ask a proxyDHCP server again (PXE 2.1 section 2.2.1).
const (
	portServer = 67
	portClient = 68
	portProxy  = 4011
)

const (
	etherIPv4 = 0x0800
	etherVLAN = 0x8100 // 802.1Q
	etherQinQ = 0x88a8 // 802.1ad
	etherOld  = 0x9100 // before 802.1ad had a number

	etherHeader = 14
	vlanTag     = 4
	maxTags     = 2 // in the frame; one more may have been taken off by the network card
	vlanID      = 0x0fff
)

// Hardware types of links, include/uapi/linux/if_arp.h.
const (
	linkEther    = 1
	linkLoopback = 772
)

var (
	errForeign   = errors.New("not DHCP") // the filter lets little of it through
	errMalformed = errors.New("malformed")
)

// datagram is a UDP payload with where it came from.
type datagram struct {
	from    netip.Addr
	vlan    uint16
	payload []byte
}

// readFrame finds the datagram in a captured frame. vlan is the tag that the network card took off.
func readFrame(frame []byte, linkType uint16, vlan uint16) (datagram, error) {
	packet, vlan, err := readLink(frame, linkType, vlan)
	if err != nil {
		return datagram{}, err
	}
	from, segment, err := readIPv4(packet)
	if err != nil {
		return datagram{}, err
	}
	payload, err := readUDP(segment)
	return datagram{from, vlan, payload}, err
}

// readLink takes the link's header off. Of two tags the inner one counts: it is the machine's LAN,
// the outer one the provider's way to it.
func readLink(frame []byte, linkType uint16, vlan uint16) ([]byte, uint16, error) {
	if linkType != linkEther && linkType != linkLoopback {
		return frame, vlan, nil // tunnels have no header
	}
	if len(frame) < etherHeader {
		return nil, 0, errMalformed
	}
	kind, rest := binary.BigEndian.Uint16(frame[12:]), frame[etherHeader:]
	for tags := 0; kind != etherIPv4; tags++ {
		if tags == maxTags || kind != etherVLAN && kind != etherQinQ && kind != etherOld {
			return nil, 0, errForeign
		}
		if len(rest) < vlanTag {
			return nil, 0, errMalformed
		}
		vlan, kind, rest = binary.BigEndian.Uint16(rest)&vlanID, binary.BigEndian.Uint16(rest[2:]), rest[vlanTag:]
	}
	return rest, vlan, nil
}

func readIPv4(p []byte) (from netip.Addr, segment []byte, err error) {
	const udp = 17
	if len(p) < 20 || p[0]>>4 != 4 {
		return from, nil, errForeign
	}
	header, total := int(p[0]&0xf)*4, int(binary.BigEndian.Uint16(p[2:]))
	if p[9] != udp || binary.BigEndian.Uint16(p[6:])&0x1fff != 0 { // of fragments only the first has ports
		return from, nil, errForeign
	}
	if header < 20 || total < header || len(p) < header {
		return from, nil, errMalformed
	}
	return netip.AddrFrom4([4]byte(p[12:16])), p[header:min(total, len(p))], nil // behind total is padding
}

func readUDP(p []byte) ([]byte, error) {
	if len(p) < 8 {
		return nil, errMalformed
	}
	if !isDHCP(binary.BigEndian.Uint16(p)) && !isDHCP(binary.BigEndian.Uint16(p[2:])) {
		return nil, errForeign
	}
	length := int(binary.BigEndian.Uint16(p[4:]))
	if length < 8 {
		return nil, errMalformed
	}
	return p[8:min(length, len(p))], nil // a first fragment has less than it says
}

func isDHCP(port uint16) bool { return port == portServer || port == portClient || port == portProxy }
