package boot

import (
	"time"

	"bty/internal/catalog"
	"bty/internal/machine"
	"bty/internal/rule"
)

// Decision is an Offer and the machine as it is once the offer has been served. Deciding changes
// nothing: who serves the offer stores Next, who only explains it drops it.
type Decision struct {
	Offer Offer
	Next  machine.Machine // with what was set for the machine itself, as it is stored
	After machine.Machine // the same as it stands under the rules
}

// Decide answers one question of one machine, as it is stored. It is pure: the same
// arguments give the same answer.
func Decide(m machine.Machine, know Knowledge, q Question) Decision {
	assigned := know.assigned(m)
	d := decide(Settle(m, assigned), know, q)
	d.Offer.Assigned, d.Offer.Question = assigned, q
	d.After = d.Next
	d.Next = Store(d.Next, m.Intent)
	return d
}

// assigned is what the rules make of a machine; without rules, what was set for itself.
func (k Knowledge) assigned(m machine.Machine) rule.Assigned {
	if k.Assigned != nil {
		return *k.Assigned
	}
	return rule.Assign(m, nil, nil)
}

// decide is the policy for a machine as it stands under the rules.
func decide(m machine.Machine, know Knowledge, q Question) Decision {
	var by Rule
	if m.Intent.Mode.Flashes() {
		by = flashRule(m, know, q)
	} else {
		by = plainRule(m, know, q)
	}
	if q.Asker == Firmware {
		return forFirmware(m, know, by, q)
	}
	return forLive(m, know, by)
}

// plainRule is the policy of the modes that write nothing.
func plainRule(m machine.Machine, know Knowledge, q Question) Rule {
	switch m.Intent.Mode {
	case machine.TUI:
		return RuleWizard
	case machine.Inventory:
		return cycleRule(m, know, q, RuleInventory, RuleInventoryRetry, RuleInventoryDone)
	default:
		return RuleExit
	}
}

// flashRule is the policy of the modes that write an image.
func flashRule(m machine.Machine, know Knowledge, q Question) Rule {
	switch {
	case m.Intent.Image.IsZero():
		return RuleNoImage
	case know.Image == nil:
		return RuleOrphanRef
	case know.assigned(m).NoDisk != "" && m.Facts.Completed && m.Intent.Mode == machine.FlashOnce:
		return RuleFlashDone // a rule can tell its disk no longer, which undoes nothing
	case m.Intent.TargetSerial == "":
		return RuleNoTargetDisk
	}
	return cycleRule(m, know, q, RuleFlash, RuleFlashRetry, RuleFlashDone)
}

// cycleRule says where in its cycle a machine is. A loop is broken here, by what the appliance
// saw itself, never by a call-back that may not come.
func cycleRule(m machine.Machine, know Knowledge, q Question, first, again, done Rule) Rule {
	f := m.Facts
	switch {
	case isSamePowerOn(f, q):
		return done
	case f.Failed:
		return RuleFailed
	case f.Stuck:
		return RuleStuck
	case f.Completed && isDone(m, q.Asker):
		return done
	case f.Completed:
		return first
	case f.Attempts >= maxAttempts(know) && isNewStart(f, q.Asker):
		return RuleStuck
	case f.Armed() && isNewStart(f, q.Asker):
		return again
	}
	return first
}

// powerOn is how long firmware may take from one boot option to the next.
const powerOn = 3 * time.Minute

// isSamePowerOn reports whether firmware asks once more although it was just given the disk: the
// answer was lost on its way, or a UEFI whose PXE boot option returned tries HTTP Boot next (or the
// other way round) before it comes to the disk. A reboot begins with the same boot option as the
// last one.
func isSamePowerOn(f machine.Facts, q Question) bool {
	if q.Asker != Firmware || f.Armed() || f.DiskAt.IsZero() {
		return false
	}
	since := q.Now.Sub(f.DiskAt)
	return (q.Again || q.Via != f.DiskVia) && since >= 0 && since < powerOn
}

// isDone reports whether a completed cycle has nothing left for the asker. A live environment in
// bty-flash-always is always given the image, and one in bty-inventory always asked to report.
func isDone(m machine.Machine, asker Asker) bool {
	return asker == Firmware || m.Intent.Mode == machine.FlashOnce
}

// isNewStart reports whether serving the asker would be one more start of the live environment.
// Firmware that asks again starts over; a live environment does so if nobody saw it start, or if
// it has had its plan already (its program died and was started again).
func isNewStart(f machine.Facts, asker Asker) bool {
	return asker == Firmware || !f.Launched || f.Planned
}

func maxAttempts(know Knowledge) int {
	if know.MaxAttempts > 0 {
		return know.MaxAttempts
	}
	return defaultMaxAttempts
}

// forFirmware turns a rule into what a script can say.
func forFirmware(m machine.Machine, know Knowledge, by Rule, q Question) Decision {
	offer := Offer{Asker: Firmware, Rule: by, Machine: m}
	next := m
	switch by {
	case RuleWizard, RuleInventory, RuleInventoryRetry, RuleFlash, RuleFlashRetry:
		return startLive(offer, next, know)
	case RuleNoImage:
		offer.Action = Unset
	case RuleOrphanRef, RuleNoTargetDisk:
		offer.Action, offer.Image = LeaveToOrder, know.Image
	case RuleFlashDone, RuleInventoryDone:
		if m.Facts.Completed && m.Intent.Mode != machine.FlashOnce {
			next.Facts = endCycle(m.Facts)
			next.Facts.DiskVia, next.Facts.DiskAt = q.Via, q.Now
		}
	case RuleStuck:
		next.Facts.Stuck = true
	}
	return Decision{Offer: offer, Next: next}
}

func startLive(offer Offer, next machine.Machine, know Knowledge) Decision {
	if know.Live.Kernel == "" {
		offer.Rule, offer.Missing = RuleNoLiveFiles, know.Missing
		return Decision{Offer: offer, Next: next}
	}
	offer.Action, offer.Live = StartLive, know.Live
	if offer.Machine.Intent.Mode.Flashes() {
		offer.Image = know.Image
		offer.chosen(know.Image, know)
	}
	next.Facts.Launched, next.Facts.Planned = false, false
	next.Facts.DiskVia, next.Facts.DiskAt = "", time.Time{}
	return Decision{Offer: offer, Next: next}
}

// endCycle keeps when things happened and forgets the cycle, so that the next contact begins one.
func endCycle(f machine.Facts) machine.Facts {
	return machine.Facts{Under: f.Under, FlashedAt: f.FlashedAt, InventoriedAt: f.InventoriedAt}
}

// forLive turns a rule into what a plan can say.
func forLive(m machine.Machine, know Knowledge, by Rule) Decision {
	offer := Offer{Asker: Live, Rule: by, Machine: m}
	next := m
	switch by {
	case RuleWizard, RuleOrphanRef, RuleNoTargetDisk:
		offer.Action = Wizard
		offer.chosen(nil, know)
	case RuleInventory, RuleInventoryRetry:
		offer.Action = Report
	case RuleFlash, RuleFlashRetry:
		offer.Action, offer.Image, offer.Cache = Flash, know.Image, know.Cache
		offer.chosen(know.Image, know)
		next.Facts = planned(m.Facts)
	case RuleStuck:
		offer.Action, next.Facts.Stuck = Leave, true
	default:
		offer.Action = Leave
	}
	return Decision{Offer: offer, Next: next}
}

// planned is the facts once a flash plan has been served: the start of a cycle if the last one
// was completed, and a further attempt if nobody saw this live environment start.
func planned(f machine.Facts) machine.Facts {
	isNew := isNewStart(f, Live)
	if f.Completed {
		f = endCycle(f)
	}
	if isNew || f.Attempts == 0 {
		f.Attempts++
	}
	f.Launched, f.Planned = true, true
	return f
}

// Bound returns the image that a machine is to be flashed with, so that a caller knows what to
// look up before it decides.
func Bound(a rule.Assigned) (catalog.ImageRef, bool) {
	return a.Image, a.Mode.Flashes() && !a.Image.IsZero()
}
