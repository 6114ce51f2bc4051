package manager

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Unit is what systemd says of a unit. The words are systemd's own.
type Unit struct {
	Name     string
	Load     string    // loaded, not-found, masked
	Active   string    // active, inactive, failed, activating, deactivating
	Sub      string    // listening, running, dead
	Enabled  string    // enabled, disabled, static
	Since    time.Time // when it came to be as it is; zero if it never was otherwise
	Result   string    // success, or why it failed
	Restarts int       // by systemd itself, since it was started
	Memory   uint64    // bytes now, 0 if nobody counts
	Stale    bool      // its files have changed since systemd read them
}

// Installed reports whether systemd has a file for the unit and may use it.
func (u Unit) Installed() bool { return u.Load == "loaded" }

// Report is what one look at systemd found.
type Report struct {
	Units  []Unit
	Polkit bool // somebody is there who could allow acts
}

// Look asks about units.
func (m Manager) Look(ctx context.Context, units ...string) (Report, error) {
	b, err := m.dial(ctx)
	if err != nil {
		return Report{}, err
	}
	defer b.Close()
	var r Report
	for _, name := range units {
		p, err := b.GetAllPropertiesContext(ctx, name)
		if err != nil {
			return Report{}, refusal("look at", name, err)
		}
		r.Units = append(r.Units, unitOf(name, p))
	}
	r.Polkit = b.hasPolkit(ctx)
	return r, nil
}

func unitOf(name string, p properties) Unit {
	u := Unit{Name: name, Load: p.text("LoadState"), Active: p.text("ActiveState"), Sub: p.text("SubState"), Enabled: p.text("UnitFileState"),
		Result: p.text("Result"), Restarts: int(p.number("NRestarts")), Since: p.time("StateChangeTimestamp")}
	u.Stale, _ = p["NeedDaemonReload"].(bool)
	if n := p.number("MemoryCurrent"); n != math.MaxUint64 { // which stands for "not known"
		u.Memory = n
	}
	return u
}

// properties are those of a unit, as D-Bus has them.
type properties map[string]any

func (p properties) text(key string) string {
	s, _ := p[key].(string)
	return s
}

func (p properties) number(key string) uint64 {
	switch n := p[key].(type) {
	case uint32:
		return uint64(n)
	case uint64:
		return n
	}
	return 0
}

func (p properties) time(key string) time.Time {
	if n := p.number(key); n != 0 {
		return time.UnixMicro(int64(n))
	}
	return time.Time{}
}

// String is for tests and the journal.
func (u Unit) String() string { return fmt.Sprintf("%s: %s (%s)", u.Name, u.Active, u.Sub) }
