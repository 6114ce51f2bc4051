package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bty/internal/host"
)

// ownAddress is one of this host's that machines could be sent to.
func ownAddress(t *testing.T) netip.Addr {
	t.Helper()
	list, err := host.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if !a.Addr().IsLoopback() {
			return a.Addr()
		}
	}
	return list[0].Addr()
}

// saw tells bty-web what bty-sniff saw: a machine that asked, and what it was told.
func (a *appliance) saw(mac, class string, arch int, answer string) {
	a.Helper()
	a.sawAt(time.Now(), mac, class, arch, "192.0.2.50", answer)
}

func (a *appliance) sawAt(when time.Time, mac, class string, arch int, address, answer string) {
	a.Helper()
	at := when.UTC().Format(time.RFC3339Nano)
	a.local("report.sock", "POST", "/sightings", jsonText(fmt.Sprintf(`{"sightings":[{"at":%q,"mac":%q,"message":"DISCOVER","class":%q,"arch_code":%d,"link":"eth0"}],
		"answers":[{"at":%q,"mac":%q,"message":"ACK","from":"192.0.2.254","server":"192.0.2.254","address":%q,"link":"eth0",%s}]}`, at, mac, class, arch, at, mac, address, answer))).is(a, 204)
}

// findings are what GET /api/v1/doctor has, by ID.
func (a *appliance) findings() map[string]map[string]any {
	a.Helper()
	found := map[string]map[string]any{}
	for _, f := range a.do("GET", "/api/v1/doctor", nil).object(a)["findings"].([]any) {
		one := f.(map[string]any)
		found[one["id"].(string)] = one
	}
	return found
}

// What was seen of DHCP becomes a finding in the API, on the Netboot page and on the dashboard, with
// the texts that mend it filled in; what is mended goes.
func TestDoctor(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	own := ownAddress(t).String()
	a.anonymous("GET", "/api/v1/doctor", nil).is(t, 401)
	if f := a.findings()["dhcp.nothing-seen"]; f == nil || f["severity"] != "note" {
		t.Errorf("%v", f)
	}
	a.file("ipxe.efi", []byte("MZ"))
	a.saw(mac1, "PXEClient:Arch:00007:UNDI:003016", 7, `"bootfile":"undionly.kpxe","next_server":"`+own+`"`)
	f := a.within(5*time.Second, "dhcp.wrong-program")
	if f["severity"] != "error" || !strings.Contains(f["what"].(string), "192.0.2.254 tells x86_64 UEFI over PXE to load undionly.kpxe, which is for BIOS") {
		t.Errorf("%v", f)
	}
	whole := a.do("GET", "/api/v1/doctor", nil)
	whole.is(t, 200, `"id":"dnsmasq-arch","product":"dnsmasq"`, `"server":"192.0.2.254"`, `"bootfile":"undionly.kpxe"`, `"client":"x86_64 UEFI over PXE"`)
	page := a.do("GET", "/ui/netboot", nil)
	page.is(t, 200, `id="doctor"`, "which is for BIOS", `href="#snippet-dnsmasq-arch"`, `id="snippet-dnsmasq-arch"`, `href="/ui/machines/`+mac1)
	a.do("GET", "/ui/netboot/doctor", nil).is(t, 200, `id="doctor"`, "which is for BIOS")
	a.do("GET", "/ui/dashboard", nil).is(t, 200, "tells x86_64 UEFI over PXE to load undionly.kpxe")
	a.local("control.sock", "GET", "/api/v1/doctor", nil).is(t, 200, "dhcp.wrong-program")

	time.Sleep(10 * time.Millisecond)
	a.saw(mac1, "PXEClient:Arch:00007:UNDI:003016", 7, `"bootfile":"ipxe.efi","next_server":"`+own+`"`)
	a.within(5*time.Second, "dhcp.well")
	if f := a.findings()["dhcp.wrong-program"]; f != nil {
		t.Errorf("it was mended: %v", f)
	}
}

// within waits until a finding is there.
func (a *appliance) within(d time.Duration, id string) map[string]any {
	a.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if f := a.findings()[id]; f != nil {
			return f
		}
	}
	a.Fatalf("no finding %s in %v", id, a.findings())
	return nil
}

// A machine that has an address and a bootfile and asks for nothing is a finding, until it asks.
func TestDoctorSilentMachine(t *testing.T) {
	t.Parallel()
	for name, asks := range map[string]func(*appliance){
		"HTTP":   func(a *appliance) { a.anonymous("GET", "/boot/ipxe.efi", nil).is(t, 200) },
		"script": func(a *appliance) { a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200) },
		"TFTP": func(a *appliance) {
			a.local("report.sock", "POST", "/transfers", jsonText(`{"client":"127.0.0.1","file":"ipxe.efi","bytes":2}`)).is(t, 204)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, nil)
			a.file("ipxe.efi", []byte("MZ"))
			a.sawAt(time.Now().Add(-3*time.Minute), mac1, "PXEClient:Arch:00007:UNDI:003016", 7, "127.0.0.1", `"bootfile":"ipxe.efi","next_server":"`+ownAddress(t).String()+`"`)
			if f := a.within(5*time.Second, "machine.silent"); f["subject"] != mac1 || f["severity"] != "warning" {
				t.Errorf("%v", f)
			}
			asks(a)
			for end := time.Now().Add(5 * time.Second); a.findings()["machine.silent"] != nil; time.Sleep(100 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("it has asked, and is still silent")
				}
			}
		})
	}
}

// The address that is set stands in the texts, and one that is not this host's is a finding.
func TestDoctorAddress(t *testing.T) {
	a := start(t, map[string]string{"BTY_NETBOOT_ADDRESS": "203.0.113.77"})
	// In a container nobody knows the host's addresses.
	if f := a.findings()["host.address-not-ours"]; (f == nil) != host.InContainer() || f != nil && (f["severity"] != "error" || f["subject"] != "203.0.113.77") {
		t.Errorf("%v", f)
	}
	a.do("GET", "/ui/netboot", nil).is(t, 200, "next-server 203.0.113.77")
	says(t, prepare(t, map[string]string{"BTY_NETBOOT_ADDRESS": "boot.example"}).refuses(), "IPv4 address")
}
