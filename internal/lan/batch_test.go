package lan

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"bty/internal/machine"
	"bty/internal/wire"
)

// asks and gets are messages of a box, some seconds after the start.
func asks(second int, message, class, userClass, address string) wire.Sighting {
	return wire.Sighting{At: start.Add(time.Duration(second) * time.Second), MAC: box, Message: message, Class: class, UserClass: userClass, Address: address, Count: 1}
}

func gets(second int, message, address string) wire.DHCPAnswer {
	return wire.DHCPAnswer{At: start.Add(time.Duration(second) * time.Second), MAC: box, Message: message, Address: address, Count: 1}
}

// What a boot says that TFTP or a person waits for is sent at once; the rest may wait.
func TestNewsOfABoot(t *testing.T) {
	b := NewBatch()
	for i, step := range []struct {
		m    any
		want bool
	}{
		{asks(0, "DISCOVER", "PXEClient", "", ""), true},
		{asks(1, "DISCOVER", "PXEClient", "", ""), false}, // sent again
		{gets(1, "OFFER", "192.0.2.7"), true},
		{asks(2, "REQUEST", "PXEClient", "", "192.0.2.7"), false}, // no news after the offer
		{gets(2, "ACK", "192.0.2.7"), false},
		{asks(5, "DISCOVER", "PXEClient", "iPXE", ""), true},
		{asks(6, "REQUEST", "PXEClient", "iPXE", "192.0.2.7"), true},
		{gets(6, "ACK", "192.0.2.7"), false},
		{asks(7, "DISCOVER", "PXEClient", "", ""), true}, // reset
		{asks(8, "DISCOVER", "systemd-networkd", "", ""), false},
		{asks(40, "DISCOVER", "PXEClient", "", ""), true}, // the next boot
	} {
		got := false
		switch m := step.m.(type) {
		case wire.Sighting:
			got = b.Request(m)
		case wire.DHCPAnswer:
			got = b.Answer(m)
		}
		if got != step.want {
			t.Errorf("step %d, %+v: news %v", i, step.m, got)
		}
	}
	if b.Answer(wire.DHCPAnswer{MAC: other, Message: "ACK", Address: "192.0.2.9"}) || b.Request(wire.Sighting{MAC: "x", Class: "PXEClient"}) || b.Answer(wire.DHCPAnswer{MAC: "x"}) {
		t.Error("of a machine that does not boot, or of none, there is no news")
	}
	o := b.Take(100)
	requests := 0
	for _, s := range o.Sightings {
		requests += s.Count
	}
	if len(o.Sightings) != 5 || requests != 8 || len(o.Answers) != 3 {
		t.Errorf("%d of %d requests, %d answers: %+v", len(o.Sightings), requests, len(o.Answers), o)
	}
	if left, err := json.Marshal(b.Take(100)); err != nil || string(left) != `{"sightings":[],"answers":[]}` {
		t.Errorf("left: %s, %v", left, err)
	}
}

// What could not be sent is joined with what came meanwhile.
func TestReturn(t *testing.T) {
	b := NewBatch()
	b.Request(asks(0, "DISCOVER", "PXEClient", "", ""))
	b.Answer(gets(0, "OFFER", "192.0.2.7"))
	o := b.Take(100)
	b.Request(asks(9, "DISCOVER", "PXEClient", "", ""))
	b.Answer(gets(9, "OFFER", "192.0.2.7"))
	b.Return(o)
	o = b.Take(100)
	if len(o.Sightings) != 1 || o.Sightings[0].Count != 2 || !o.Sightings[0].At.Equal(start.Add(9*time.Second)) || len(o.Answers) != 1 || o.Answers[0].Count != 2 {
		t.Errorf("%+v", o)
	}
}

// While nobody takes it, made-up machines are counted, not kept.
func TestBatchIsBounded(t *testing.T) {
	b := NewBatch()
	for i := range maxWaiting + 100 {
		mac := machine.MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}.String()
		b.Request(wire.Sighting{At: start, MAC: mac, Class: "PXEClient", Count: 1})
		b.Answer(wire.DHCPAnswer{At: start, MAC: mac, Message: "OFFER", Address: fmt.Sprintf("10.0.%d.%d", i>>8&255, i&255)})
	}
	if b.requests.len() != maxWaiting || b.answers.len() != maxWaiting || b.told.len() > maxSeen || b.Lost() != 200 {
		t.Errorf("%d requests, %d answers, %d machines, %d lost", b.requests.len(), b.answers.len(), b.told.len(), b.Lost())
	}
	if o := b.Take(500); len(o.Sightings) != 500 || len(o.Answers) != 500 || b.requests.len() != maxWaiting-500 {
		t.Errorf("%d and %d taken", len(o.Sightings), len(o.Answers))
	}
}
