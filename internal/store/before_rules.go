package store

import (
	"encoding/json"

	bolt "go.etcd.io/bbolt"

	"bty/internal/machine"
	"bty/internal/rule"
)

// beforeRules brings machines to what rules need to know of them: who set the mode, which
// assignment the facts were made under, and vendor and product beside the disks.
func beforeRules(tx *bolt.Tx) error {
	t := &Tx{tx: tx}
	all, err := t.wholeMachines()
	if err != nil {
		return err
	}
	for _, m := range all {
		m.Intent.Free = isUntouched(m)
		m.Facts.Under = rule.Assign(m, nil, nil).Mark()
		if err := t.put(bucketMachines, m.MAC[:], m); err != nil {
			return err
		}
		if err := t.describe(m.MAC); err != nil {
			return err
		}
	}
	return nil
}

// isUntouched reports whether a record is as discovery and the machine's own reports made it: a
// person who saved exactly that left no trace of it.
func isUntouched(m machine.Machine) bool {
	made := machine.New(m.MAC, m.CreatedAt)
	made.Intent.Free = false
	byItself := m.UpdatedAt.Equal(m.CreatedAt) || m.UpdatedAt.Equal(m.Facts.InventoriedAt) || m.UpdatedAt.Equal(m.Facts.FlashedAt)
	return m.DiscoveredAt.Equal(m.CreatedAt) && byItself && m.Intent.Equal(made.Intent)
}

// describe reads vendor and product from the hardware tree.
func (t *Tx) describe(mac machine.MAC) error {
	var tree json.RawMessage
	var h machine.Hardware
	found, err := t.get(bucketTrees, mac[:], &tree)
	if err != nil || !found {
		return err
	}
	if _, err := t.get(bucketHardware, mac[:], &h); err != nil {
		return err
	}
	if h.Describe(tree); h.Vendor == "" && h.Product == "" {
		return nil
	}
	return t.PutHardware(mac, h)
}
