package store

import (
	"bytes"
	"encoding/json"
	"runtime"
	"time"

	"bty/internal/machine"
)

// settled is what a machine's row holds beside its facts.
type settled struct {
	MAC          machine.MAC    `json:"mac"`
	Intent       machine.Intent `json:"intent"`
	CreatedAt    time.Time      `json:"created_at"`
	DiscoveredAt time.Time      `json:"discovered_at,omitzero"`
	Arch         string         `json:"arch,omitempty"`
}

// rows are what a file has of one machine.
type rows struct {
	mac     machine.MAC
	settled *machine.Machine // without its facts, but in files of older schemas; nil if there is none
	facts   []byte
}

// rowsOf finds them. A use case that reads a machine mostly writes it next, which needs them again.
func (t *Tx) rowsOf(mac machine.MAC) (rows, error) {
	if !t.tx.Writable() {
		return t.readRows(mac)
	}
	if t.last != nil && t.last.mac == mac {
		return *t.last, nil
	}
	r, isPresent := t.store.presentMachines.get(mac)
	if !isPresent {
		var err error
		if r, err = t.readRows(mac); err != nil {
			return r, err
		}
		t.store.presentMachines.found(r)
	}
	t.last = &r
	return r, nil
}

func (t *Tx) readRows(mac machine.MAC) (r rows, err error) {
	r.mac = mac
	d, err := recall(t, &t.store.machines, bucketMachines, mac, mac[:])
	if d != nil {
		r.settled = &d.value
	}
	if t.hasFacts() {
		r.facts = t.rawFacts(mac)
	}
	return r, err
}

// Machine returns the machine with this MAC, and whether there is one.
func (t *Tx) Machine(mac machine.MAC) (m machine.Machine, found bool, err error) {
	r, err := t.rowsOf(mac)
	if r.settled == nil {
		return m, false, err
	}
	m = *r.settled
	if t.tx.Writable() || t.hasFacts() {
		err = complement(&m, r.facts)
	}
	return m, true, err
}

// PutMachine stores m in place of what was there. Only the part that differs is written.
func (t *Tx) PutMachine(m machine.Machine) error {
	was, err := t.rowsOf(m.MAC)
	isSame := err == nil && was.settled != nil && isSettledAs(was.settled, &m) // what cannot be read is replaced
	t.last = nil
	if err := t.putFacts(m, was); err != nil || isSame {
		return err
	}
	return t.putSettled(m)
}

func isSettledAs(a, b *machine.Machine) bool {
	return a.MAC == b.MAC && a.Intent.Equal(b.Intent) && a.CreatedAt.Equal(b.CreatedAt) && a.DiscoveredAt.Equal(b.DiscoveredAt) && a.Arch == b.Arch
}

func (t *Tx) putSettled(m machine.Machine) error {
	if t.store != nil { // a migration has none
		t.store.presentMachines.change(m.MAC)
	}
	return t.put(bucketMachines, m.MAC[:], settled{m.MAC, m.Intent, m.CreatedAt, m.DiscoveredAt, m.Arch})
}

// DeleteMachine removes the machine and its hardware.
func (t *Tx) DeleteMachine(mac machine.MAC) error {
	t.last = nil
	t.store.presentMachines.change(mac)
	t.store.presentHardware.change(mac)
	for _, bucket := range [][]byte{bucketHardware, bucketTrees, bucketMachines} {
		if err := t.delete(bucket, mac[:]); err != nil {
			return err
		}
	}
	return t.deleteFacts(mac)
}

// CountMachines is how many machines there are.
func (t *Tx) CountMachines() int { return t.tx.Bucket(bucketMachines).Stats().KeyN }

// EachMachine calls fn for every machine in the order of their MACs.
func (t *Tx) EachMachine(fn func(machine.Machine) error) error {
	if !t.hasFacts() {
		return t.eachMachine(nil, fn)
	}
	return t.eachMachine(t.factsInOrder(), fn)
}

// EachIntent is EachMachine for whoever looks at nothing that changes with contacts: facts are not there, or old.
func (t *Tx) EachIntent(fn func(machine.Machine) error) error { return t.eachMachine(nil, fn) }

func (t *Tx) eachMachine(factsAt func(machine.MAC) []byte, fn func(machine.Machine) error) error {
	n := 0
	return t.tx.Bucket(bucketMachines).ForEach(func(key, raw []byte) error {
		if n++; n%yieldEvery == 0 {
			runtime.Gosched()
		}
		var mac machine.MAC
		copy(mac[:], key)
		d, err := remember(&t.store.machines, bucketMachines, mac, key, raw)
		if err != nil {
			return err
		}
		m := d.value
		if factsAt != nil {
			err = complement(&m, factsAt(mac))
		}
		if err != nil {
			return err
		}
		return fn(m)
	})
}

// Hardware returns what the machine reported last, and whether it ever did.
func (t *Tx) Hardware(mac machine.MAC) (h machine.Hardware, found bool, err error) {
	d, err := t.hardwareOf(mac)
	if d == nil {
		return h, err != nil, err
	}
	return d.value, true, nil
}

// hardwareOf finds the row, where nothing is written with one cursor for the whole transaction: who searches
// asks for that of every machine.
func (t *Tx) hardwareOf(mac machine.MAC) (*decoded[machine.Hardware], error) {
	if t.tx.Writable() {
		return t.presentHardware(mac)
	}
	if t.hardware == nil {
		t.hardware = t.tx.Bucket(bucketHardware).Cursor()
	}
	key, raw := t.hardware.Seek(mac[:])
	if !bytes.Equal(key, mac[:]) {
		return nil, nil
	}
	return remember(&t.store.hardware, bucketHardware, mac, mac[:], raw)
}

// presentHardware is hardwareOf for the committer.
func (t *Tx) presentHardware(mac machine.MAC) (*decoded[machine.Hardware], error) {
	if d := t.store.presentHardware.rows[mac]; d != nil {
		return d, nil
	}
	d, err := recall(t, &t.store.hardware, bucketHardware, mac, mac[:])
	if d != nil && len(d.raw) <= maxMemoValue {
		t.store.presentHardware.found(mac, d)
	}
	return d, err
}

// PutHardware stores h in place of what the machine reported before, if it is not the same.
func (t *Tx) PutHardware(mac machine.MAC, h machine.Hardware) error {
	if t.store == nil { // a migration
		return t.putIfChanged(bucketHardware, mac[:], h)
	}
	raw, err := encode(bucketHardware, mac[:], h)
	if err != nil {
		return err
	}
	d, err := t.hardwareOf(mac)
	if err == nil && d != nil && bytes.Equal(raw, d.raw) { // what cannot be read is replaced
		return nil
	}
	t.store.presentHardware.change(mac)
	return t.putRaw(bucketHardware, mac[:], raw)
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
