package store

import (
	"bytes"

	"bty/internal/machine"
)

// present is what the committer knows to stand in the file of a machine: nobody else writes, so that it need
// not look there again, which with many machines is a page that no other contact has touched lately.
type present[R any] struct {
	rows    map[machine.MAC]R
	changed map[machine.MAC]struct{} // by the transaction that runs, which may yet fail
}

func newPresent[R any]() present[R] {
	return present[R]{rows: map[machine.MAC]R{}, changed: map[machine.MAC]struct{}{}}
}

// found takes note of what was read.
func (p *present[R]) found(mac machine.MAC, r R) {
	if _, isChanged := p.changed[mac]; isChanged {
		return
	}
	if len(p.rows) >= maxMemo {
		clear(p.rows)
	}
	p.rows[mac] = r
}

// change forgets what is about to be something else.
func (p *present[R]) change(mac machine.MAC) {
	delete(p.rows, mac)
	p.changed[mac] = struct{}{}
}

// settle is called when the transaction has ended, however that was.
func (p *present[R]) settle() { clear(p.changed) }

// presentMachines are settled rows and the facts that count. Facts change with most contacts, so what a
// transaction makes of them is not forgotten, but takes their place once it is committed.
type presentMachines struct {
	present[*presentMachine]
	facts map[machine.MAC][]byte // of the transaction that runs
}

type presentMachine struct {
	settled *machine.Machine
	facts   []byte
}

func newPresentMachines() presentMachines {
	return presentMachines{newPresent[*presentMachine](), map[machine.MAC][]byte{}}
}

func (p *presentMachines) get(mac machine.MAC) (r rows, isPresent bool) {
	known := p.rows[mac]
	if known == nil {
		return r, false
	}
	facts, isNew := p.facts[mac]
	if !isNew {
		facts = known.facts
	}
	return rows{mac, known.settled, facts}, true
}

// found takes note of both rows of a machine. Facts that this transaction changed are not those to go back to.
func (p *presentMachines) found(r rows) {
	if _, isNew := p.facts[r.mac]; !isNew && r.settled != nil && r.facts != nil {
		p.present.found(r.mac, &presentMachine{r.settled, bytes.Clone(r.facts)})
	}
}

func (p *presentMachines) settle(committed bool) {
	p.present.settle()
	for mac, facts := range p.facts {
		if known := p.rows[mac]; known != nil && committed {
			known.facts = facts
		}
	}
	clear(p.facts)
}
