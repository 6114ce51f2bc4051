package flood

import (
	"net/netip"
	"testing"
	"time"
)

func TestGate(t *testing.T) {
	var g Gate
	now := time.Unix(1e9, 0)
	for _, tt := range []struct {
		after      time.Duration
		from, what string
		want       bool
	}{
		{0, "192.0.2.1", "a", true}, {0, "192.0.2.1", "a", false}, {time.Second, "192.0.2.1", "b", true}, {time.Second, "192.0.2.2", "a", true},
		{Every - 1, "::ffff:192.0.2.1", "a", false}, {Every, "192.0.2.1", "a", true},
	} {
		if got := g.Pass(now.Add(tt.after), at(tt.from), tt.what); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	passed := 0
	for n := range 1000 {
		if g.Pass(now.Add(2*Every), netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), "a") {
			passed++
		}
	}
	if passed != MaxKinds || len(g.kinds) != MaxKinds {
		t.Errorf("%d passed, %d are kept", passed, len(g.kinds))
	}
}

func TestGateForSeveral(t *testing.T) {
	g := Gate{Each: 2, Kinds: 3}
	now := time.Unix(1e9, 0)
	for _, tt := range []struct {
		from string
		want bool
	}{
		{"192.0.2.1", true}, {"192.0.2.1", true}, {"192.0.2.1", false},
		{"192.0.2.2", true}, {"192.0.2.3", true}, {"192.0.2.4", false}, {"192.0.2.2", true},
	} {
		if got := g.Pass(now, at(tt.from), ""); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	if !g.Pass(now.Add(-time.Hour), at("192.0.2.1"), "") {
		t.Error("a clock that was set back closes the gate")
	}
}
