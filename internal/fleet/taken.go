package fleet

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"bty/internal/event"
	"bty/internal/machine"
	"bty/internal/wire"
)

// MaxMachines is how many machines there can be.
const MaxMachines = maxMachines

// Sight is when and from where the previous system saw a machine last.
type Sight struct {
	MAC  machine.MAC
	At   time.Time // zero if it never did
	From netip.Addr
}

// takenDetails is what the event of a machine that was taken over carries.
type takenDetails struct {
	policy
	Source   string       `json:"source"`
	SeenAt   wire.IsoTime `json:"last_seen_at"`
	SeenFrom netip.Addr   `json:"last_seen_ip"`
}

// TakenEvent says that a machine of the previous system is known here now.
func TakenEvent(s Sight, source string, i machine.Intent, from netip.Addr, now time.Time) event.Event {
	return machineEvent(event.MachineTaken, s.MAC, event.Operator, from, now,
		fmt.Sprintf("%s taken over from %s: %s", s.MAC, source, i.Mode), takenDetails{policyOf(i), source, wire.IsoTime(s.At), s.From})
}

// Joined counts machines that others have stored.
func (f *Fleet) Joined(n int64) { f.machines.Add(n) }

// Seen takes over when a machine was seen last, unless it was seen here.
func (f *Fleet) Seen(s Sight) { f.activity.before(s) }

func (a *activity) before(s Sight) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now, isKnown := a.byMAC[s.MAC]; !isKnown || now.SeenAt.Before(s.At) {
		now.SeenAt, now.SeenFrom = s.At, s.From
		a.byMAC[s.MAC] = now
	}
}

// sightOf is what an event says of when the previous system saw a machine, and whether it does.
func sightOf(e event.Event) (s Sight, ok bool) {
	var d takenDetails
	if e.Kind != event.MachineTaken || json.Unmarshal(e.Details, &d) != nil || time.Time(d.SeenAt).IsZero() {
		return s, false
	}
	return Sight{At: time.Time(d.SeenAt), From: d.SeenFrom}, true
}
