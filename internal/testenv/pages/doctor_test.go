package pages

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"bty/internal/testenv/browser"
)

// furnishDoctor is a LAN whose DHCP server tells all machines the same, beside a proxy.
func furnishDoctor(s *server) {
	s.Helper()
	s.saw(fresh, "PXEClient:Arch:00007:UNDI:003016", 7, `"bootfile":"undionly.kpxe","next_server":"10.1.2.3"`)
	s.saw("52:54:00:b0:00:01", "PXEClient:Arch:00000:UNDI:002001", 0, `"bootfile":"undionly.kpxe","next_server":"10.1.2.3"`)
	s.saw("52:54:00:b0:00:02", "HTTPClient:Arch:00016:UNDI:003001", 16, `"bootfile":"http://10.1.2.3:8080/boot/ipxe.efi"`)
}

// saw tells bty-web what bty-sniff saw: a machine that asked, and what it was told.
func (s *server) saw(mac, class string, arch int, answer string) {
	s.Helper()
	at := time.Now().UTC().Format(time.RFC3339Nano)
	body := fmt.Sprintf(`{"sightings":[{"at":%q,"mac":%q,"message":"DISCOVER","class":%q,"arch_code":%d,"link":"eno1"}],
		"answers":[{"at":%q,"mac":%q,"message":"ACK","from":"10.1.2.254","server":"10.1.2.254","address":"10.1.2.50","link":"eno1",%s}]}`, at, mac, class, arch, at, mac, answer)
	socket := filepath.Join(filepath.Dir(s.state), "run", "report.sock")
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		Dial: func(string, string) (net.Conn, error) { return net.Dial("unix", socket) }}}
	answered, err := client.Post("http://bty/sightings", "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		s.Fatal(err)
	}
	answered.Body.Close()
	if answered.StatusCode != http.StatusNoContent {
		s.Fatal(answered.Status)
	}
}

// A finding comes and goes by itself, and does not move what the reader is at; its links lead to the
// text that mends it.
func TestDoctor(t *testing.T) {
	s := start(t)
	s.live()
	tab := s.tab()
	tab.Look(browser.Desktop)
	tab.Go("/ui/netboot?address=10.1.2.3")
	tab.Live()
	tab.Until(`(document.getElementById("dhcp-kea").scrollIntoView(), true)`)
	where := browser.Eval[float64](tab, `document.getElementById("dhcp-kea").getBoundingClientRect().top`)
	s.saw(fresh, "PXEClient:Arch:00007:UNDI:003016", 7, `"bootfile":"undionly.kpxe","next_server":"10.1.2.3"`)
	tab.Until(`document.getElementById("doctor").textContent.includes("which is for BIOS")`)
	if now := browser.Eval[float64](tab, `document.getElementById("dhcp-kea").getBoundingClientRect().top`); now < where-2 || now > where+2 {
		t.Errorf("what the reader is at moved from %.0f to %.0f", where, now)
	}
	tab.Click(`#doctor a[href="#snippet-isc-dhcpd-arch"]`)
	tab.Until(`document.getElementById("dhcp-isc-dhcpd").open`)
	tab.Says("#snippet-isc-dhcpd-arch", "next-server 10.1.2.3")
	s.saw(fresh, "PXEClient:Arch:00007:UNDI:003016", 7, `"bootfile":"ipxe.efi","next_server":"10.1.2.3"`)
	tab.Until(`!document.getElementById("doctor").textContent.includes("which is for BIOS")`)
	tab.Clean()
}
