package fleet

import (
	"context"

	"bty/internal/boot"
	"bty/internal/machine"
	"bty/internal/rule"
)

// Explanation is what a machine would get now, and why.
type Explanation struct {
	boot.Decision
	Known    bool      // whether there is a record of it; else it is as it would be discovered
	Rules    *rule.Set // as they were asked
	Verdicts []rule.Verdict
	Hardware *machine.Hardware // that the rules looked at; nil if it never reported any
	Then     string            // what comes after
}

// Explain says what a machine would get now, known or not, and changes nothing.
func (f *Fleet) Explain(c Contact) (Explanation, error) {
	var e Explanation
	err := f.Store.View(func(tx Tx) (err error) {
		e, err = f.explain(tx, c)
		return err
	})
	return e, err
}

// ExplainServed asks the cache of images, too, as an answer that is served does, so that the image's
// URL in a plan is the one that would be sent. That may take a while.
func (f *Fleet) ExplainServed(ctx context.Context, c Contact) (Explanation, error) {
	e, err := f.Explain(c)
	if err == nil && e.Offer.Action == boot.Flash && f.Cached != nil {
		e.Offer.Cache = f.Cached(ctx, *e.Offer.Image, c.Host)
	}
	return e, err
}

func (f *Fleet) explain(tx Tx, c Contact) (e Explanation, err error) {
	now := f.Now()
	m, found, err := tx.Machine(c.MAC)
	if err != nil {
		return e, err
	}
	if c.Arch == "" {
		c.Arch = m.Arch
	}
	if c.Via == "" {
		c.Via = m.Facts.DiskVia // a power-on begins the way the last one did
	}
	m = arrive(m, found, c, now)
	know, err := f.knowledge(tx, m, c)
	if err != nil {
		return e, err
	}
	e = Explanation{Decision: boot.Decide(m, know, c.question(now)), Known: found}
	e.Then = e.Decision.Then(f.MaxAttempts)
	if e.Rules, err = tx.Rules(); err != nil {
		return e, err
	}
	hardware, reported, err := tx.Hardware(c.MAC)
	if reported {
		e.Hardware = &hardware
	}
	e.Verdicts = e.Rules.Verdicts(m, e.Hardware)
	return e, err
}
