package fleet

import (
	"time"

	"bty/internal/boot"
	"bty/internal/catalog"
	"bty/internal/machine"
	"bty/internal/rule"
)

// maxDifferences is how many machines a preview names; the rest is counted.
const maxDifferences = 200

// NextBoot is what the next boot of a machine comes to.
type NextBoot struct {
	Rule   boot.Rule
	Mode   machine.BootMode
	Image  catalog.ImageRef
	Serial string
	NoDisk string // why a disk rule chose none
	Grow   bool   // the last partition is to end with the disk
	Verify bool   // the disk is to be read back
}

// Difference is a machine whose next boot a change would change.
type Difference struct {
	MAC      machine.MAC
	Labels   []string
	From, To NextBoot
}

// Preview is what a change would do to the next boots.
type Preview struct {
	Differences []Difference // the first of them
	Total       int          // machines whose next boot would change
	Machines    int          // machines that were looked at
}

// PreviewRules says which machines' next boot a change of the rules would change, and how.
func (f *Fleet) PreviewRules(c Change) (Preview, error) {
	var p Preview
	err := f.Store.View(func(tx Tx) error {
		set, err := tx.Rules()
		if err != nil {
			return err
		}
		now := f.Now()
		rules, err := applied(set, c, now)
		if err != nil {
			return err
		}
		def := set.Default
		if c.Default != nil {
			def = *c.Default
		}
		next := rule.NewSet(rules, def)
		look := f.lookout(tx, now)
		return tx.EachMachine(func(m machine.Machine) error { return p.compare(look, m, set, m, next) })
	})
	return p, err
}

// PreviewSave says whether saving a machine would change its next boot, and how.
func (f *Fleet) PreviewSave(mac machine.MAC, want machine.Intent) (Preview, error) {
	var p Preview
	err := f.Store.View(func(tx Tx) error {
		m, found, err := tx.Machine(mac)
		if err != nil {
			return err
		}
		now := f.Now()
		m = arrive(m, found, Contact{MAC: mac}, now)
		saved, _, err := save(tx, m, canonical(want), now)
		if err != nil {
			return err
		}
		set, err := tx.Rules()
		if err != nil {
			return err
		}
		return p.compare(f.lookout(tx, now), m, set, saved, set)
	})
	return p, err
}

// compare adds a machine if its next boot changes.
func (p *Preview) compare(look lookout, was machine.Machine, before *rule.Set, is machine.Machine, after *rule.Set) error {
	p.Machines++
	from, err := look.next(was, before)
	if err != nil {
		return err
	}
	to, err := look.next(is, after)
	if err != nil || from == to {
		return err
	}
	p.Total++
	if len(p.Differences) < maxDifferences {
		p.Differences = append(p.Differences, Difference{MAC: was.MAC, Labels: is.Intent.Labels, From: from, To: to})
	}
	return nil
}

// lookout tells what the next boot of machines comes to, all at one moment.
type lookout struct {
	fleet *Fleet
	tx    Tx
	now   time.Time
	live  map[string]liveFiles // by architecture: looked for once
}

type liveFiles struct {
	boot.LiveFiles
	missing string
}

func (f *Fleet) lookout(tx Tx, now time.Time) lookout {
	return lookout{f, tx, now, map[string]liveFiles{}}
}

// next asks the one place that decides.
func (l lookout) next(m machine.Machine, rules *rule.Set) (NextBoot, error) {
	assigned, err := assignBy(l.tx, m, rules)
	if err != nil {
		return NextBoot{}, err
	}
	know, err := l.fleet.know(l.tx, assigned, Contact{MAC: m.MAC, Asker: boot.Live})
	if err != nil {
		return NextBoot{}, err
	}
	files, known := l.live[m.Arch]
	if !known {
		files.LiveFiles, files.missing = l.fleet.Live(m.Arch)
		l.live[m.Arch] = files
	}
	know.Live, know.Missing = files.LiveFiles, files.missing
	offer := boot.Decide(m, know, boot.Question{Asker: boot.Firmware, Via: m.Facts.DiskVia, Now: l.now}).Offer
	return NextBoot{offer.Rule, assigned.Mode, assigned.Image, assigned.Serial, assigned.NoDisk, offer.Grow.Is, offer.Verify.Is}, nil
}
