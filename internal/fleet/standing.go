package fleet

import (
	"encoding/json"

	"bty/internal/boot"
	"bty/internal/machine"
	"bty/internal/rule"
)

// Record is a machine with all that is known of it. Its Intent is what it is to do, whoever
// decided that.
type Record struct {
	machine.Machine
	Own      machine.Intent // what was set for the machine itself
	Assigned rule.Assigned  // who decided what
	Activity
	Hardware *machine.Hardware // nil if it never reported any
}

// assign asks the rules what a machine is to do.
func assign(tx Tx, m machine.Machine) (rule.Assigned, error) {
	rules, err := tx.Rules()
	if err != nil {
		return rule.Assigned{}, err
	}
	return assignBy(tx, m, rules)
}

// assignBy asks some rules.
func assignBy(tx Tx, m machine.Machine, rules *rule.Set) (rule.Assigned, error) {
	hardware, err := asked(tx, m, rules)
	return rule.Assign(m, hardware, rules), err
}

// asked is the hardware of a machine if a rule may ask for it, nil if it never reported any.
func asked(tx Tx, m machine.Machine, rules *rule.Set) (*machine.Hardware, error) {
	if !rules.AsksHardware(m) {
		return nil, nil
	}
	hardware, found, err := tx.Hardware(m.MAC)
	if err != nil || !found {
		return nil, err
	}
	return &hardware, nil
}

// settled is a machine as it stands under the rules.
func settled(tx Tx, m machine.Machine) (machine.Machine, error) {
	assigned, err := assign(tx, m)
	return boot.Settle(m, assigned), err
}

// wanted is what is wanted of a machine under the rules, without its facts: whether they still count takes longer.
func wanted(tx Tx, m machine.Machine) (machine.Intent, error) {
	assigned, err := assign(tx, m)
	return boot.Wanted(m.Intent, assigned), err
}

// Coming is a machine as it will stand under the rules once it is stored with its hardware, nil for what does not
// come with it.
func Coming(tx Tx, m machine.Machine, disks []machine.Disk, tree json.RawMessage) (machine.Machine, error) {
	rules, err := tx.Rules()
	if err != nil {
		return m, err
	}
	h, found, err := tx.Hardware(m.MAC)
	if disks != nil {
		h.Disks = disks
	}
	if tree != nil {
		h.Describe(tree)
	}
	hardware := &h
	if !found && disks == nil {
		hardware = nil
	}
	return boot.Settle(m, rule.Assign(m, hardware, rules)), err
}

// known returns the machine with a MAC as it stands under the rules, and what was set for itself.
func known(tx Tx, mac machine.MAC) (m machine.Machine, own machine.Intent, found bool, err error) {
	m, found, err = tx.Machine(mac)
	if err != nil || !found {
		return m, own, found, err
	}
	own = m.Intent
	m, err = settled(tx, m)
	return m, own, true, err
}

func (f *Fleet) record(tx Tx, m machine.Machine) (Record, error) {
	assigned, err := assign(tx, m)
	if err != nil {
		return Record{}, err
	}
	r := Record{Machine: boot.Settle(m, assigned), Own: m.Intent, Assigned: assigned, Activity: f.activity.get(m.MAC)}
	hardware, found, err := tx.Hardware(m.MAC)
	if found {
		r.Hardware = &hardware
	}
	return r, err
}
