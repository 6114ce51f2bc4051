// Package lan remembers what was seen of DHCP on the LAN: who asked for an address and how, what
// was answered, and which machine has which address. It is memory only, and bounded: the next
// requests say it all again.
package lan

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"bty/internal/machine"
	"bty/internal/wire"
)

const (
	// maxSeen bounds each of the tables: several racks, and little enough for made-up packets.
	maxSeen = 4096
	// keep is for how long Recent tells what was seen.
	keep = 24 * time.Hour
	// addressAge is for how long an address is taken for its machine's without hearing of it again.
	addressAge = 10 * time.Minute
)

// Memory is what was seen. It is safe for concurrent use.
type Memory struct {
	now func() time.Time

	mu       sync.Mutex
	last     time.Time // of an Add, by the clock on the wall
	requests recent[request, wire.Sighting]
	answers  recent[answer, wire.DHCPAnswer]
	askers   recent[machine.MAC, asker]
	holders  recent[netip.Addr, machine.MAC]
	programs recent[machine.MAC, []wire.Sighting] // of each machine, what asked last, each once
}

// asker is who asked last on behalf of a machine.
type asker struct{ isIPXE bool }

// New returns an empty memory.
func New(now func() time.Time) *Memory {
	l := &Memory{now: now}
	l.forget()
	return l
}

func (l *Memory) forget() {
	l.requests, l.answers = newRecent[request, wire.Sighting](maxSeen), newRecent[answer, wire.DHCPAnswer](maxSeen)
	l.askers, l.holders = newRecent[machine.MAC, asker](maxSeen), newRecent[netip.Addr, machine.MAC](maxSeen)
	l.programs = newRecent[machine.MAC, []wire.Sighting](maxSeen)
}

// Add takes in what was seen. What names no machine is left out, and what claims to be of the
// future is of now.
func (l *Memory) Add(now time.Time, o wire.Observations) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now.Round(0))
	for _, s := range o.Sightings {
		s.At = past(s.At, now)
		l.sighting(s)
	}
	for _, a := range o.Answers {
		a.At = past(a.At, now)
		l.answer(a)
	}
}

// turn forgets what was seen by a clock that has been set back since: what is seen from now on would
// be older, and count for nothing until the clock comes by that time again.
func (l *Memory) turn(now time.Time) {
	if now.Before(l.last.Add(-time.Second)) { // two reports at one time may come in either order
		l.forget()
	}
	l.last = now
}

func past(at, now time.Time) time.Time {
	if at.IsZero() || at.After(now) {
		return now
	}
	return at
}

func (l *Memory) sighting(s wire.Sighting) {
	mac, err := machine.ParseMAC(s.MAC)
	if err != nil {
		return
	}
	l.askers.put(mac, asker{s.FromIPXE()}, s.At)
	l.asks(mac, s)
	if s.Message != discover {
		l.holds(s.Address, mac, s.At)
	}
	key := requestOf(mac, s)
	if before, known := l.requests.get(key); known {
		s = mergeRequests(before, s)
	}
	l.requests.put(key, s, s.At)
}

// discover is a message that may wish for an address; the others have one, or take an offer.
const discover = "DISCOVER"

func (l *Memory) answer(a wire.DHCPAnswer) {
	mac, err := machine.ParseMAC(a.MAC)
	if err != nil {
		return
	}
	if a.Message != "NAK" {
		l.holds(a.Address, mac, a.At)
	}
	if a.To == nil {
		a.To = l.asked(mac, a.At)
	}
	key := answerOf(mac, a)
	if before, known := l.answers.get(key); known {
		a = mergeAnswers(before, a)
	}
	l.answers.put(key, a, a.At)
}

func (l *Memory) holds(address string, mac machine.MAC, at time.Time) {
	a, err := netip.ParseAddr(address)
	if err == nil && !a.IsUnspecified() {
		l.holders.put(a.Unmap(), mac, at)
	}
}

// MACAt is the machine whose address this is, by what was seen in the last ten minutes.
func (l *Memory) MACAt(a netip.Addr) (machine.MAC, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.macAt(a)
}

func (l *Memory) macAt(a netip.Addr) (machine.MAC, bool) {
	mac, at, known := l.holders.at(a.Unmap())
	return mac, known && l.now().Sub(at) < addressAge
}

// IsIPXE reports whether it was iPXE, and not the firmware or a system, that asked last for the
// machine at this address.
func (l *Memory) IsIPXE(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	mac, known := l.macAt(a)
	if !known {
		return false
	}
	last, at, known := l.askers.at(mac)
	return known && last.isIPXE && l.now().Sub(at) < addressAge
}

// Recent is what was seen in the last day, oldest first.
func (l *Memory) Recent() wire.Observations {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := l.now().Add(-keep)
	o := wire.Observations{Sightings: l.requests.since(since), Answers: l.answers.since(since)}
	slices.SortStableFunc(o.Sightings, func(a, b wire.Sighting) int { return a.At.Compare(b.At) })
	slices.SortStableFunc(o.Answers, func(a, b wire.DHCPAnswer) int { return a.At.Compare(b.At) })
	return o
}
