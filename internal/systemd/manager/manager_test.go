package manager

import (
	"context"
	"errors"
	"math"
	"net"
	"path/filepath"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// The real systemd is met in internal/testenv/systemd; here is what stands in for its absence.

func TestNoBus(t *testing.T) {
	m := Manager{Address: "unix:path=" + filepath.Join(t.TempDir(), "none")}
	if _, err := m.Look(t.Context(), "a.service"); !errors.Is(err, ErrAway) {
		t.Error(err)
	}
	if err := m.Stop(t.Context(), "a.service"); !errors.Is(err, ErrAway) {
		t.Error(err)
	}
}

// A bus that takes connections and says nothing holds nobody up.
func TestSilentBus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bus")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if err := (Manager{Address: "unix:path=" + path}).Start(ctx, "a.service"); !errors.Is(err, ErrAway) {
		t.Error(err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("given up after %v", took)
	}
}

func TestRefusals(t *testing.T) {
	const prefix = "org.freedesktop.DBus.Error."
	for name, want := range map[string]error{
		"AccessDenied": ErrDenied, "InteractiveAuthorizationRequired": ErrDenied, "AuthFailed": ErrDenied,
		"ServiceUnknown": ErrAway, "NoReply": ErrAway, "Disconnected": ErrAway,
	} {
		if err := refusal("stop", "a.service", godbus.Error{Name: prefix + name}); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	masked := godbus.Error{Name: "org.freedesktop.systemd1.UnitMasked", Body: []any{"Unit polkit.service is masked."}}
	if err := refusal("stop", "a.service", masked); !errors.Is(err, ErrDenied) {
		t.Error(err)
	}
	for _, other := range []error{godbus.Error{Name: "org.freedesktop.systemd1.NoSuchUnit"}, context.DeadlineExceeded} {
		if err := refusal("stop", "a.service", other); errors.Is(err, ErrDenied) || errors.Is(err, ErrAway) || err == nil {
			t.Errorf("%v: %v", other, err)
		}
	}
}

// What systemd leaves out or does not know is nothing, whatever type it has.
func TestUnitOf(t *testing.T) {
	u := unitOf("a.service", properties{"LoadState": "loaded", "ActiveState": "active", "NRestarts": uint32(3),
		"MemoryCurrent": uint64(math.MaxUint64), "StateChangeTimestamp": uint64(1_000_000), "Result": 7})
	want := Unit{Name: "a.service", Load: "loaded", Active: "active", Restarts: 3, Since: time.Unix(1, 0)}
	if u != want || !u.Installed() {
		t.Errorf("%+v", u)
	}
	if u := unitOf("b.socket", nil); !u.Since.IsZero() || u.Installed() {
		t.Errorf("%+v", u)
	}
}
