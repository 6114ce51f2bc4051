package lan

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"bty/internal/machine"
	"bty/internal/wire"
)

const (
	box   = "52:54:00:00:00:01"
	other = "52:54:00:00:00:02"
)

var (
	start   = time.Unix(1_800_000_000, 0).UTC()
	address = netip.MustParseAddr("192.0.2.7")
	mapped  = netip.MustParseAddr("::ffff:192.0.2.7")
)

// site is a memory with a clock of its own.
type site struct {
	*testing.T
	*Memory
	clock time.Time
}

func newSite(t *testing.T) *site {
	s := &site{T: t, clock: start}
	s.Memory = New(func() time.Time { return s.clock })
	return s
}

func (s *site) wait(d time.Duration) { s.clock = s.clock.Add(d) }

func (s *site) asks(mac, userClass, address string) {
	s.Add(s.clock, wire.Observations{Sightings: []wire.Sighting{{At: s.clock, MAC: mac, Class: "PXEClient", UserClass: userClass, Address: address, Count: 1}}})
}

func (s *site) answered(mac, message, address string) {
	s.Add(s.clock, wire.Observations{Answers: []wire.DHCPAnswer{{At: s.clock, MAC: mac, Message: message, Address: address, Count: 1}}})
}

func (s *site) is(wantMAC string, wantIPXE bool) {
	s.Helper()
	for _, a := range []netip.Addr{address, mapped} {
		mac, known := s.MACAt(a)
		if known != (wantMAC != "") || known && mac.String() != wantMAC || s.IsIPXE(a) != wantIPXE {
			s.Errorf("%s is %s (known: %v), iPXE: %v; want %q, %v", a, mac, known, s.IsIPXE(a), wantMAC, wantIPXE)
		}
	}
}

// A machine's way from its firmware over iPXE to its system, as the address tells it.
func TestWhoIsAtAnAddress(t *testing.T) {
	s := newSite(t)
	s.is("", false)
	s.asks(box, "", "")
	s.is("", false)
	s.asks(box, "", "192.0.2.7") // the REQUEST names the address
	s.is(box, false)
	s.wait(time.Second)
	s.asks(box, "iPXE", "")
	s.is(box, true)
	s.wait(time.Minute)
	s.asks(box, "", "192.0.2.7") // reset: it is the firmware again
	s.is(box, false)
	s.wait(time.Second)
	s.asks(other, "iPXE", "")
	s.answered(other, "OFFER", "192.0.2.7") // the address went to another machine
	s.is(other, true)
	s.wait(addressAge)
	s.is("", false)
}

func TestRefusalsAndNonsense(t *testing.T) {
	s := newSite(t)
	s.asks("nonsense", "iPXE", "192.0.2.7")
	s.answered("nonsense", "ACK", "192.0.2.7")
	s.answered(box, "NAK", "192.0.2.7")
	s.asks(box, "", "nonsense")
	s.asks(box, "", "0.0.0.0")
	s.is("", false)
}

// What is reported late is not news.
func TestOrderIsByTime(t *testing.T) {
	s := newSite(t)
	s.wait(time.Minute)
	s.Add(s.clock, wire.Observations{Sightings: []wire.Sighting{
		{At: s.clock, MAC: box, UserClass: "iPXE", Address: "192.0.2.7"},
		{At: s.clock.Add(-time.Second), MAC: box, Address: "192.0.2.7"},
	}})
	s.is(box, true)
	s.Add(s.clock, wire.Observations{Sightings: []wire.Sighting{{At: s.clock.Add(time.Hour), MAC: box}}}) // a wrong clock
	s.is(box, false)
	if at := s.Recent().Sightings[1].At; at.After(s.clock) {
		t.Errorf("seen at %s, which is to come", at)
	}
}

// A clock that was wrong at first, as without a battery, and is set back: the firmware that asks then
// is the firmware, not the iPXE of a time to come.
func TestClockSetBack(t *testing.T) {
	s := newSite(t)
	s.asks(box, "iPXE", "192.0.2.7")
	s.wait(-time.Millisecond)
	s.asks(other, "", "192.0.2.8") // beside the first, not before it
	s.is(box, true)
	s.wait(-time.Hour)
	s.asks(box, "", "192.0.2.7")
	s.is(box, false)
	if o := s.Recent(); len(o.Sightings) != 1 || o.Sightings[0].At.After(s.clock) {
		t.Errorf("%+v", o.Sightings)
	}
}

func TestRecentCoalesces(t *testing.T) {
	s := newSite(t)
	for range 3 {
		s.asks(box, "", "192.0.2.7")
		s.answered(box, "OFFER", "192.0.2.7")
		s.wait(time.Second)
		s.asks(box, "", "")
	}
	s.wait(time.Second)
	s.asks(box, "iPXE", "")
	o := s.Recent()
	if len(o.Sightings) != 2 || len(o.Answers) != 1 {
		t.Fatalf("%+v", o)
	}
	if first := o.Sightings[0]; first.Count != 6 || first.Address != "192.0.2.7" || first.UserClass != "" {
		t.Errorf("%+v", first)
	}
	if o.Answers[0].Count != 3 {
		t.Errorf("%+v", o.Answers[0])
	}
	s.wait(keep + 1)
	if o := s.Recent(); len(o.Sightings) != 0 || len(o.Answers) != 0 {
		t.Errorf("after a day: %+v", o)
	}
}

// A flood of made-up machines pushes out the oldest and nothing more.
func TestBounded(t *testing.T) {
	s := newSite(t)
	for i := range 3 * maxSeen {
		mac := machine.MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}.String()
		s.asks(mac, "", fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
		s.answered(mac, "OFFER", "")
		if i%2 == 0 {
			s.wait(time.Millisecond)
		}
	}
	s.asks(box, "iPXE", "192.0.2.7")
	s.is(box, true)
	if n := len(s.requests.rows); n > maxSeen || n < maxSeen/2 {
		t.Errorf("%d requests are kept", n)
	}
	if len(s.answers.rows) > maxSeen || len(s.askers.rows) > maxSeen || len(s.holders.rows) > maxSeen {
		t.Errorf("%d answers, %d askers, %d addresses are kept", len(s.answers.rows), len(s.askers.rows), len(s.holders.rows))
	}
}
