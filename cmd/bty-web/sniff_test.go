package main

import (
	"fmt"
	"strings"
	"testing"
)

// Whose DHCP request makes a machine known is settled by [sniff], and a reload is enough to change it.
func TestWhoIsMadeKnown(t *testing.T) {
	a := start(t, nil)
	machines := 0
	seen := func(rack int, class string, want bool) {
		t.Helper()
		machines++
		mac := fmt.Sprintf("52:54:00:00:%02x:%02x", rack, machines)
		a.local("report.sock", "POST", "/sightings", jsonText(`{"sightings":[{"mac":"`+mac+`","class":"`+class+`"}]}`)).is(t, 204)
		status := 404
		if want {
			status = 200
		}
		if r := a.do("GET", "/machines/"+mac, nil); r.StatusCode != status {
			t.Errorf("%s as %s: %d, want %d", mac, class, r.StatusCode, status)
		}
	}
	reload := func(text, outcome string) {
		t.Helper()
		a.config(text)
		if status, got := a.control("POST", "/reload"); status/100 != 2 && outcome == "" || !strings.Contains(got, outcome) {
			t.Fatalf("%d %s", status, got)
		}
	}
	seen(7, "PXEClient", true)
	seen(7, "MSFT 5.0", false)
	reload("[sniff]\nregister = 'all'\n", "sniff.register")
	seen(7, "MSFT 5.0", true)
	reload("[sniff]\nregister = 'off'\n", "sniff.register")
	seen(7, "PXEClient", false)
	reload("[sniff]\nallow = '52-54-00-00-07'\n", "sniff.allow")
	seen(7, "PXEClient", true)
	seen(8, "PXEClient", false)
	reload("[sniff]\ndeny = '52:54'\n", "sniff.deny")
	seen(7, "PXEClient", false)
	reload("[sniff]\nnew_per_minute = 1\n", "sniff.new_per_minute")
	seen(7, "PXEClient", false) // others were made known in this minute
	for text, names := range map[string]string{
		"register = 'some'": "sniff.register", "allow = '52:5'": "sniff.allow", "deny = 'fe80::1'": "sniff.deny", "interfaces = 'eth['": "sniff.interfaces", "new_per_minute = 0": "sniff.new_per_minute",
	} {
		reload("[sniff]\n"+text+"\n", names)
	}
	if !strings.Contains(a.log.String(), "new_per_minute") {
		t.Error("that a machine was not made known is not in the journal")
	}
}
