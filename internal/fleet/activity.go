package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"bty/internal/event"
	"bty/internal/machine"
	"bty/internal/wire"
)

// rebuildDepth is how many of the newest events are read at start to know again who was seen when.
const rebuildDepth = 100_000

// A few are read at a time, with a pause that lets contacts through: a processor that is never
// idle looks for input every 10 ms only.
const (
	rebuildChunk = 100
	rebuildPause = time.Millisecond
)

// Activity is what is known of a machine only in memory: when it was seen, from where, and how
// far its live environment is.
type Activity struct {
	SeenAt   time.Time
	SeenFrom netip.Addr
	Progress *Progress  // nil unless the live environment is at work
	Pick     *wire.Pick // what was picked at its console since the last script
	Fetches  []Fetch    // of files of the live environment since the last script, oldest first

	sightedFirmware, sightedIPXE time.Time // when its DHCP requests were recorded last
}

// Fetch is the transfer of one file.
type Fetch struct {
	File string
	At   time.Time
	Done time.Time // zero while it goes on, or if it broke off
}

// maxFetches bounds the files that are kept of one boot.
const maxFetches = 8

// Progress is the last that a live environment said about its work.
type Progress struct {
	wire.Progress
	At      time.Time // when it was said
	StageAt time.Time // when the stage began
}

// activity is bounded by the number of machines: only known ones get in.
type activity struct {
	mu    sync.RWMutex
	byMAC map[machine.MAC]Activity
}

func newActivity() *activity { return &activity{byMAC: map[machine.MAC]Activity{}} }

func (a *activity) get(mac machine.MAC) Activity {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.byMAC[mac]
}

// SeenAt is when a machine asked or reported something last, zero if that is not known.
func (f *Fleet) SeenAt(mac machine.MAC) time.Time { return f.activity.get(mac).SeenAt }

// contact records that a machine was seen. Firmware that asks has no live environment at work.
func (a *activity) contact(mac machine.MAC, from netip.Addr, at time.Time, isFirmware bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.byMAC[mac]
	now.SeenAt, now.SeenFrom = at, from
	if isFirmware {
		now.Progress, now.Pick = nil, nil
	}
	a.byMAC[mac] = now
}

// script records that a boot begins.
func (a *activity) script(mac machine.MAC) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.byMAC[mac]; now.Fetches != nil {
		now.Fetches = nil
		a.byMAC[mac] = now
	}
}

// fetch records that a file is asked for. A HEAD before it, or a second try, is the same fetch.
func (a *activity) fetch(mac machine.MAC, file string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.byMAC[mac]
	if len(now.Fetches) >= maxFetches || slices.ContainsFunc(now.Fetches, func(f Fetch) bool { return f.File == file }) {
		return
	}
	now.Fetches = append(slices.Clone(now.Fetches), Fetch{File: file, At: at}) // readers hold the old one
	a.byMAC[mac] = now
}

// fetched records that a file has been sent to its end.
func (a *activity) fetched(mac machine.MAC, file string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.byMAC[mac]
	i := slices.IndexFunc(now.Fetches, func(f Fetch) bool { return f.File == file })
	if i < 0 {
		return
	}
	now.Fetches = slices.Clone(now.Fetches)
	now.Fetches[i].Done = at
	a.byMAC[mac] = now
}

// advance records progress and reports whether it began another stage.
func (a *activity) advance(mac machine.MAC, from netip.Addr, p wire.Progress, at time.Time) (begins bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.byMAC[mac]
	begins = now.Progress == nil || now.Progress.Stage != p.Stage
	next := Progress{Progress: p, At: at, StageAt: at}
	if !begins {
		next.StageAt = now.Progress.StageAt
	}
	now.SeenAt, now.SeenFrom, now.Progress = at, from, &next
	a.byMAC[mac] = now
	return begins
}

// picks records what was picked, and reports whether it is another than before.
func (a *activity) picks(mac machine.MAC, p wire.Pick) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.byMAC[mac]
	if now.Pick != nil && *now.Pick == p {
		return false
	}
	now.Pick = &p
	a.byMAC[mac] = now
	return true
}

// unpick forgets what could not be stored.
func (a *activity) unpick(mac machine.MAC) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.byMAC[mac]
	now.Pick = nil
	a.byMAC[mac] = now
}

// retract makes a stage unknown again whose beginning could not be stored, so that the next
// report of it tries once more.
func (a *activity) retract(mac machine.MAC, stage string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.byMAC[mac]; now.Progress != nil && now.Progress.Stage == stage {
		now.Progress = nil
		a.byMAC[mac] = now
	}
}

// finish forgets the progress of a machine whose work has ended.
func (a *activity) finish(mac machine.MAC, from netip.Addr, at time.Time) {
	a.contact(mac, from, at, true)
}

func (a *activity) forget(mac machine.MAC) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byMAC, mac)
}

// Remember reads the newest events, so that a restart forgets nothing that people look at. It
// works beside the requests, a few events at a time: what they learn is newer and stays.
func (f *Fleet) Remember(ctx context.Context) error {
	read, before := 0, event.ID(0)
	for read < rebuildDepth {
		n := 0
		err := f.Store.View(func(tx Tx) error {
			return tx.EachEventBack(before, func(e event.Event) (bool, error) {
				n++
				before = e.ID
				return n < rebuildChunk, f.activity.recall(tx, e)
			})
		})
		if err != nil {
			return fmt.Errorf("read when machines were seen last: %w", err)
		}
		if n < rebuildChunk {
			return nil
		}
		read += n
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(rebuildPause):
		}
	}
	return nil
}

// recall takes in an event of a machine that is known.
func (a *activity) recall(tx Tx, e event.Event) error {
	mac, err := machine.ParseMAC(e.SubjectID)
	taken, isTaken := sightOf(e)
	if err != nil || e.SubjectKind != event.Machine || e.Actor != event.Client && !isTaken {
		return nil
	}
	_, known, err := tx.Machine(mac)
	switch {
	case !known || err != nil:
	case isTaken:
		taken.MAC = mac
		a.before(taken)
	default:
		a.older(mac, e)
	}
	return err
}

// older takes in an event, newest first: the newest says when the machine was seen, and the newest
// that has an address where.
func (a *activity) older(mac machine.MAC, e event.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, isKnown := a.byMAC[mac]
	switch {
	case !isKnown:
		a.byMAC[mac] = Activity{SeenAt: e.At, SeenFrom: e.SourceIP, Progress: stageOf(e)}
	case !known.SeenFrom.IsValid():
		known.SeenFrom = e.SourceIP
		a.byMAC[mac] = known
	}
}

func stageOf(e event.Event) *Progress {
	if e.Kind != event.MachineStage {
		return nil
	}
	p := &Progress{At: e.At, StageAt: e.At}
	if json.Unmarshal(e.Details, &p.Progress) != nil {
		return nil
	}
	return p
}

// At names the known machine at an address, "" if there is none: the one that DHCP traffic says has
// it, else the one that made contact from it last, in the last ten minutes.
func (f *Fleet) At(from netip.Addr) string {
	if f.Sighted != nil {
		if mac, sighted := f.Sighted(from); sighted {
			if _, known, err := f.lookup(mac); err == nil && known {
				return mac.String()
			}
		}
	}
	return f.activity.at(from, f.Now())
}

func (a *activity) at(from netip.Addr, now time.Time) (name string) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var latest time.Time
	for mac, one := range a.byMAC {
		if one.SeenFrom == from && one.SeenAt.After(latest) && now.Sub(one.SeenAt) < 10*time.Minute {
			latest, name = one.SeenAt, mac.String()
		}
	}
	return name
}
