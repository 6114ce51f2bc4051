package fleet

import (
	"fmt"
	"strings"
	"testing"

	"bty/internal/boot"
	"bty/internal/event"
	"bty/internal/machine"
	"bty/internal/wire"
)

var (
	pxe   = wire.Sighting{Class: "PXEClient:Arch:00007:UNDI:003016", Arch: "x86_64 UEFI", Link: "eth0", VLAN: 5}
	phone = wire.Sighting{Class: "android-dhcp-14", Link: "eth0"}
)

func TestRegistration(t *testing.T) {
	net := Registration{Netboot: true, PerMinute: 10}
	for _, c := range []struct {
		Registration
		wire.Sighting
		want bool
	}{
		{net, pxe, true}, {net, phone, false}, {net, wire.Sighting{UserClass: "iPXE"}, true}, {net, wire.Sighting{Class: "HTTPClient"}, true},
		{Registration{All: true}, phone, true}, {Registration{}, pxe, false},
		{Registration{Netboot: true, Allow: []string{"52-54-00"}}, pxe, true},
		{Registration{Netboot: true, Allow: []string{"52:54:01"}}, pxe, false},
		{Registration{All: true, Deny: []string{"aa", "52:54:00:00:00:01"}}, phone, false},
		{Registration{All: true, Allow: []string{"52"}, Deny: []string{"52:54:00:00:00:02"}}, phone, true},
	} {
		if got := c.wants(Sighted{box, c.Sighting}); got != c.want {
			t.Errorf("%+v of %+v: %v", c.Registration, c.Sighting, got)
		}
	}
}

// A machine that was seen is as one that made contact: it is asked for its hardware next.
func TestDHCPMakesMachinesKnown(t *testing.T) {
	s := newSite(t)
	s.Registration = func() Registration { return Registration{Netboot: true, PerMinute: 2} }
	var rack []Sighted
	for i := range 5 {
		mac := box
		mac[5] += byte(i)
		rack = append(rack, Sighted{mac, pxe}, Sighted{mac, pxe}) // DISCOVER and REQUEST
	}
	refused, err := s.Sight(ctx, rack)
	if err != nil || refused != 3 || s.Count() != 2 {
		t.Fatalf("%d machines, %d refused, %v", s.Count(), refused, err)
	}
	events := s.all()
	if len(events) != 2 || events[0].Kind != event.MachineSighted {
		t.Fatalf("%v", events)
	}
	first := events[1]
	if first.Kind != event.MachineDiscovered || first.Actor != event.System || !strings.Contains(string(first.Details), `"source":"dhcp","link":"eth0","vlan":5`) ||
		!strings.Contains(string(first.Details), `"boot_mode":"bty-inventory"`) {
		t.Errorf("%s %s", fmt.Sprint(first), first.Details)
	}
	s.restart()
	s.Registration = func() Registration { return Registration{Netboot: true, PerMinute: 1} }
	if refused, err := s.Sight(ctx, rack[4:6]); err != nil || refused != 0 || s.Count() != 3 {
		t.Errorf("later: %d refused, %d machines, %v", refused, s.Count(), err)
	}
	offer, err := s.Contact(ctx, Contact{MAC: rack[0].MAC, Asker: boot.Firmware, From: from})
	if err != nil || offer.Rule != boot.RuleInventory {
		t.Errorf("%+v %v", offer.Rule, err)
	}
	if refused, err := s.Sight(ctx, []Sighted{{machine.MAC{2}, phone}}); err != nil || refused != 0 || s.Count() != 3 {
		t.Errorf("a phone: %d refused, %d machines, %v", refused, s.Count(), err)
	}
}
