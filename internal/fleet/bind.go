package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"bty/internal/boot"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/machine"
	"bty/internal/rule"
)

// Save sets what the operator wants of a machine, which need not be known yet. Unless want leaves
// the mode free, it is the machine's own from then on, whatever rules say.
func (f *Fleet) Save(ctx context.Context, mac machine.MAC, want machine.Intent, who Who) (Record, error) {
	now := f.Now()
	sent := want.Labels
	want = canonical(want)
	var isNew bool
	err := f.commit(ctx, func(tx Tx) ([]event.Event, error) {
		m, found, err := tx.Machine(mac)
		if err != nil {
			return nil, err
		}
		kind, verb := event.MachineUpserted, "saved"
		if isNew = !found; isNew {
			m = machine.Machine{MAC: mac, CreatedAt: now}
			kind, verb = event.MachineCreated, "created"
		}
		m, armed, err := save(tx, m, want, now)
		if err != nil {
			return nil, err
		}
		told := m
		told.Intent.Labels = sent // the event says what was asked for
		return []event.Event{savedEvent(kind, verb, told, armed, who, now).With(boundImage(tx, m)...)}, tx.PutMachine(m)
	})
	if err != nil {
		return Record{}, err
	}
	if isNew {
		f.machines.Add(1)
	}
	return f.Machine(mac)
}

// save sets an intent under the rules as they are.
func save(tx Tx, m machine.Machine, want machine.Intent, now time.Time) (saved machine.Machine, armed bool, err error) {
	want.Grow, want.Verify = want.Grow.Over(m.Intent.Grow), want.Verify.Over(m.Intent.Verify)
	rules, err := tx.Rules()
	if err != nil {
		return m, false, err
	}
	assign := func(m machine.Machine) rule.Assigned {
		a, assignErr := assignBy(tx, m, rules)
		err = errors.Join(err, assignErr)
		return a
	}
	saved, armed = boot.Save(m, want, assign, now)
	return saved, armed, err
}

func savedEvent(kind event.Kind, verb string, m machine.Machine, armed bool, who Who, now time.Time) event.Event {
	summary := fmt.Sprintf("%s %s: %s", m.MAC, verb, m.Intent.Mode)
	if m.Intent.Free {
		summary = fmt.Sprintf("%s %s: rules decide its mode", m.MAC, verb)
	} else if armed && m.Intent.Mode.Cycles() {
		summary += "; armed"
	}
	return machineEvent(kind, m.MAC, event.Operator, who.From, now, summary, policyOf(m.Intent))
}

// canonical is an intent in the one form in which it is stored: labels sorted, none twice, and a
// mode that nobody set is always the same one.
func canonical(i machine.Intent) machine.Intent {
	i.Labels = labelSet(i.Labels)
	if i.Free {
		i.Mode = machine.Inventory
	}
	return i
}

// Release hands a machine back: what was set for itself is forgotten, and rules decide. Labels, drive,
// words, growing and reading back stay, of which rules say nothing.
func (f *Fleet) Release(ctx context.Context, mac machine.MAC, who Who) (Record, error) {
	now := f.Now()
	err := f.commit(ctx, func(tx Tx) ([]event.Event, error) {
		m, found, err := tx.Machine(mac)
		if err == nil && !found {
			err = unknownMachine(mac)
		}
		if err != nil {
			return nil, err
		}
		m, armed, err := save(tx, m, released(m.Intent), now)
		if err != nil {
			return nil, err
		}
		return []event.Event{savedEvent(event.MachineUpserted, "released", m, armed, who, now).With(boundImage(tx, m)...)}, tx.PutMachine(m)
	})
	if err != nil {
		return Record{}, err
	}
	return f.Machine(mac)
}

func released(i machine.Intent) machine.Intent {
	return canonical(machine.Intent{Free: true, Drive: i.Drive, Labels: i.Labels, KernelWords: i.KernelWords, Grow: i.Grow, Verify: i.Verify})
}

// labelSet is sorted and has no label twice.
func labelSet(labels []string) []string {
	set := slices.Clone(labels)
	slices.Sort(set)
	return slices.Compact(set)
}

// Arm starts a new cycle of a machine, whatever the last one came to.
func (f *Fleet) Arm(ctx context.Context, mac machine.MAC, who Who) (Record, error) {
	now := f.Now()
	err := f.commit(ctx, func(tx Tx) ([]event.Event, error) {
		m, own, found, err := known(tx, mac)
		switch {
		case err != nil:
			return nil, err
		case !found:
			return nil, unknownMachine(mac)
		case !m.Intent.Mode.Cycles():
			return nil, nothingToArm(m)
		}
		m.Arm(now)
		return []event.Event{machineEvent(event.MachineArmed, mac, event.Operator, who.From, now,
			fmt.Sprintf("%s armed: %s", mac, m.Intent.Mode), policyOf(m.Intent)).With(boundImage(tx, m)...)}, tx.PutMachine(boot.Store(m, own))
	})
	if err != nil {
		return Record{}, err
	}
	return f.Machine(mac)
}

func nothingToArm(m machine.Machine) error {
	return fault.New(fault.Conflict, "%s has boot mode %s, which has nothing to arm; set %s, %s or %s first",
		m.MAC, m.Intent.Mode, machine.FlashOnce, machine.FlashAlways, machine.Inventory)
}

// Delete forgets a machine. Its events stay; if it asks again, it is new.
func (f *Fleet) Delete(ctx context.Context, mac machine.MAC, who Who) error {
	err := f.commit(ctx, func(tx Tx) ([]event.Event, error) {
		_, found, err := tx.Machine(mac)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, unknownMachine(mac)
		}
		return []event.Event{machineEvent(event.MachineDeleted, mac, event.Operator, who.From, f.Now(), fmt.Sprintf("%s deleted", mac), nil)}, tx.DeleteMachine(mac)
	})
	if err == nil {
		f.forget(mac)
	}
	return err
}

// forget drops what is kept of a machine outside the database.
func (f *Fleet) forget(mac machine.MAC) {
	f.machines.Add(-1)
	f.activity.forget(mac)
	if f.Forgotten != nil {
		f.Forgotten(mac)
	}
}

// Machine returns one machine with all that is known of it.
func (f *Fleet) Machine(mac machine.MAC) (Record, error) {
	var r Record
	err := f.Store.View(func(tx Tx) error {
		m, found, err := tx.Machine(mac)
		if err != nil {
			return err
		}
		if !found {
			return unknownMachine(mac)
		}
		r, err = f.record(tx, m)
		return err
	})
	return r, err
}

// Tree returns the hardware tree of a machine as it was reported, nil if it never was.
func (f *Fleet) Tree(mac machine.MAC) (json.RawMessage, error) {
	var tree json.RawMessage
	err := f.Store.View(func(tx Tx) error {
		_, found, err := tx.Machine(mac)
		if err == nil && !found {
			return unknownMachine(mac)
		}
		if err == nil {
			tree, _, err = tx.Tree(mac)
		}
		return err
	})
	return tree, err
}

// Machines lists all machines in the order of their MACs.
func (f *Fleet) Machines() ([]Record, error) {
	records := make([]Record, 0, f.Count())
	err := f.Store.View(func(tx Tx) error {
		return tx.EachMachine(func(m machine.Machine) error {
			r, err := f.record(tx, m)
			records = append(records, r)
			return err
		})
	})
	return records, err
}

// CheckDisk refuses to set a boot mode that writes a disk where neither the machine nor a rule says
// which.
func (f *Fleet) CheckDisk(mac machine.MAC, want machine.Intent) error {
	want = canonical(want)
	if want.Free || !want.WithoutDisk() {
		return nil
	}
	return f.Store.View(func(tx Tx) error {
		m, _, err := tx.Machine(mac)
		if err != nil {
			return err
		}
		m.MAC, m.Intent = mac, want
		a, err := assign(tx, m)
		switch {
		case err != nil || a.Serial != "":
			return err
		case a.NoDisk != "":
			return fault.New(fault.Rejected, "boot mode %s writes a disk, and the rule that chooses it finds none: %s. Choose the target disk here", want.Mode, a.NoDisk)
		}
		return fault.New(fault.Rejected, "boot mode %s writes a disk: choose the target disk first", want.Mode)
	})
}
