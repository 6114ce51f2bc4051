package lan

import (
	"testing"
	"time"

	"bty/internal/wire"
)

// An answer is for the program that asked: firmware and iPXE are told the same, and each is told.
func TestAnswersKnowTheirAsker(t *testing.T) {
	s := newSite(t)
	for range 2 {
		for _, program := range []string{"", "iPXE"} {
			s.asks(box, program, "")
			s.wait(time.Second)
			s.answered(box, "OFFER", "192.0.2.7")
			s.wait(5 * time.Second)
		}
	}
	// A report of a few seconds, in which the last of the requests counts.
	at := s.clock
	s.wait(20 * time.Second)
	s.Add(s.clock, wire.Observations{
		Sightings: []wire.Sighting{{At: at.Add(2 * time.Second), MAC: box, Class: "PXEClient"}, {At: at.Add(10 * time.Second), MAC: box, Class: "PXEClient", UserClass: "iPXE"}},
		Answers: []wire.DHCPAnswer{{At: at.Add(time.Second), MAC: box, Message: "OFFER", Bootfile: "first"}, {At: at.Add(2001 * time.Millisecond), MAC: box, Message: "ACK", Bootfile: "second"},
			{At: at.Add(11 * time.Second), MAC: box, Message: "ACK", Bootfile: "third"}, {At: at.Add(11 * time.Second), MAC: other, Message: "ACK"}},
	})
	got := map[string]int{}
	for _, a := range s.Recent().Answers {
		who := "nobody"
		if a.To != nil {
			who = a.To.UserClass
		}
		got[a.Bootfile+" "+who]++
	}
	for _, want := range []string{" ", " iPXE", "first ", "second ", "third iPXE", " nobody"} {
		if got[want] != 1 {
			t.Errorf("%q %d times in %v", want, got[want], got)
		}
	}
}

// Requests are counted as long as they go on.
func TestRunsOfRequests(t *testing.T) {
	s := newSite(t)
	for range 5 {
		s.asks(box, "iPXE", "")
		s.wait(time.Minute)
	}
	if n := s.Recent().Sightings[0].Count; n != 5 {
		t.Errorf("%d requests in a row, want 5", n)
	}
	s.wait(aRun)
	s.asks(box, "iPXE", "")
	if n := s.Recent().Sightings[0].Count; n != 1 {
		t.Errorf("%d requests after a pause, want 1", n)
	}
}
