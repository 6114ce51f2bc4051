package fleet

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"bty/internal/event"
	"bty/internal/wire"
)

// pastBoot is what the events say of one boot: from the firmware's request for an address, or the
// boot program that led to a script, until the next script. One that has just begun has no script.
type pastBoot struct {
	sighted   *event.Event
	script    *event.Event
	offer     offered
	nbp       *event.Event
	launch    *event.Event
	inventory *event.Event
	plan      *event.Event
	work      []event.Event // picks at the console and beginnings of stages, oldest first
	end       *event.Event
	next      *event.Event
	fetches   []Fetch
	progress  *Progress
}

// offered is what the event of a script or a plan carries that a timeline reads.
type offered struct {
	Rule  string
	Offer string
	Plan  string
	Trace struct {
		Q string // who asked and how
	}
}

// startsLive reports whether a script started the live environment.
func (o offered) startsLive() bool {
	switch o.Rule {
	case "wizard", "inventory", "inventory-retry", "flash", "flash-retry":
		return true
	}
	return false
}

func readOffer(e event.Event) (o offered) {
	_ = json.Unmarshal(e.Details, &o) // what does not decode says nothing
	return o
}

// nbpWindow is how long before its script a machine may have fetched its boot program.
const nbpWindow = 5 * time.Minute

// lastBoot finds the last boot that started the live environment, or else the last boot.
func lastBoot(events []event.Event) pastBoot {
	isScript := func(e event.Event) bool { return e.Kind == event.PXEOffered }
	newest := slices.IndexFunc(events, isScript)
	if begun := slices.IndexFunc(events, isSighting); begun >= 0 && (newest < 0 || begun < newest) {
		return begunBoot(events[:begun+1])
	}
	if newest < 0 {
		return pastBoot{}
	}
	at := newest
	if !readOffer(events[newest]).startsLive() { // the disk after a flash belongs to the boot that flashed
		if i := slices.IndexFunc(events, func(e event.Event) bool { return isScript(e) && readOffer(e).startsLive() }); i >= 0 && events[newest].At.Sub(events[i].At) < maxBoot {
			at = i
		}
	}
	b := pastBoot{script: &events[at], offer: readOffer(events[at])}
	for i := at - 1; i >= 0; i-- { // towards now
		if isScript(events[i]) {
			b.next = &events[i]
			break
		}
		b.take(&events[i])
	}
	for i := at + 1; i < len(events) && b.sighted == nil && !isScript(events[i]); i++ {
		switch e := &events[i]; {
		case b.script.At.Sub(e.At) >= nbpWindow:
		case e.Kind == event.TFTPTransfer && b.nbp == nil:
			b.nbp = e
		case isSighting(*e):
			b.sighted = e
		}
	}
	return b
}

// isSighting reports whether an event is the firmware's request for an address, which begins a boot.
func isSighting(e event.Event) bool {
	var s wire.Sighting
	return e.Kind == event.MachineSighted && json.Unmarshal(e.Details, &s) == nil && !s.FromIPXE()
}

// begunBoot is a boot whose script has not been asked for yet; the oldest event is its sighting.
func begunBoot(events []event.Event) pastBoot {
	b := pastBoot{sighted: &events[len(events)-1]}
	for i := range events {
		if events[i].Kind == event.TFTPTransfer {
			b.nbp = &events[i]
			break
		}
	}
	return b
}

// maxBoot is how long a boot may last until its next contact and still be shown as one.
const maxBoot = 12 * time.Hour

func (b *pastBoot) take(e *event.Event) {
	first := func(at **event.Event) {
		if *at == nil {
			*at = e
		}
	}
	switch e.Kind {
	case event.ArtifactFetched:
		first(&b.launch)
	case event.MachineInventory:
		first(&b.inventory)
	case event.PXEPlan:
		b.plan = e
	case event.MachineStage, event.MachinePicked:
		b.work = append(b.work, *e)
	case event.MachineFlashed, event.MachineFlashFailed:
		b.end = e
	}
}

// read takes from memory what belongs to this boot.
func (b *pastBoot) read(a Activity) {
	if b.script == nil {
		return
	}
	for _, f := range a.Fetches {
		if !f.At.Before(b.script.At) && (b.next == nil || f.At.Before(b.next.At)) {
			b.fetches = append(b.fetches, f)
		}
	}
	if b.next == nil && b.end == nil {
		b.progress = a.Progress
	}
}

func (b *pastBoot) began() time.Time {
	for _, e := range []*event.Event{b.sighted, b.nbp, b.script} {
		if e != nil {
			return e.At
		}
	}
	return time.Time{}
}

// fetched is the first fetch of a file whose name has one of these parts.
func (b *pastBoot) fetched(parts ...string) (f Fetch, ok bool) {
	for _, f := range b.fetches {
		if slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(f.File, part) }) {
			return f, true
		}
	}
	if b.launch != nil {
		var l launched
		_ = json.Unmarshal(b.launch.Details, &l)
		if slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(l.File, part) }) {
			return Fetch{File: l.File, At: b.launch.At}, true
		}
	}
	return Fetch{}, false
}

// transfer describes the boot program's transfer.
func transfer(e event.Event) (detail string, took time.Duration, failed bool) {
	var t wire.Transfer
	_ = json.Unmarshal(e.Details, &t)
	if t.Error != "" {
		return fmt.Sprintf("%s by TFTP: %s", t.File, t.Error), t.Duration, true
	}
	return fmt.Sprintf("%s by TFTP, %d bytes", cmp.Or(t.Served, t.File), t.Bytes), t.Duration, false
}
