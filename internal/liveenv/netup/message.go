package netup

import (
	"encoding/binary"
	"net"
	"time"

	"bty/internal/machine"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
	"golang.org/x/sys/unix"
)

// The messages are built here and not by the library, whose constructors wait for the kernel's
// random generator: without a hardware source that is a second or more at boot, and a
// transaction id is no secret.

func message(kind dhcpv4.MessageType, mac machine.MAC, elapsed time.Duration) *dhcpv4.DHCPv4 {
	m := &dhcpv4.DHCPv4{
		OpCode:        dhcpv4.OpcodeBootRequest,
		HWType:        iana.HWTypeEthernet,
		TransactionID: transactionID(),
		NumSeconds:    uint16(min(elapsed/time.Second, 0xffff)), // relays and second servers wait for it to grow
		ClientHWAddr:  net.HardwareAddr(mac[:]),
		ClientIPAddr:  net.IPv4zero, YourIPAddr: net.IPv4zero, ServerIPAddr: net.IPv4zero, GatewayIPAddr: net.IPv4zero,
		Options: dhcpv4.Options{},
	}
	m.UpdateOption(dhcpv4.OptMessageType(kind))
	m.UpdateOption(dhcpv4.OptMaxMessageSize(nclientMax))
	m.UpdateOption(identity(mac))
	m.UpdateOption(parameters())
	return m
}

// nclientMax is the largest answer that the library reads.
const nclientMax = 1500

func discover(mac machine.MAC, elapsed time.Duration) *dhcpv4.DHCPv4 {
	return message(dhcpv4.MessageTypeDiscover, mac, elapsed)
}

// request takes an offer (state SELECTING, RFC 2131 section 4.3.2).
func request(mac machine.MAC, offer *dhcpv4.DHCPv4, elapsed time.Duration) *dhcpv4.DHCPv4 {
	m := message(dhcpv4.MessageTypeRequest, mac, elapsed)
	m.UpdateOption(dhcpv4.OptRequestedIPAddress(offer.YourIPAddr))
	m.UpdateOption(dhcpv4.OptServerIdentifier(offer.ServerIdentifier()))
	return m
}

// extension asks for more time (state RENEWING): the address stands in ciaddr, and neither
// option 50 nor 54 may be there.
func extension(mac machine.MAC, lease Lease) *dhcpv4.DHCPv4 {
	m := message(dhcpv4.MessageTypeRequest, mac, 0)
	m.ClientIPAddr = lease.Address.Addr().AsSlice()
	return m
}

// identity is option 61 in the form that iPXE sends. With another, or none, some servers see
// another machine and give another address.
func identity(mac machine.MAC) dhcpv4.Option {
	return dhcpv4.OptClientIdentifier(append([]byte{byte(iana.HWTypeEthernet)}, mac[:]...))
}

// parameters is the list of options that we can use (55). 121 comes before 3: RFC 3442.
func parameters() dhcpv4.Option {
	return dhcpv4.OptParameterRequestList(
		dhcpv4.OptionSubnetMask,
		dhcpv4.OptionClasslessStaticRoute,
		dhcpv4.OptionRouter,
		dhcpv4.OptionDomainNameServer,
		dhcpv4.OptionDomainName,
		dhcpv4.OptionDNSDomainSearchList,
		dhcpv4.OptionInterfaceMTU,
		dhcpv4.OptionIPAddressLeaseTime,
		dhcpv4.OptionRenewTimeValue,
		dhcpv4.OptionRebindingTimeValue,
	)
}

func transactionID() (id dhcpv4.TransactionID) {
	if n, err := unix.Getrandom(id[:], unix.GRND_INSECURE); err != nil || n != len(id) {
		binary.BigEndian.PutUint32(id[:], uint32(time.Now().UnixNano())) // before Linux 5.6
	}
	return id
}
