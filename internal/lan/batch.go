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
	requests map[waiting]wire.Sighting
	answers  map[answer]wire.DHCPAnswer
	told     recent[machine.MAC, told]
	lost     uint64
}

// waiting tells requests apart that must not be merged before they are sent: what an address in
// them means depends on the message.
type waiting struct {
	request
	message string
}

// told is what is known to the receiver of a machine that boots.
type told struct {
	isIPXE  bool
	address string
}

// NewBatch returns an empty one.
func NewBatch() *Batch {
	return &Batch{requests: map[waiting]wire.Sighting{}, answers: map[answer]wire.DHCPAnswer{}, told: newRecent[machine.MAC, told](maxSeen)}
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
	b.addRequest(mac, s)
	if !s.IsNetboot() {
		return false
	}
	before, at, known := b.told.at(mac)
	now := told{s.FromIPXE(), s.Address}
	if s.Address == "" && now.isIPXE == before.isIPXE {
		now.address = before.address
	}
	b.told.put(mac, now, s.At)
	return !known || now != before || s.At.Sub(at) > newBoot
}

// Answer takes one in. It reports whether it gives a machine that boots its address.
func (b *Batch) Answer(a wire.DHCPAnswer) (isNews bool) {
	mac, err := machine.ParseMAC(a.MAC)
	if err != nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addAnswer(mac, a)
	last, at, boots := b.told.at(mac)
	if _, err := netip.ParseAddr(a.Address); err != nil || !boots || a.Address == last.address {
		return false
	}
	b.told.put(mac, told{last.isIPXE, a.Address}, at)
	return true
}

func (b *Batch) addRequest(mac machine.MAC, s wire.Sighting) {
	key := waiting{requestOf(mac, s), s.Message}
	before, known := b.requests[key]
	switch {
	case known:
		b.requests[key] = mergeRequests(before, s)
	case len(b.requests) < maxWaiting:
		b.requests[key] = s
	default:
		b.lost++
	}
}

func (b *Batch) addAnswer(mac machine.MAC, a wire.DHCPAnswer) {
	key := answerOf(mac, a)
	before, known := b.answers[key]
	switch {
	case known:
		b.answers[key] = mergeAnswers(before, a)
	case len(b.answers) < maxWaiting:
		b.answers[key] = a
	default:
		b.lost++
	}
}

// Take removes and returns at most n requests and n answers.
func (b *Batch) Take(n int) wire.Observations {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := wire.Observations{Sightings: []wire.Sighting{}, Answers: []wire.DHCPAnswer{}} // lists in JSON, too
	for key, s := range b.requests {
		if len(o.Sightings) == n {
			break
		}
		o.Sightings = append(o.Sightings, s)
		delete(b.requests, key)
	}
	for key, a := range b.answers {
		if len(o.Answers) == n {
			break
		}
		o.Answers = append(o.Answers, a)
		delete(b.answers, key)
	}
	return o
}

// Return puts back what could not be sent.
func (b *Batch) Return(o wire.Observations) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range o.Sightings {
		if mac, err := machine.ParseMAC(s.MAC); err == nil {
			b.addRequest(mac, s)
		}
	}
	for _, a := range o.Answers {
		if mac, err := machine.ParseMAC(a.MAC); err == nil {
			b.addAnswer(mac, a)
		}
	}
}

// Lost is how much there was no room for.
func (b *Batch) Lost() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}
