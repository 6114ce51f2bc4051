package main

import (
	"regexp"
	"strings"
	"testing"

	"bty/internal/wire"
)

// A server that systemd did not start says what it knows and what to do on the host, and leaves the
// host's own units alone.
func TestTFTPWithoutSystemd(t *testing.T) {
	a := start(t, nil)
	r := a.do("GET", "/api/v1/tftp", nil).is(t, 200)
	if got := keys(r.json(t)); got != "commands known probe reason refused service socket" {
		t.Error(got)
	}
	if o := r.object(t); o["known"] != false || o["socket"] != nil || !strings.Contains(o["refused"].(string), "systemd did not start this server") {
		t.Error(r.body)
	}
	for verb, command := range map[string]string{"start": "systemctl start bty-tftp.socket", "stop": "systemctl stop bty-tftp.socket bty-tftp.service",
		"restart": "systemctl restart bty-tftp.service"} {
		a.do("POST", "/api/v1/tftp/"+verb, nil).is(t, 409, "as in a container", command)
		a.do("POST", "/ui/netboot/tftp/"+verb, nil).leads(t, "/ui/netboot", "as in a container")
		a.anonymous("POST", "/api/v1/tftp/"+verb, nil).is(t, 401)
		a.do("GET", "/ui/netboot", nil).is(t, 200, command)
	}
	a.do("POST", "/api/v1/tftp/mask", nil).is(t, 404)
	if n := a.count("kind=netboot.tftp.control.failed"); n != 6 {
		t.Errorf("%d failures are recorded", n)
	}
	a.do("GET", "/ui/netboot/tftp/stop", nil).is(t, 200, "Stop the TFTP daemon?", `action="/ui/netboot/tftp/stop"`)
}

// The page shows the last transfers, and is sent again only when something is new.
func TestTFTPTransfersOnThePage(t *testing.T) {
	a := start(t, nil)
	seen := regexp.MustCompile(`/ui/netboot/tftp\?seen=([0-9a-f]+)`)
	first := seen.FindStringSubmatch(a.do("GET", "/ui/netboot", nil).is(t, 200, "No file has been asked for over TFTP yet").body)
	if first == nil {
		t.Fatal("the page does not say what it shows")
	}
	a.do("GET", first[0], nil).is(t, 204)
	for _, transfer := range []wire.Transfer{{Client: "192.0.2.7", File: "ipxe.efi", Served: "ipxe.efi", Bytes: 1_000_000, Duration: 1_500_000_000},
		{Client: "192.0.2.8", File: "x", Error: "no such file: x"}} {
		a.local("report.sock", "POST", "/transfers", transfer).is(t, 204)
	}
	a.do("GET", first[0], nil).is(t, 200, "192.0.2.7", "<code>ipxe.efi</code>", "1 MB", "1.5s", "192.0.2.8", "no such file: x")
}

// What the Settings page writes is seen by a daemon's unit or container, or it is not written there.
func TestApart(t *testing.T) {
	for _, tt := range []struct {
		contained, service bool
		want               string
	}{
		{false, false, ""}, {false, true, "bty-tftp bty-sniff"}, {true, false, "bty-tftp bty-sniff bty-cache"}, {true, true, "bty-tftp bty-sniff bty-cache"},
	} {
		if got := strings.Join(apart(tt.contained, tt.service), " "); got != tt.want {
			t.Errorf("contained %v, service %v: %q", tt.contained, tt.service, got)
		}
	}
}
