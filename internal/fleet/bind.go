package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/machine"
)

// Record is a machine with all that is known of it.
type Record struct {
	machine.Machine
	Activity
	Hardware *machine.Hardware // nil if it never reported any
}

// Save sets what the operator wants of a machine, which need not be known yet.
func (f *Fleet) Save(ctx context.Context, mac machine.MAC, want machine.Intent, who Who) (Record, error) {
	now := f.Now()
	want.Labels = labelSet(want.Labels)
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
		armed := m.Save(want, now)
		summary := fmt.Sprintf("%s %s: %s", mac, verb, want.Mode)
		if armed && want.Mode.Cycles() {
			summary += "; armed"
		}
		return []event.Event{machineEvent(kind, mac, event.Operator, who.From, now, summary, policyOf(want))}, tx.PutMachine(m)
	})
	if err != nil {
		return Record{}, err
	}
	if isNew {
		f.machines.Add(1)
	}
	return f.Machine(mac)
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
		m, found, err := tx.Machine(mac)
		switch {
		case err != nil:
			return nil, err
		case !found:
			return nil, unknownMachine(mac)
		case !m.Intent.Mode.Cycles():
			return nil, fault.New(fault.Conflict, "%s has boot mode %s, which has nothing to arm; set %s, %s or %s first",
				mac, m.Intent.Mode, machine.FlashOnce, machine.FlashAlways, machine.Inventory)
		}
		m.Arm(now)
		return []event.Event{machineEvent(event.MachineArmed, mac, event.Operator, who.From, now,
			fmt.Sprintf("%s armed: %s", mac, m.Intent.Mode), policyOf(m.Intent))}, tx.PutMachine(m)
	})
	if err != nil {
		return Record{}, err
	}
	return f.Machine(mac)
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
		f.machines.Add(-1)
		f.activity.forget(mac)
	}
	return err
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

func (f *Fleet) record(tx Tx, m machine.Machine) (Record, error) {
	r := Record{Machine: m, Activity: f.activity.get(m.MAC)}
	hardware, found, err := tx.Hardware(m.MAC)
	if found {
		r.Hardware = &hardware
	}
	return r, err
}
