package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"bty/internal/boot"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/machine"
	"bty/internal/rule"
)

// step is what an action comes to for one machine, before anything is stored.
type step struct {
	was, next machine.Machine
	kind      event.Kind
	done      Done
}

func (s step) carried() any {
	if s.kind == event.MachineDeleted {
		return nil
	}
	return policyOf(s.next.Intent)
}

// take decides what an action comes to for one machine.
func take(tx Tx, mac machine.MAC, a Action, now time.Time) (step, error) {
	m, found, err := tx.Machine(mac)
	if err != nil {
		return step{}, err
	}
	s := step{was: m, next: m, kind: event.MachineUpserted, done: Done{MAC: mac}}
	if !found {
		return s.refuse("there is no record of it any more"), nil
	}
	switch a.Kind {
	case ActionArm:
		return s.arm(tx, now)
	case ActionDelete:
		s.kind = event.MachineDeleted
		return s.did("deleted"), nil
	case ActionRelease:
		return s.save(tx, released(m.Intent), "released: rules decide", now)
	case ActionSet:
		return s.set(tx, a.Edit, now)
	}
	return s, nil
}

func (s step) refuse(why string) step {
	s.done.Refused, s.done.What = true, why
	return s
}

func (s step) did(what string) step {
	s.done.Changed, s.done.What = true, what
	return s
}

func (s step) arm(tx Tx, now time.Time) (step, error) {
	m, err := settled(tx, s.was)
	if err != nil {
		return s, err
	}
	if !m.Intent.Mode.Cycles() {
		return s.refuse(fault.Public(nothingToArm(m))), nil
	}
	m.Arm(now)
	s.kind, s.next = event.MachineArmed, boot.Store(m, s.was.Intent)
	return s.did("armed: " + m.Intent.Mode.String()), nil
}

// save stores another intent, unless it is the same.
func (s step) save(tx Tx, want machine.Intent, what string, now time.Time) (step, error) {
	if want.Equal(s.was.Intent) {
		s.done.What = "it was so before"
		return s, nil
	}
	next, armed, err := save(tx, s.was, want, now)
	if err != nil {
		return s, err
	}
	if s.next = next; armed {
		what += "; its next boot begins a new cycle"
	}
	return s.did(what), nil
}

// maxLabels is how many labels a machine can have.
const maxLabels = machine.MaxLabels

// set edits what a machine has set for itself.
func (s step) set(tx Tx, e Edit, now time.Time) (step, error) {
	want := s.was.Intent
	want.Labels = slices.DeleteFunc(slices.Concat(want.Labels, e.AddLabels), func(l string) bool { return slices.Contains(e.RemoveLabels, l) })
	want = canonical(want)
	if len(want.Labels) > maxLabels {
		return s.refuse(fmt.Sprintf("it would have %d labels, and can have %d", len(want.Labels), maxLabels)), nil
	}
	if e.Mode != nil {
		want.Mode, want.Free = *e.Mode, false
	}
	if e.Image != nil {
		want.Image = *e.Image
	}
	if e.Serial != nil {
		want.TargetSerial = *e.Serial
	}
	if e.Disk != nil {
		serial, why, err := choose(tx, s.was.MAC, *e.Disk)
		if err != nil || why != "" {
			return s.refuse("no target disk: " + why), err
		}
		want.TargetSerial = serial
	}
	if e.Mode != nil || e.Image != nil || e.Serial != nil || e.Disk != nil {
		if why, err := s.unflashable(tx, want); err != nil || why != "" {
			return s.refuse(why), err
		}
	}
	return s.save(tx, want, "set: "+describe(e, want), now)
}

func choose(tx Tx, mac machine.MAC, r rule.DiskRule) (serial, why string, err error) {
	h, found, err := tx.Hardware(mac)
	if err != nil {
		return "", "", err
	}
	if !found {
		serial, why = r.Choose(nil)
		return serial, why, nil
	}
	serial, why = r.Choose(&h)
	return serial, why, nil
}

// unflashable says why a machine that is to be flashed could not be.
func (s step) unflashable(tx Tx, want machine.Intent) (why string, err error) {
	m := s.was
	m.Intent = want
	assigned, err := assign(tx, m)
	switch {
	case err != nil || !assigned.Mode.Flashes():
		return "", err
	case assigned.Image.IsZero():
		return fmt.Sprintf("%s needs an image, and neither the machine nor a rule has one", assigned.Mode), nil
	case assigned.NoDisk != "":
		return "no target disk: " + assigned.NoDisk, nil
	case assigned.Serial == "":
		return fmt.Sprintf("%s needs a target disk, and neither the machine nor a rule has one", assigned.Mode), nil
	}
	return "", nil
}

func describe(e Edit, want machine.Intent) string {
	var parts []string
	if e.Mode != nil {
		parts = append(parts, want.Mode.String())
	}
	if e.Image != nil && want.Image.IsZero() {
		parts = append(parts, "no image")
	} else if e.Image != nil {
		parts = append(parts, "image "+want.Image.Short())
	}
	if e.Serial != nil || e.Disk != nil {
		parts = append(parts, "disk "+cmp.Or(want.TargetSerial, "none"))
	}
	if len(e.AddLabels)+len(e.RemoveLabels) > 0 {
		parts = append(parts, "labels "+cmp.Or(strings.Join(want.Labels, ", "), "none"))
	}
	return strings.Join(parts, ", ")
}
