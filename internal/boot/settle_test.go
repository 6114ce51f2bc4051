package boot

import (
	"reflect"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/machine"
	"bty/internal/rule"
)

var (
	then = time.Unix(1000, 0)
	now  = time.Unix(2000, 0)
)

func own(mode machine.BootMode) machine.Intent {
	return machine.Intent{Mode: mode, Image: catalog.ImageRef{1}, TargetSerial: "S", Drive: "0x80", Labels: []string{"a"}}
}

// busy is facts of a cycle under an intent, with everything set.
func busy(i machine.Intent) machine.Facts {
	return machine.Facts{Under: rule.Assign(machine.Machine{Intent: i}, nil, nil).Mark(), Attempts: 3, Launched: true, Planned: true, Completed: true,
		Failed: true, Reason: "r", Stuck: true, FlashedAt: then, InventoriedAt: then}
}

func by(set *rule.Set, h *machine.Hardware) func(machine.Machine) rule.Assigned {
	return func(m machine.Machine) rule.Assigned { return rule.Assign(m, h, set) }
}

// What the operator saves starts a new cycle only if mode, image or disk change.
func TestSave(t *testing.T) {
	tests := []struct {
		name   string
		change func(*machine.Intent)
		arms   bool
	}{
		{"identical", func(*machine.Intent) {}, false},
		{"labels", func(i *machine.Intent) { i.Labels = []string{"b", "c"} }, false},
		{"no labels", func(i *machine.Intent) { i.Labels = nil }, false},
		{"drive", func(i *machine.Intent) { i.Drive = "0x81" }, false},
		{"labels and drive", func(i *machine.Intent) { i.Labels, i.Drive = nil, "" }, false},
		{"growing and reading back", func(i *machine.Intent) { i.Grow, i.Verify = catalog.No, catalog.Yes }, false},
		{"mode", func(i *machine.Intent) { i.Mode = machine.FlashAlways }, true},
		{"mode to exit", func(i *machine.Intent) { i.Mode = machine.IPXEExit }, true},
		{"image", func(i *machine.Intent) { i.Image = catalog.ImageRef{2} }, true},
		{"no image", func(i *machine.Intent) { i.Image = catalog.ImageRef{} }, true},
		{"disk", func(i *machine.Intent) { i.TargetSerial = "T" }, true},
		{"no disk", func(i *machine.Intent) { i.TargetSerial = "" }, true},
		{"handed back, where no rule is", func(i *machine.Intent) { *i = machine.Intent{Mode: machine.Inventory, Free: true} }, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			was := own(machine.FlashOnce)
			m := machine.Machine{Intent: was, Facts: busy(was), UpdatedAt: then}
			want := own(machine.FlashOnce)
			test.change(&want)
			saved, armed := Save(m, want, by(nil, nil), now)
			isFresh := saved.Facts == machine.Facts{Under: saved.Facts.Under}
			if armed != test.arms || isFresh != test.arms || !test.arms && saved.Facts != m.Facts {
				t.Errorf("armed %t, facts %+v", armed, saved.Facts)
			}
			if !reflect.DeepEqual(saved.Intent, want) || saved.UpdatedAt != now {
				t.Errorf("%+v", saved)
			}
			if settled := Settle(saved, rule.Assign(saved, nil, nil)); settled.Facts != saved.Facts {
				t.Errorf("the next look changes the facts: %+v", settled.Facts)
			}
		})
	}
}

// A setting that says what a rule says already, or what a rule will say once it is gone, changes
// nothing; one that says something else arms.
func TestSaveBesideRules(t *testing.T) {
	mode, serial := machine.FlashOnce, "S"
	h := &machine.Hardware{Disks: []machine.Disk{{Path: "/dev/sda", Serial: &serial}}}
	set := rule.NewSet([]rule.Rule{{ID: 7, Selector: rule.Selector{Labels: []string{"a"}},
		Assign: rule.Assignment{Mode: &mode, Image: catalog.ImageRef{1}, Disk: &rule.DiskRule{Pick: rule.Only}}}}, rule.Assignment{})
	free := machine.Intent{Mode: machine.Inventory, Free: true, Labels: []string{"a"}}
	m := machine.Machine{Intent: free}
	m.Facts = machine.Facts{Under: rule.Assign(m, h, set).Mark(), Attempts: 1, Completed: true}
	taken, armed := Save(m, own(mode), by(set, h), now)
	if armed || taken.Facts != m.Facts {
		t.Errorf("saying what the rule said armed: %+v", taken.Facts)
	}
	back, armed := Save(taken, free, by(set, h), now)
	if armed || back.Facts != m.Facts {
		t.Errorf("handing it back armed: %+v", back.Facts)
	}
	free.Labels = nil // the rule is for it no longer
	if out, armed := Save(back, free, by(set, h), now); !armed || out.Facts.Attempts != 0 {
		t.Errorf("leaving the rule did not arm: %+v", out.Facts)
	}
}

// Facts count for the assignment that they were made under.
func TestSettle(t *testing.T) {
	mode, always := machine.FlashOnce, machine.FlashAlways
	text := func(s string) *string { return &s }
	one := machine.Hardware{Disks: []machine.Disk{{Path: "/dev/sda", Serial: text("A")}}}
	two := machine.Hardware{Disks: append(one.Disks, machine.Disk{Path: "/dev/sdb", Serial: text("B")})}
	other := machine.Hardware{Disks: []machine.Disk{{Path: "/dev/sda", Serial: text("B")}}}
	rules := func(mode *machine.BootMode, image byte) *rule.Set {
		return rule.NewSet([]rule.Rule{{ID: 1, Assign: rule.Assignment{Mode: mode, Image: catalog.ImageRef{image}, Disk: &rule.DiskRule{Pick: rule.Only}}}}, rule.Assignment{})
	}
	free := machine.Machine{Intent: machine.Intent{Mode: machine.Inventory, Free: true}}
	done := free
	done.Facts = machine.Facts{Under: rule.Assign(free, &one, rules(&mode, 1)).Mark(), Attempts: 1, Completed: true, FlashedAt: then}
	for _, test := range []struct {
		name string
		a    rule.Assigned
		kept bool
	}{
		{"the same", rule.Assign(done, &one, rules(&mode, 1)), true},
		{"another image", rule.Assign(done, &one, rules(&mode, 2)), false},
		{"another mode", rule.Assign(done, &one, rules(&always, 1)), false},
		{"no rule", rule.Assign(done, &one, nil), false},
		{"another disk", rule.Assign(done, &other, rules(&mode, 1)), false},
		{"a second disk, so none can be told", rule.Assign(done, &two, rules(&mode, 1)), true},
		{"none can be told, and another image", rule.Assign(done, &two, rules(&mode, 2)), false},
	} {
		got := Settle(done, test.a)
		if kept := got.Facts == done.Facts; kept != test.kept {
			t.Errorf("%s: %+v", test.name, got.Facts)
		}
		if again := Settle(Store(got, done.Intent), test.a); again.Facts != got.Facts {
			t.Errorf("%s: a second look changes the facts", test.name)
		}
		if !test.kept && got.Facts != (machine.Facts{Under: test.a.Mark()}) {
			t.Errorf("%s: is not fresh: %+v", test.name, got.Facts)
		}
	}
	old := done
	old.Facts.Under = ""
	if got := Settle(old, rule.Assign(old, &one, rules(&mode, 1))); !got.Facts.Completed || got.Facts.Under == "" {
		t.Errorf("facts of an older release: %+v", got.Facts)
	}
}
