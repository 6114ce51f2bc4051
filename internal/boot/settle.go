package boot

import (
	"time"

	"bty/internal/machine"
	"bty/internal/rule"
)

// Settle is a machine as it stands under the rules: its intent is what it is to do, whoever
// decided it, and its facts are those that count for that. Facts that were made under another
// assignment are gone, which is what arming is: a rule that changes mode, image or disk of a
// machine arms it as a person would, and one that is saved unchanged does not.
func Settle(m machine.Machine, a rule.Assigned) machine.Machine {
	m.Intent = Wanted(m.Intent, a)
	switch f := &m.Facts; {
	case a.Continues(f.Under):
	case f.Under == "": // an older release made them, which had no rules
		f.Under = a.Mark()
	default:
		*f = machine.Facts{Under: a.Mark()}
	}
	return m
}

// Wanted is what is wanted of a machine whose own intent is this one, whoever decided it.
func Wanted(own machine.Intent, a rule.Assigned) machine.Intent {
	own.Mode, own.Image, own.TargetSerial = a.Mode, a.Image, a.Serial
	return own
}

// Store is a settled machine as it is kept: with what was set for itself, not what rules say.
func Store(settled machine.Machine, own machine.Intent) machine.Machine {
	settled.Intent = own
	return settled
}

// Save sets what the operator wants of a machine itself. If that changes what it is to do (mode,
// image or disk), a new cycle is armed; if a rule said the same before, nothing changes. assign is
// what the rules make of a machine.
func Save(m machine.Machine, want machine.Intent, assign func(machine.Machine) rule.Assigned, now time.Time) (saved machine.Machine, armed bool) {
	before := Settle(m, assign(m))
	m.Facts = before.Facts
	m.Intent, m.UpdatedAt = want, now
	a := assign(m)
	was, is := before.Intent, Settle(m, a).Intent
	if was.Mode != is.Mode || was.Image != is.Image || was.TargetSerial != is.TargetSerial {
		m.Facts = machine.Facts{Under: a.Mark()}
		return m, true
	}
	return m, false
}
