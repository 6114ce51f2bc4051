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

// Sight records the requests of machines that boot from the network, and makes machines known as
// Registration says, all in one commit. refused is how many were too many for a minute. One that is
// not known has nothing to show a request on.
func (f *Fleet) Sight(ctx context.Context, seen []Sighted) (refused int, err error) {
	n := sightings{Fleet: f, now: f.Now(), told: map[requester]bool{}, refused: map[machine.MAC]bool{}}
	if f.Registration != nil {
		n.Registration = f.Registration()
	}
	for _, s := range seen {
		if err := n.take(s); err != nil {
			return 0, err
		}
	}
	if len(n.news) > 0 {
		err = f.commitSightings(ctx, n.news, n.now)
	}
	return len(n.refused), err
}

// sightings sorts out what is news among the requests of one body.
type sightings struct {
	*Fleet
	Registration
	now     time.Time
	news    []Sighted
	told    map[requester]bool // in news
	refused map[machine.MAC]bool
}

// requester is who asked for a machine.
type requester struct {
	mac    machine.MAC
	isIPXE bool
}

func (n *sightings) take(s Sighted) error {
	_, known, err := n.lookup(s.MAC)
	if err != nil {
		return err
	}
	this := requester{s.MAC, s.FromIPXE()}
	other := requester{s.MAC, !this.isIPXE}
	isNew := !known && !n.told[other]
	switch {
	case n.told[this] || n.refused[s.MAC]:
		return nil
	case isNew && !n.wants(s):
		return nil
	case isNew && (n.machines.Load()+int64(len(n.news)) >= maxMachines || !n.admission.admit(n.PerMinute, n.now)):
		n.refused[s.MAC] = true
		return nil
	case !isNew && !s.IsNetboot(), known && !n.activity.sight(s.MAC, s.FromIPXE(), n.now):
		return nil
	}
	n.told[this] = true
	n.news = append(n.news, s)
	return nil
}

// commitSightings records what is news, and the machines that are new.
func (f *Fleet) commitSightings(ctx context.Context, told []Sighted, now time.Time) error {
	var added []Sighted
	err := f.commit(ctx, func(tx Tx) (events []event.Event, err error) {
		added = nil
		for _, s := range told {
			_, found, err := tx.Machine(s.MAC)
			if err != nil {
				return nil, err
			}
			if !found {
				m := machine.New(s.MAC, now)
				if err := tx.PutMachine(m); err != nil {
					return nil, err
				}
				added = append(added, s)
				events = append(events, machineEvent(event.MachineDiscovered, s.MAC, event.System, netip.Addr{}, now,
					fmt.Sprintf("%s seen for the first time, by its DHCP request", s.MAC), discovered{policyOf(m.Intent), "dhcp", s.Link, s.VLAN}))
			}
			if s.IsNetboot() {
				events = append(events, machineEvent(event.MachineSighted, s.MAC, event.System, netip.Addr{}, now, s.summary(), s.Sighting))
			}
		}
		return events, nil
	})
	if err != nil {
		return err
	}
	f.machines.Add(int64(len(added)))
	for _, s := range added {
		f.activity.sight(s.MAC, s.FromIPXE(), now)
	}
	return nil
}

// discovered is what the event of a machine that DHCP made known carries.
type discovered struct {
	policy
	Source string `json:"source"`
	Link   string `json:"link,omitempty"`
	VLAN   uint16 `json:"vlan,omitempty"`
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
