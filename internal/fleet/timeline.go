package fleet

import (
	"time"

	"bty/internal/event"
	"bty/internal/machine"
)

// StageName names a step of a boot, in the order of the steps.
type StageName string

const (
	StageDHCP      StageName = "dhcp"      // firmware asked for an address
	StageNBP       StageName = "nbp"       // it has the boot program
	StageScript    StageName = "script"    // iPXE has its script
	StageKernel    StageName = "kernel"    // it fetches the kernel of the live environment
	StageInitrd    StageName = "initrd"    // and its initrd
	StageInventory StageName = "inventory" // the live environment reported the hardware
	StagePlan      StageName = "plan"      // it has its plan
	StageWork      StageName = "work"      // a stage of the flash, as the live environment names it
	StageEnd       StageName = "end"       // it reported done or failed
	StageNext      StageName = "next"      // the machine asked again
)

// StageState is how far a step is.
type StageState string

const (
	StageReached StageState = "reached"
	StageCurrent StageState = "current" // being waited for
	StageOverdue StageState = "overdue" // waited for longer than it takes
	StageAhead   StageState = "ahead"
	StageFailed  StageState = "failed"
)

// Stage is one step of a boot.
type Stage struct {
	Name   StageName
	Title  string
	State  StageState
	At     time.Time     // when it was reached
	Took   time.Duration // since the step before, or how long the transfer took where that is known
	Detail string

	heard  time.Time     // when the live environment said last that it works on it
	Within time.Duration // for the step that is waited for: how long it usually takes
	Causes []string      // for one that is overdue: what usually causes it
	Try    string        // and the next step
}

// Timeline is the last boot of a machine, step by step.
type Timeline struct {
	Stages  []Stage
	Began   time.Time
	Attempt int    // starts of the live environment in this cycle
	Where   string // where it is or where it stopped, in a sentence
}

// timelineEvents is how many of a machine's newest events are looked through for its last boot.
const timelineEvents = 200

// Timeline shows the last boot of a machine.
func (f *Fleet) Timeline(mac machine.MAC) (Timeline, error) {
	record, err := f.Machine(mac)
	if err != nil {
		return Timeline{}, err
	}
	subject, id := event.Machine, mac.String()
	var events []event.Event
	err = f.Store.View(func(tx Tx) (err error) {
		events, err = tx.Events(event.Filter{SubjectKind: &subject, SubjectID: &id, Limit: timelineEvents})
		return err
	})
	if err != nil {
		return Timeline{}, err
	}
	return NewTimeline(events, record, f.Now()), nil
}

// NewTimeline reads a machine's last boot from its events, newest first, and from what is known of
// it in memory. It is pure.
func NewTimeline(events []event.Event, r Record, now time.Time) Timeline {
	b := lastBoot(events)
	if b.script == nil && b.sighted == nil {
		return Timeline{Where: "This machine has not asked what to boot yet, or so long ago that its boots are only counted."}
	}
	b.read(r.Activity)
	t := Timeline{Stages: b.stages(r), Began: b.began(), Attempt: r.Facts.Attempts}
	t.judge(now)
	return t
}
