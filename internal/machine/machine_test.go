package machine

import (
	"testing"
	"time"

	"bty/internal/catalog"
)

var (
	then = time.Unix(1000, 0)
	now  = time.Unix(2000, 0)
	busy = Facts{Attempts: 3, Launched: true, Planned: true, Completed: true, Failed: true, Reason: "r", Stuck: true, FlashedAt: then, InventoriedAt: then}
)

func bound(mode BootMode) Intent {
	return Intent{Mode: mode, Image: catalog.ImageRef{1}, TargetSerial: "S", Drive: "0x80", Labels: []string{"a"}}
}

func TestLaunch(t *testing.T) {
	tests := []struct {
		name           string
		mode           BootMode
		facts          Facts
		armed, changed bool
		attempts       int
	}{
		{"first", FlashOnce, Facts{}, true, true, 1},
		{"first of an inventory", Inventory, Facts{}, true, true, 1},
		{"the initrd after the kernel", FlashOnce, Facts{Attempts: 1, Launched: true}, false, false, 1},
		{"again after a script", FlashAlways, Facts{Attempts: 1}, false, true, 2},
		{"completed", FlashOnce, Facts{Attempts: 1, Completed: true}, false, false, 1},
		{"failed", FlashOnce, Facts{Attempts: 1, Failed: true}, false, false, 1},
		{"stuck", FlashOnce, Facts{Attempts: 5, Stuck: true}, false, false, 5},
		{"exit", IPXEExit, Facts{}, false, false, 0},
		{"wizard", TUI, Facts{}, false, false, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := Machine{Intent: bound(test.mode), Facts: test.facts}
			armed, changed := m.Launch()
			if armed != test.armed || changed != test.changed || m.Facts.Attempts != test.attempts {
				t.Errorf("armed %t changed %t facts %+v", armed, changed, m.Facts)
			}
		})
	}
}

func TestReports(t *testing.T) {
	done := func(m *Machine) { m.Done(now) }
	fail := func(m *Machine) { m.Fail("why", now) }
	inventory := func(m *Machine) { m.Inventoried(now) }
	started := Facts{Attempts: 1, Launched: true}
	tests := []struct {
		name   string
		mode   BootMode
		facts  Facts
		report func(*Machine)
		want   Facts
	}{
		{"done", FlashOnce, started, done, Facts{Attempts: 1, Launched: true, Completed: true, FlashedAt: now}},
		{"done of an older cycle", FlashOnce, Facts{}, done, Facts{FlashedAt: now}},
		{"done after failed", FlashOnce, Facts{Attempts: 1, Failed: true, Reason: "x"}, done, Facts{Attempts: 1, Completed: true, FlashedAt: now}},
		{"done after stuck", FlashOnce, Facts{Attempts: 5, Stuck: true}, done, Facts{Attempts: 5, Completed: true, FlashedAt: now}},
		{"done of a wizard", TUI, Facts{}, done, Facts{FlashedAt: now}},
		{"done in an inventory", Inventory, started, done, Facts{Attempts: 1, Launched: true, FlashedAt: now}},
		{"failed", FlashOnce, started, fail, Facts{Attempts: 1, Launched: true, Failed: true, Reason: "why"}},
		{"failed after done", FlashOnce, Facts{Attempts: 1, Completed: true, FlashedAt: then}, fail, Facts{Attempts: 1, Failed: true, Reason: "why", FlashedAt: then}},
		{"failed of an older cycle", FlashOnce, Facts{}, fail, Facts{}},
		{"failed of a wizard", TUI, Facts{}, fail, Facts{}},
		{"inventory", Inventory, started, inventory, Facts{Attempts: 1, Launched: true, Completed: true, InventoriedAt: now}},
		{"inventory unasked", Inventory, Facts{}, inventory, Facts{InventoriedAt: now}},
		{"inventory while flashing", FlashOnce, started, inventory, Facts{Attempts: 1, Launched: true, InventoriedAt: now}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := Machine{Intent: bound(test.mode), Facts: test.facts}
			test.report(&m)
			if m.Facts != test.want || m.UpdatedAt != now || !m.Intent.Equal(bound(test.mode)) {
				t.Errorf("%+v, want %+v", m.Facts, test.want)
			}
		})
	}
}

func TestState(t *testing.T) {
	started, completed := Facts{Attempts: 1}, Facts{Attempts: 1, Completed: true}
	tests := []struct {
		mode  BootMode
		facts Facts
		want  string
	}{
		{FlashOnce, Facts{}, "pending flash"}, {FlashOnce, started, "live env running; awaiting flash"}, {FlashOnce, completed, "flashed; booting disk"},
		{FlashAlways, Facts{}, "ready to flash"}, {FlashAlways, started, "live env running; awaiting flash"}, {FlashAlways, completed, "flashed; booting disk"},
		{Inventory, Facts{}, "pending inventory"}, {Inventory, started, "live env running; awaiting inventory"}, {Inventory, completed, "inventoried; booting disk"},
		{FlashOnce, Facts{Failed: true}, "failed; booting disk until armed"}, {FlashOnce, Facts{Stuck: true}, "stuck; booting disk until armed"},
		{IPXEExit, Facts{}, ""}, {TUI, started, ""},
	}
	for _, test := range tests {
		if got := (Machine{Intent: Intent{Mode: test.mode}, Facts: test.facts}).State(); got != test.want {
			t.Errorf("%s %+v: %q, want %q", test.mode, test.facts, got, test.want)
		}
	}
}

func TestBootModes(t *testing.T) {
	for _, mode := range Modes {
		if again, err := ParseBootMode(mode.String()); err != nil || again != mode {
			t.Errorf("%s: %v %v", mode, again, err)
		}
	}
	for _, s := range []string{"", "sanboot", "ramboot", "IPXE-EXIT", "ipxe-exit "} {
		if mode, err := ParseBootMode(s); err == nil {
			t.Errorf("%q is taken as %s", s, mode)
		}
	}
	if len(Modes) != len(modeNames) {
		t.Error("Modes misses one")
	}
}
