package fleet

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"time"

	"bty/internal/event"
	"bty/internal/machine"
	"bty/internal/wire"
)

// sightingPause is for how long a machine's further requests belong to the one that was recorded:
// firmware sends DISCOVER several times, and then REQUEST.
const sightingPause = 20 * time.Second

// Sighted is a DHCP request of a machine that was seen on the wire.
type Sighted struct {
	MAC machine.MAC
	wire.Sighting
}

// Sight records the requests of machines that boot from the network, all in one commit. One that
// is not known has nothing to show it on.
func (f *Fleet) Sight(ctx context.Context, seen []Sighted) error {
	now := f.Now()
	var events []event.Event
	for _, s := range seen {
		if !s.IsNetboot() {
			continue
		}
		_, found, err := f.lookup(s.MAC)
		if err != nil {
			return err
		}
		if found && f.activity.sight(s.MAC, s.FromIPXE(), now) {
			events = append(events, machineEvent(event.MachineSighted, s.MAC, event.System, netip.Addr{}, now, s.summary(), s.Sighting))
		}
	}
	if len(events) == 0 {
		return nil
	}
	return f.commit(ctx, func(Tx) ([]event.Event, error) { return events, nil })
}

func (s Sighted) summary() string {
	who := "its firmware"
	if s.FromIPXE() {
		who = "iPXE"
	}
	text := fmt.Sprintf("%s: %s asked for an address as %s", s.MAC, who, cmp.Or(s.Class, "a client of no class"))
	if s.Arch != "" {
		text += ", " + s.Arch
	}
	if s.Link != "" {
		text += ", on " + s.Link
	}
	if s.VLAN != 0 {
		text += fmt.Sprintf(", VLAN %d", s.VLAN)
	}
	return text
}

// sight reports whether a sighting is news.
func (a *activity) sight(mac machine.MAC, isIPXE bool, at time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.byMAC[mac]
	last := &now.sightedFirmware
	if isIPXE {
		last = &now.sightedIPXE
	}
	if at.Sub(*last) < sightingPause {
		return false
	}
	*last = at
	a.byMAC[mac] = now
	return true
}
