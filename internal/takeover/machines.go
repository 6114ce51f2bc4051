package takeover

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"bty/internal/catalog"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/store"
	"bty/internal/wire"
)

const kindMachine = "machine"

// machines plans for each of them.
func (p *plan) machines(tx *store.Tx, in wire.PreviousState, _ time.Time) error {
	spelled := map[machine.MAC][]string{}
	for _, one := range in.Machines {
		if mac, err := machine.ParseTypedMAC(one.MAC); err == nil {
			spelled[mac] = append(spelled[mac], one.MAC)
		}
	}
	have := tx.CountMachines()
	for i, one := range in.Machines {
		t, wrong := p.parsed[i].taken, p.parsed[i].wrong
		if same := spelled[t.MAC]; len(wrong) == 0 && len(same) > 1 {
			wrong = append(wrong, fmt.Sprintf("%d rows are this machine (%s); delete all but one there", len(same), strings.Join(same, ", ")))
		}
		if len(wrong) > 0 {
			p.refuse(kindMachine, one.MAC, strings.Join(wrong, "; "))
			continue
		}
		if err := p.machine(tx, t, have); err != nil {
			return err
		}
	}
	return nil
}

// machine plans for one that can be taken.
func (p *plan) machine(tx *store.Tx, t taken, have int) error {
	here, found, err := tx.Machine(t.MAC)
	if err != nil {
		return err
	}
	if found { // the previous system has none of these, so it says nothing of them
		t.Intent.KernelWords, t.Intent.Grow, t.Intent.Verify = here.Intent.KernelWords, here.Intent.Grow, here.Intent.Verify
	}
	id := t.MAC.String()
	switch {
	case !found && int64(have)+p.joined >= fleet.MaxMachines:
		p.refuse(kindMachine, id, fmt.Sprintf("%d machines are known here, which is the limit", fleet.MaxMachines))
		return nil
	case !found:
		p.joined++
	case here.Intent.Equal(t.Intent):
		return p.fill(tx, t)
	case isUntouched(here.Intent):
		t.notes = append(t.notes, "it was known here already, with nothing set")
		t.complement(here)
	default:
		outcome, reason := p.conflict(differences(here.Intent, t.Intent))
		if outcome != wire.TakenReplaced {
			p.add(kindMachine, id, outcome, reason)
			return nil
		}
		p.add(kindMachine, id, outcome, t.reason(reason))
		t.complement(here)
		return p.place(tx, t)
	}
	outcome := wire.TakenNew
	if len(t.notes) > 0 {
		outcome = wire.TakenChanged
	}
	stands, err := fleet.Coming(tx, t.Machine, t.disks, t.tree)
	if err != nil {
		return err
	}
	p.add(kindMachine, id, outcome, t.reason(p.snags(tx, stands)...))
	return p.place(tx, t)
}

// fill adds what is not known here of the hardware of a machine that is set the same. What has
// happened here since counts, and stays.
func (p *plan) fill(tx *store.Tx, t taken) error {
	_, hasDisks, err := tx.Hardware(t.MAC)
	if err != nil {
		return err
	}
	_, hasTree, err := tx.Tree(t.MAC)
	if hasDisks {
		t.disks = nil
	}
	if hasTree {
		t.tree = nil
	}
	if t.disks == nil && t.tree == nil {
		p.add(kindMachine, t.MAC.String(), wire.TakenUnchanged, "")
		return err
	}
	p.add(kindMachine, t.MAC.String(), wire.TakenChanged, "it is known here with the same settings; its hardware was not, and is added")
	p.writes = append(p.writes, func(tx *store.Tx) error { return fleet.StoreHardware(tx, t.MAC, t.disks, t.tree) })
	return err
}

// isUntouched reports whether nobody has set anything for a machine.
func isUntouched(i machine.Intent) bool {
	return i.Free && i.Image.IsZero() && i.TargetSerial == "" && i.Drive == "" && i.KernelWords == "" && !i.Grow.Said() && !i.Verify.Said() && len(i.Labels) == 0
}

// complement keeps the hardware that is known here if it is the newer one.
func (t *taken) complement(here machine.Machine) {
	if here.Facts.InventoriedAt.After(t.Facts.InventoriedAt) {
		t.disks, t.tree = nil, nil
	}
	if here.CreatedAt.Before(t.CreatedAt) {
		t.CreatedAt = here.CreatedAt
	}
	if t.DiscoveredAt.IsZero() {
		t.DiscoveredAt = here.DiscoveredAt
	}
	t.Arch = here.Arch
}

// snags says why a machine is not flashed although its mode is to flash, as the previous system would
// have found out at its next boot. Rules of ours may have given it an image or a disk.
func (p *plan) snags(tx *store.Tx, stands machine.Machine) (list []string) {
	i := stands.Intent
	if !i.Image.IsZero() && !p.hasImage(tx, i.Image) {
		list = append(list, fmt.Sprintf("its image %s is in no catalog", i.Image.Short()))
	}
	if i.Mode.Flashes() && i.TargetSerial == "" {
		list = append(list, "it has no target disk, so nothing is written until one is set")
	}
	return list
}

// hasImage reports whether an image is known here, or comes with the machines.
func (p *plan) hasImage(tx *store.Tx, ref catalog.ImageRef) bool {
	if p.arriving[ref] {
		return true
	}
	_, found, err := tx.Image(ref)
	return err == nil && found
}

// place plans to store a machine.
func (p *plan) place(tx *store.Tx, t taken) error {
	p.taken = append(p.taken, t)
	if !t.seen.At.IsZero() {
		p.seen = append(p.seen, t.seen)
	}
	stands, err := fleet.Coming(tx, t.Machine, t.disks, t.tree)
	isOver := stands.Facts.Launched && stands.Facts.Completed // so its disk comes first
	if fleet.Flashes(stands) && !isOver && stands.Intent.TargetSerial != "" && p.hasImage(tx, stands.Intent.Image) {
		p.flash = append(p.flash, t.MAC.String())
	}
	p.writes = append(p.writes, func(tx *store.Tx) error {
		return errors.Join(tx.PutMachine(t.Machine), fleet.StoreHardware(tx, t.MAC, t.disks, t.tree))
	})
	return err
}

// differences says how two intents differ.
func differences(here, there machine.Intent) string {
	var list []string
	for _, d := range []struct{ what, here, there string }{
		{"mode", modeOf(here), modeOf(there)}, {"image", imageOf(here), imageOf(there)}, {"disk", orNone(here.TargetSerial), orNone(there.TargetSerial)},
		{"drive", orNone(here.Drive), orNone(there.Drive)}, {"labels", orNone(strings.Join(here.Labels, ", ")), orNone(strings.Join(there.Labels, ", "))},
	} {
		if d.here != d.there {
			list = append(list, fmt.Sprintf("%s: here %s, there %s", d.what, d.here, d.there))
		}
	}
	return strings.Join(list, "; ")
}

func modeOf(i machine.Intent) string {
	if i.Free {
		return "not set"
	}
	return i.Mode.String()
}

func imageOf(i machine.Intent) string {
	if i.Image.IsZero() {
		return "none"
	}
	return i.Image.Short()
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
