package checkup

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"bty/internal/doctor"
	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/wire"
)

const (
	// settles is for how long a finding must be there before it is recorded, and leaves for how long
	// it must not be there before its end is: what comes and goes by itself is no event.
	settles = 30 * time.Second
	leaves  = 90 * time.Second
	// perSpan events at most are recorded in a span; the others wait, and are recorded if they are
	// still true then.
	perSpan = 12
	span    = 10 * time.Minute
	// maxWatched bounds what is remembered.
	maxWatched = 500
)

// watch tells what is new from what was known.
type watch struct {
	known map[string]*watched
	spent int
	since time.Time // when the span began
}

type watched struct {
	finding wire.Finding
	came    time.Time
	last    time.Time // when it was there last
	told    bool
}

// newWatch goes on from the findings whose coming was recorded.
func newWatch(open map[string]wire.Finding) *watch {
	w := &watch{known: map[string]*watched{}}
	for key, f := range open {
		w.known[key] = &watched{finding: f, told: true}
	}
	return w
}

// compare returns the events of what has come and gone.
func (w *watch) compare(findings []wire.Finding, now time.Time) (events []event.Event) {
	if now.Sub(w.since) >= span {
		w.since, w.spent = now, 0
	}
	there := map[string]bool{}
	for _, f := range findings {
		if !doctor.IsBad(f.Severity) || there[f.Key()] {
			continue
		}
		there[f.Key()] = true
		if e := w.there(f, now); e != nil {
			events = append(events, *e)
		}
	}
	for key, one := range w.known {
		if one.last.IsZero() {
			one.last = now // it was there before a restart
		}
		if there[key] || now.Sub(one.last) < leaves {
			continue
		}
		switch {
		case !one.told:
			delete(w.known, key)
		case w.may():
			delete(w.known, key)
			events = append(events, recorded(event.DoctorGone, one.finding, now, "no longer so: "+one.finding.What))
		}
	}
	slices.SortStableFunc(events, func(a, b event.Event) int { return strings.Compare(a.SubjectID, b.SubjectID) })
	return events
}

func (w *watch) there(f wire.Finding, now time.Time) *event.Event {
	one := w.known[f.Key()]
	if one == nil {
		if len(w.known) >= maxWatched {
			return nil
		}
		one = &watched{came: now}
		w.known[f.Key()] = one
	}
	one.finding, one.last = f, now
	if one.told || now.Sub(one.came) < settles || !w.may() {
		return nil
	}
	one.told = true
	e := recorded(event.DoctorFound, f, now, fmt.Sprintf("%s: %s", f.Severity, f.What))
	return &e
}

func (w *watch) may() bool {
	if w.spent >= perSpan {
		return false
	}
	w.spent++
	return true
}

func recorded(kind event.Kind, f wire.Finding, now time.Time, summary string) event.Event {
	return event.Event{At: now, Kind: kind, SubjectKind: event.Netboot, SubjectID: f.Key(), Actor: event.System, Summary: summary, Details: ledger.Details(f)}.
		With(slog.String("finding", f.ID), slog.String("severity", string(f.Severity)))
}

// newestFirst orders events.
func newestFirst(list []event.Event) {
	slices.SortStableFunc(list, func(a, b event.Event) int { return cmp.Compare(b.ID, a.ID) })
}
