package liveenv

import (
	"fmt"
	"strings"
	"testing"
)

// show is what was understood, in short.
func show(s settings) string {
	c := s.network()
	var b strings.Builder
	switch {
	case c.NIC.MAC != nil:
		fmt.Fprint(&b, c.NIC.MAC)
	case c.NIC.Name != "":
		b.WriteString(c.NIC.Name)
	default:
		b.WriteString("any")
	}
	if c.VLAN != 0 {
		fmt.Fprintf(&b, " vlan %d", c.VLAN)
	}
	if c.Static != nil {
		fmt.Fprintf(&b, " %s", c.Static.Address)
		if c.Static.Gateway.IsValid() {
			fmt.Fprintf(&b, " via %s", c.Static.Gateway)
		}
		if c.Static.MTU != 0 {
			fmt.Fprintf(&b, " mtu %d", c.Static.MTU)
		}
	}
	if len(c.DNS) > 0 {
		fmt.Fprintf(&b, " dns %v", c.DNS)
	}
	return b.String()
}

func TestNetworkWords(t *testing.T) {
	for line, want := range map[string]string{
		"":                                       "any",
		"bty.mac=52:54:00:00:00:01":              "52:54:00:00:00:01",
		"ip=dhcp":                                "any",
		"ip=off":                                 "any", // is for the kernel's own configuration
		"ip=eth1:dhcp":                           "eth1",
		"ip=:::::eth1:dhcp":                      "eth1",
		"bty.nic=eth1":                           "eth1",
		"bty.nic=52-54-00-00-00-02":              "52:54:00:00:00:02",
		"bty.nic=eth1 ip=eth0:dhcp":              "eth1",
		"nameserver=192.0.2.2":                   "any dns [192.0.2.2]",
		"bty.vlan=5":                             "any vlan 5",
		"vlan=vlan0005:eth1":                     "eth1 vlan 5",
		"vlan=eth0.12:eth0 ip=eth0.12:dhcp":      "eth0 vlan 12",
		"bty.mac=52:54:00:00:00:01 bty.nic=eth0": "eth0",
		"bty.vlan=5 bty.mac=52:54:00:00:00:01":   "52:54:00:00:00:01 vlan 5",
		"ip=192.0.2.10::192.0.2.1:255.255.255.0:host:eth0:none":                                    "eth0 192.0.2.10/24 via 192.0.2.1",
		"ip=192.0.2.10::192.0.2.1:24:host:eth0:none:192.0.2.2":                                     "eth0 192.0.2.10/24 via 192.0.2.1 dns [192.0.2.2]",
		"ip=192.0.2.10:192.0.2.9:192.0.2.1:20::eth0:off:192.0.2.2:192.0.2.3:192.0.2.4":             "eth0 192.0.2.10/20 via 192.0.2.1 dns [192.0.2.2 192.0.2.3]",
		"ip=192.0.2.10::192.0.2.1:24::eth0:none:9000:52:54:00:00:00:09":                            "eth0 192.0.2.10/24 via 192.0.2.1 mtu 9000",
		"ip=192.0.2.10:::32 nameserver=192.0.2.2 bty.mac=52:54:00:00:00:01":                        "52:54:00:00:00:01 192.0.2.10/32 dns [192.0.2.2]",
		"vlan=vlan7:eth2 ip=192.0.2.10::192.0.2.1:255.255.255.128::vlan7:none bty.server=http://h": "eth2 vlan 7 192.0.2.10/25 via 192.0.2.1",
	} {
		s, err := parseCmdline(line)
		if got := show(s); got != want || err != nil {
			t.Errorf("%q: %s, %v; want %s", line, got, err, want)
		}
	}
}

func TestNetworkWordsThatAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"ip=dhcp6":     `"dhcp6" is not a way`,
		"ip=eth0:ibft": `"ibft" is not a way`,
		"ip=[2001:db8::1]::[2001:db8::2]:64::eth0:none": "IPv6 is not supported",
		"ip=192.0.2.10":                                  "the netmask",
		"ip=192.0.2.10:::255.0.255.0":                    "the netmask",
		"ip=192.0.2.10::192.0.2.300:24::eth0:none":       `"192.0.2.300" is not an IPv4 address`,
		"ip=192.0.2.10::192.0.2.1:24::eth0:dhcp":         "contradict",
		"ip=192.0.2.10::192.0.2.1:24::eth0:none:dns.lan": `"dns.lan" is not`,
		"ip=192.0.2.10::192.0.2.1:24::eth0:none ip=dhcp": "there is ip=192.0.2.10",
		"ip=0.0.0.0:::24":                                "not an IPv4 address",
		"nameserver=lan":                                 "nameserver=lan on the kernel's command line",
		"vlan=five:eth0":                                 "want vlan5:eth0",
		"vlan=vlan5":                                     "want vlan5:eth0",
		"vlan=vlan5000:eth0":                             "1 to 4094",
		"bty.vlan=0":                                     "1 to 4094",
		"bty.nic=":                                       "neither the address nor the name",
		"bty.nic=../../etc/x":                            "neither the address nor the name",
	} {
		if _, err := parseCmdline(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q in it", line, err, want)
		}
	}
}
