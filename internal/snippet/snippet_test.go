package snippet

import (
	"net/netip"
	"strings"
	"testing"
)

var site = Site{Host: netip.MustParseAddr("10.77.0.1"), Port: 8123, Subnet: netip.MustParsePrefix("10.77.0.1/24")}

// Every product says where to put what, and every text names the appliance.
func TestSnippets(t *testing.T) {
	list, err := Snippets(site)
	if err != nil {
		t.Fatal(err)
	}
	seen, used := map[string]bool{}, map[string]bool{}
	for _, product := range list {
		if product.Title == "" || product.When == "" || len(product.Steps) == 0 || len(product.Texts) == 0 || seen[product.ID] {
			t.Errorf("%+v", product)
		}
		seen[product.ID] = true
		for _, text := range product.Texts {
			used[text.ID+".txt"] = true
			if !strings.Contains(text.Body, "10.77.0.1") || text.Title == "" || strings.Contains(text.Body, "<no value>") {
				t.Errorf("%s: %s", text.ID, text.Body)
			}
			if strings.Contains(text.Body, "http://") && !strings.Contains(text.Body, "http://10.77.0.1:8123/boot/ipxe.efi") {
				t.Errorf("%s names another URL: %s", text.ID, text.Body)
			}
		}
	}
	all, err := files.ReadDir("files")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		if !used[file.Name()] {
			t.Errorf("%s is shown nowhere", file.Name())
		}
	}
	for _, id := range []string{"dnsmasq", "dnsmasq-proxy", "kea", "isc-dhcpd", "openwrt", "opnsense", "unifi", "mikrotik", "windows"} {
		if !seen[id] {
			t.Errorf("nothing for %s", id)
		}
	}
}

func TestSite(t *testing.T) {
	for _, test := range []struct{ subnet, network, mask, first, last string }{
		{"192.168.1.17/24", "192.168.1.0", "255.255.255.0", "192.168.1.102", "192.168.1.204"},
		{"10.1.2.3/16", "10.1.0.0", "255.255.0.0", "10.1.102.102", "10.1.204.204"},
		{"172.16.5.9/20", "172.16.0.0", "255.255.240.0", "172.16.6.102", "172.16.12.204"},
	} {
		s := Site{Subnet: netip.MustParsePrefix(test.subnet)}
		if s.Network() != test.network || s.Netmask() != test.mask || s.First() != test.first || s.Last() != test.last {
			t.Errorf("%s: %s %s %s %s", test.subnet, s.Network(), s.Netmask(), s.First(), s.Last())
		}
	}
	if _, err := Fill("none", site); err == nil {
		t.Error("a text that is not there")
	}
}
