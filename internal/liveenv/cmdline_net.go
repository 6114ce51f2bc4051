package liveenv

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"bty/internal/liveenv/netup"
	"bty/internal/machine"
)

// netWords are the words of the command line about the network, in the spelling of the kernel
// (Documentation/admin-guide/nfs/nfsroot.rst) and of dracut.cmdline(7).
type netWords struct {
	ip, device string // ip=, and the device in it
	vlanName   string // of vlan=
	config     netup.Config
}

// set takes a word. It is false for a word about something else.
func (n *netWords) set(key, value string) (ours bool, err error) {
	switch key {
	case "ip":
		err = n.setIP(value)
	case "nameserver":
		err = n.addDNS(value)
	case "vlan":
		err = n.setVLAN(value)
	case "bty.vlan":
		n.config.VLAN, err = vlanID(value)
	case "bty.nic":
		err = n.setNIC(value)
	default:
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("%s=%s on the kernel's command line: %w", key, value, err)
	}
	return true, nil
}

// setNIC takes an address or a name. Names are the kernel's own (eth0): nothing renames them here.
func (n *netWords) setNIC(value string) error {
	if mac, err := machine.ParseMAC(value); err == nil {
		n.config.NIC.MAC = &mac
		return nil
	}
	if value == "" || len(value) > 15 || strings.ContainsAny(value, "/: ") {
		return fmt.Errorf("neither the address nor the name of a network card")
	}
	n.config.NIC.Name = value
	return nil
}

// setVLAN reads "vlan5:eth0" and "eth0.5:eth0".
func (n *netWords) setVLAN(value string) error {
	name, parent, ok := strings.Cut(value, ":")
	digits := strings.TrimPrefix(name, "vlan")
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		digits = name[i+1:]
	}
	if !ok || digits == name {
		return fmt.Errorf("want vlan5:eth0 or eth0.5:eth0")
	}
	id, err := vlanID(digits)
	if err != nil {
		return err
	}
	n.vlanName, n.config.VLAN = name, id
	return n.setNIC(parent)
}

func vlanID(digits string) (int, error) {
	id, err := strconv.Atoi(digits)
	if err != nil || id < 1 || id > 4094 {
		return 0, fmt.Errorf("want the number of a VLAN, 1 to 4094")
	}
	return id, nil
}

func (n *netWords) addDNS(value string) error {
	addr, err := ipv4(value)
	if err == nil {
		n.config.DNS = append(n.config.DNS, addr)
	}
	return err
}

// setIP reads ip=dhcp, ip=DEVICE:dhcp and
// ip=CLIENT:SERVER:GATEWAY:MASK:HOST:DEVICE:HOW[:DNS[:DNS]]. A mask is a prefix length or dotted; the
// server and the host's name are of no use here.
func (n *netWords) setIP(value string) error {
	if n.ip != "" {
		return fmt.Errorf("there is ip=%s already, and one NIC is all that is used", n.ip)
	}
	n.ip = value
	if strings.Contains(value, "[") {
		return fmt.Errorf("IPv6 is not supported")
	}
	f := strings.Split(value, ":")
	at := func(i int) string {
		if i < len(f) {
			return f[i]
		}
		return ""
	}
	switch {
	case len(f) == 1 && at(0) != "" && !isAddress(at(0)):
		return how(at(0))
	case len(f) >= 2 && at(0) != "" && !isAddress(at(0)): // DEVICE:dhcp[:mtu[:mac]]
		n.device = at(0)
		return how(at(1))
	}
	n.device = at(5)
	if at(0) == "" {
		if err := how(at(6)); err != nil {
			return err
		}
	} else if err := n.setStatic(at(0), at(2), at(3), at(6)); err != nil {
		return err
	}
	return n.addLast(f)
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(strings.SplitN(s, "/", 2)[0])
	return err == nil
}

// how checks the ways to an address. "off" and "none" are for the kernel's own configuration; with
// no address there is nothing to take from them.
func how(value string) error {
	switch value {
	case "", "dhcp", "on", "any", "both", "off", "none":
		return nil
	}
	return fmt.Errorf("%q is not a way to an address that is known here; want dhcp, or a static address and none", value)
}

func (n *netWords) setStatic(client, gateway, mask, way string) error {
	if way != "" && way != "none" && way != "off" && way != "static" {
		return fmt.Errorf("an address and %q contradict each other: want none", way)
	}
	addr, err := ipv4(client)
	if err != nil {
		return err
	}
	bits, err := prefixLength(mask)
	if err != nil {
		return err
	}
	static := &netup.Lease{Address: netip.PrefixFrom(addr, bits)}
	if gateway != "" {
		if static.Gateway, err = ipv4(gateway); err != nil {
			return err
		}
	}
	n.config.Static = static
	return nil
}

// addLast reads what follows HOW: name servers, or dracut's MTU and MAC (which is not changed here).
func (n *netWords) addLast(f []string) error {
	for i, s := range f[min(7, len(f)):] {
		mtu, err := strconv.Atoi(s)
		switch {
		case s == "" || i > 1: // a time server
		case err == nil && i == 0:
			if n.config.Static != nil && mtu >= 576 {
				n.config.Static.MTU = mtu
			}
			return nil
		default:
			if err := n.addDNS(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func prefixLength(mask string) (int, error) {
	if bits, err := strconv.Atoi(mask); err == nil && bits >= 1 && bits <= 32 {
		return bits, nil
	}
	if addr, err := netip.ParseAddr(mask); err == nil && addr.Is4() {
		if bits, size := net.IPMask(addr.AsSlice()).Size(); size == 32 && bits > 0 {
			return bits, nil
		}
	}
	return 0, fmt.Errorf("the netmask %q: want 24 or 255.255.255.0", mask)
}

func ipv4(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || !addr.Is4() || addr.IsUnspecified() {
		return netip.Addr{}, fmt.Errorf("%q is not an IPv4 address", s)
	}
	return addr, nil
}

// network settles which NIC it is, once all words are known: bty.nic or the parent of the VLAN, then
// the device of ip=, then the machine's own address.
func (s settings) network() netup.Config {
	n := s.net
	if n.config.NIC.IsZero() && n.device != "" && n.device != n.vlanName {
		n.config.NIC.Name = n.device
	}
	if n.config.NIC.IsZero() {
		n.config.NIC.MAC = s.mac
	}
	return n.config
}
