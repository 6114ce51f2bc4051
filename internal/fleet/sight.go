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

// Sight records that a known machine's DHCP request was seen. One that is not known has nothing
// to show it on.
func (f *Fleet) Sight(ctx context.Context, mac machine.MAC, s wire.Sighting) error {
	if _, found, err := f.lookup(mac); err != nil || !found {
		return err
	}
	now := f.Now()
	if !f.activity.sight(mac, s.FromIPXE(), now) {
		return nil
	}
	return f.commit(ctx, func(Tx) ([]event.Event, error) {
		who := "its firmware"
		if s.FromIPXE() {
			who = "iPXE"
		}
		summary := fmt.Sprintf("%s: %s asked for an address as %s", mac, who, cmp.Or(s.Class, "a client of no class"))
		if s.Arch != "" {
			summary += ", " + s.Arch
		}
		return []event.Event{machineEvent(event.MachineSighted, mac, event.System, netip.Addr{}, now, summary, s)}, nil
	})
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
