package store

import "bty/internal/machine"

// present is what the committer knows to stand in a bucket: nobody else writes, so that it need not look
// there again, which with many machines is a page that no other contact has touched lately.
type present[V any] struct {
	rows    map[machine.MAC]*decoded[V]
	changed map[machine.MAC]struct{} // by the transaction that runs, which may yet fail
}

func newPresent[V any]() present[V] {
	return present[V]{rows: map[machine.MAC]*decoded[V]{}, changed: map[machine.MAC]struct{}{}}
}

// found takes note of a row that was read.
func (p *present[V]) found(mac machine.MAC, d *decoded[V]) {
	if _, isChanged := p.changed[mac]; isChanged || len(d.raw) > maxMemoValue {
		return
	}
	if len(p.rows) >= maxMemo {
		clear(p.rows)
	}
	p.rows[mac] = d
}

// change forgets a row that is about to be another.
func (p *present[V]) change(mac machine.MAC) {
	delete(p.rows, mac)
	p.changed[mac] = struct{}{}
}

// settle is called when the transaction has ended, however that was.
func (p *present[V]) settle() { clear(p.changed) }

// rowOf returns a row of a machine, nil without one.
func rowOf[V any](t *Tx, p *present[V], m *memo[machine.MAC, V], bucket []byte, mac machine.MAC) (*decoded[V], error) {
	if !t.tx.Writable() {
		return recall(t, m, bucket, mac, mac[:])
	}
	if d := p.rows[mac]; d != nil {
		return d, nil
	}
	d, err := recall(t, m, bucket, mac, mac[:])
	if d != nil && err == nil {
		p.found(mac, d)
	}
	return d, err
}
