package upgrade

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/store"
)

// happens records what somebody does with the release that has the database.
func (f *fake) happens(actor event.Actor) {
	f.Helper()
	s, err := store.Open(f.file("state/bty.db"), "test")
	if err != nil {
		f.Fatal(err)
	}
	ran := make(chan error, 1)
	ctx, stop := context.WithCancel(f.Context())
	go func() { ran <- s.Run(ctx) }()
	err = s.Update(ctx, func(tx *store.Tx) error {
		return tx.AppendEvent(&event.Event{At: time.Now(), Kind: event.MachineFlashed, Actor: actor, Summary: "52:54:00:00:01:01 was flashed"})
	})
	stop()
	<-ran
	if err := errors.Join(err, s.Close()); err != nil {
		f.Fatal(err)
	}
}

// hold has the database open, as a server that runs.
func (f *fake) hold() {
	f.Helper()
	s, err := store.Open(f.file("state/bty.db"), "test")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Abandon() })
}

// An upgrade that was cut off is taken up, and its release fails then. It goes back by itself only if nobody
// has worked with that release since.
func TestTakenUpAndFails(t *testing.T) {
	const stops = "Nothing was undone, and 1.1 stays in place"
	for name, c := range map[string]struct {
		since func(f *fake) // between the runs
		yes   bool
		says  string // "" if it goes back
	}{
		"nothing since":                        {since: func(*fake) {}},
		"the appliance itself":                 {since: func(f *fake) { f.happens(event.System) }},
		"a machine":                            {since: func(f *fake) { f.happens(event.Client) }, says: "52:54:00:00:01:01 was flashed"},
		"an operator":                          {since: func(f *fake) { f.happens(event.Operator) }, says: "machines and operators have worked with it since"},
		"a machine, and a yes":                 {since: func(f *fake) { f.happens(event.Client) }, yes: true},
		"with a schema of the future":          {since: func(f *fake) { f.happens(event.Client); setSchema(f.T, f.file("state/bty.db"), 99) }, says: "1 events have been recorded since, which this bty-lab cannot read"},
		"in a file that a silent server holds": {since: func(f *fake) { f.hold(); f.socket = "nobody.sock" }, says: "whether anything has been done with it since cannot be seen"},
		"in a file that a server holds": {since: func(f *fake) {
			f.hold()
			f.events = `[{"id":99999,"ts":"2026-11-26T10:00:00Z","summary":"it was armed"}]`
		}, says: "it was armed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.killedIn(f.upgrade("[5/5]").Run)
			c.since(f)
			f.broken["1.1"] = true
			u := f.upgrade("")
			u.Yes = c.yes
			_, err := u.Run(t.Context())
			_, back := errors.AsType[*WentBack](err)
			if c.says == "" {
				if !back {
					t.Fatalf("it did not go back: %v", err)
				}
				f.holds("1.0", 3)
				return
			}
			if back || err == nil || !strings.Contains(err.Error(), stops) || !strings.Contains(err.Error(), c.says) ||
				!strings.HasSuffix(err.Error(), "To go back all the same: bty-lab upgrade --back --yes "+f.file("opt")) {
				t.Fatalf("%v", err)
			}
			if f.inPlace() != "1.1" {
				t.Errorf("%s is in place", f.inPlace())
			}
		})
	}
}
