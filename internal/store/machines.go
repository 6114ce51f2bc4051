package store

import (
	"bytes"
	"encoding/json"
	"runtime"

	"bty/internal/machine"
)

// Machine returns the machine with this MAC, and whether there is one.
func (t *Tx) Machine(mac machine.MAC) (m machine.Machine, found bool, err error) {
	return recall(t, &t.store.machines, bucketMachines, mac, mac[:])
}

// PutMachine stores m in place of what was there.
func (t *Tx) PutMachine(m machine.Machine) error { return t.put(bucketMachines, m.MAC[:], m) }

// DeleteMachine removes the machine and its hardware.
func (t *Tx) DeleteMachine(mac machine.MAC) error {
	for _, bucket := range [][]byte{bucketHardware, bucketTrees} {
		if err := t.delete(bucket, mac[:]); err != nil {
			return err
		}
	}
	return t.delete(bucketMachines, mac[:])
}

// EachMachine calls fn for every machine in the order of their MACs.
func (t *Tx) EachMachine(fn func(machine.Machine) error) error {
	n := 0
	return t.tx.Bucket(bucketMachines).ForEach(func(key, raw []byte) error {
		if n++; n%yieldEvery == 0 {
			runtime.Gosched()
		}
		var mac machine.MAC
		copy(mac[:], key)
		m, err := remember(&t.store.machines, bucketMachines, mac, key, raw)
		if err != nil {
			return err
		}
		return fn(m)
	})
}

// Hardware returns what the machine reported last, and whether it ever did.
func (t *Tx) Hardware(mac machine.MAC) (h machine.Hardware, found bool, err error) {
	raw := t.rawHardware(mac)
	if raw == nil {
		return h, false, nil
	}
	h, err = remember(&t.store.hardware, bucketHardware, mac, mac[:], raw)
	return h, true, err
}

// rawHardware finds the value with one cursor for the whole transaction as long as nothing is
// written in it: who searches asks for that of every machine.
func (t *Tx) rawHardware(mac machine.MAC) []byte {
	if t.tx.Writable() {
		return t.tx.Bucket(bucketHardware).Get(mac[:])
	}
	if t.hardware == nil {
		t.hardware = t.tx.Bucket(bucketHardware).Cursor()
	}
	key, raw := t.hardware.Seek(mac[:])
	if !bytes.Equal(key, mac[:]) {
		return nil
	}
	return raw
}

// PutHardware stores h in place of what the machine reported before.
func (t *Tx) PutHardware(mac machine.MAC, h machine.Hardware) error {
	return t.putIfChanged(bucketHardware, mac[:], h)
}

// Tree returns the machine's hardware tree in the shape of `lshw -json`, and whether it ever
// reported one. It is kept apart from the rest: it may be megabytes, and lists never show it.
func (t *Tx) Tree(mac machine.MAC) (tree json.RawMessage, found bool, err error) {
	found, err = t.get(bucketTrees, mac[:], &tree)
	return tree, found, err
}

// PutTree stores tree, which must be canonical JSON, in place of the last one.
func (t *Tx) PutTree(mac machine.MAC, tree json.RawMessage) error {
	return t.putIfChanged(bucketTrees, mac[:], tree)
}
