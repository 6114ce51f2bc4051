package lan

import (
	"net/netip"
	"sync"
	"time"

	"bty/internal/machine"
	"bty/internal/wire"
)

const (
	// maxWaiting bounds what waits to be sent, requests and answers each.
	maxWaiting = 32768
	// newBoot is after how long a machine that asks again is news again.
	newBoot = 20 * time.Second
)

// Batch gathers what was seen until it is sent: what says the same again is counted, not kept. It is
// safe for concurrent use.
type Batch struct {
	mu       sync.Mutex
	requests queue[wire.Sighting]
	answers  queue[wire.DHCPAnswer]
	told     lately[machine.MAC, told]
	lost     uint64
}

// told is what is known to the receiver of a machine that boots.
type told struct {
	isIPXE  bool
	address string
	at      time.Time
}

// NewBatch returns an empty one.
func NewBatch() *Batch {
	return &Batch{requests: newQueue[wire.Sighting](), answers: newQueue[wire.DHCPAnswer](), told: newLately[machine.MAC, told](maxSeen)}
}

// Request takes one in. It reports whether somebody waits for it: a machine begins to boot, or its
// iPXE takes over, or it is about to have an address and will ask for its boot file.
func (b *Batch) Request(s wire.Sighting) (isNews bool) {
	mac, err := machine.ParseMAC(s.MAC)
	if err != nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addRequest(mac, &s)
	if !s.IsNetboot() {
		return false
	}
	before, known := b.told.get(mac)
	now := told{s.FromIPXE(), s.Address, s.At}
	if s.Address == "" && now.isIPXE == before.isIPXE {
		now.address = before.address
	}
	b.told.put(mac, now)
	return !known || now.isIPXE != before.isIPXE || now.address != before.address || now.at.Sub(before.at) > newBoot
}

// Answer takes one in. It reports whether it gives a machine that boots its address.
func (b *Batch) Answer(a wire.DHCPAnswer) (isNews bool) {
	mac, err := machine.ParseMAC(a.MAC)
	if err != nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addAnswer(mac, &a)
	last, boots := b.told.get(mac)
	if _, err := netip.ParseAddr(a.Address); err != nil || !boots || a.Address == last.address {
		return false
	}
	last.address = a.Address
	b.told.put(mac, last)
	return true
}

func (b *Batch) addRequest(mac machine.MAC, s *wire.Sighting) {
	before, full := b.requests.find(mac, func(w *wire.Sighting) bool { return sameRequest(w, s) })
	switch {
	case before != nil:
		*before = mergeRequests(*before, *s)
	case !full && b.requests.len() < maxWaiting:
		b.requests.add(mac, *s)
	default:
		b.lost++
	}
}

func (b *Batch) addAnswer(mac machine.MAC, a *wire.DHCPAnswer) {
	before, full := b.answers.find(mac, func(w *wire.DHCPAnswer) bool { return answerOf(mac, *w) == answerOf(mac, *a) })
	switch {
	case before != nil:
		*before = mergeAnswers(*before, *a)
	case !full && b.answers.len() < maxWaiting:
		b.answers.add(mac, *a)
	default:
		b.lost++
	}
}

// Take removes and returns the first that came, at most n requests and n answers.
func (b *Batch) Take(n int) wire.Observations {
	b.mu.Lock()
	defer b.mu.Unlock()
	return wire.Observations{Sightings: b.requests.take(n), Answers: b.answers.take(n)}
}

// Return puts back what could not be sent.
func (b *Batch) Return(o wire.Observations) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range o.Sightings {
		if mac, err := machine.ParseMAC(o.Sightings[i].MAC); err == nil {
			b.addRequest(mac, &o.Sightings[i])
		}
	}
	for i := range o.Answers {
		if mac, err := machine.ParseMAC(o.Answers[i].MAC); err == nil {
			b.addAnswer(mac, &o.Answers[i])
		}
	}
}

// Lost is how much there was no room for.
func (b *Batch) Lost() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}
