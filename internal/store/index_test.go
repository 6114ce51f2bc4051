package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"bty/internal/event"
)

var (
	someKinds    = []event.Kind{event.PXEOffered, event.PXEPlan, event.MachineFlashFailed, event.MachineStuck, event.LoginSucceeded, event.ContactsFolded}
	someSubjects = []string{"", mac(1).String(), mac(2).String(), "operator"}
	noonOfTests  = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func someEvent(r *rand.Rand) event.Event {
	return event.Event{At: noonOfTests.Add(time.Duration(r.IntN(3600)) * time.Second), Kind: pick(r, someKinds), SubjectKind: pick(r, []event.Subject{"", event.Machine, event.Auth}),
		SubjectID: pick(r, someSubjects), Actor: pick(r, []event.Actor{event.Operator, event.Client}),
		SourceIP: pick(r, []netip.Addr{{}, netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("::ffff:192.0.2.7"), netip.MustParseAddr("2001:db8::1")}),
		Summary:  fmt.Sprintf("Summary Nö %d", r.IntN(20)), Acknowledged: r.IntN(4) == 0}
}

func maybe[T any](r *rand.Rand, from ...T) *T {
	if r.IntN(3) > 0 {
		return nil
	}
	v := pick(r, from)
	return &v
}

func someFilter(r *rand.Rand, newest int) event.Filter {
	f := event.Filter{Kind: maybe(r, append(someKinds, "none")...), SubjectKind: maybe(r, event.Machine, event.NoSubject), SubjectID: maybe(r, someSubjects...),
		Actor: maybe(r, event.Operator), SourceIP: maybe(r, "", "192.0.2.7", "9.9.9.9"), FailedOnly: r.IntN(4) == 0, AlarmsOnly: r.IntN(4) == 0,
		UnacknowledgedOnly: r.IntN(4) == 0, Skip: r.IntN(3) * r.IntN(5), Limit: r.IntN(4) * r.IntN(20)}
	if r.IntN(3) == 0 {
		f.Text = pick(r, []string{"summary", "NÖ 1", "flash_FAILED", "192.0", "nowhere", "operator"})
	}
	if r.IntN(3) == 0 {
		f.Since = noonOfTests.Add(20 * time.Minute)
	}
	if r.IntN(3) == 0 {
		f.Until = noonOfTests.Add(40 * time.Minute)
	}
	if r.IntN(3) == 0 {
		f.Before = event.ID(r.IntN(newest + 3))
	}
	if r.IntN(3) == 0 {
		f.After = event.ID(r.IntN(newest + 3))
	}
	return f
}

// disturb writes, marks, moves and deletes some events in one transaction.
func disturb(t *testing.T, s *Store, r *rand.Rand) {
	t.Helper()
	err := s.Update(context.Background(), func(tx *Tx) error {
		for range r.IntN(100) {
			e := someEvent(r)
			if err := tx.AppendEvent(&e); err != nil {
				return err
			}
		}
		newest := int(tx.NewestEvent())
		for range r.IntN(60) {
			id := event.ID(1 + r.IntN(newest+1))
			e, found, err := tx.Event(id)
			switch {
			case err != nil:
				return err
			case r.IntN(2) == 0:
				err = tx.DeleteEvent(id)
			case found:
				e.Acknowledged = !e.Acknowledged
				err = tx.PutEvent(e)
			default:
				e = someEvent(r)
				e.ID = id
				err = tx.PutEvent(e)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sameAsScan asks many questions, of the index and of a list of all events.
func sameAsScan(t *testing.T, s *Store, r *rand.Rand) {
	t.Helper()
	err := s.View(func(tx *Tx) error {
		if !tx.canSearch() {
			t.Fatal("the index is not ready")
		}
		all, err := tx.scan(event.Filter{})
		for range 40 {
			f := someFilter(r, int(tx.NewestEvent()))
			got, err := tx.Events(f)
			if err != nil {
				return err
			}
			if want := chosen(all, f); !reflect.DeepEqual(got, want) {
				t.Fatalf("%+v: %d events, want %d", f, len(got), len(want))
			}
			n, err := tx.CountEvents(f)
			f.Skip, f.Limit = 0, 0
			if want := len(chosen(all, f)); err != nil || n != want && s.events.floor == 0 {
				t.Fatalf("%+v: counted %d, want %d: %v", f, n, want, err)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// chosen is what a filter selects of a list, newest first.
func chosen(all []event.Event, f event.Filter) (found []event.Event) {
	for _, e := range all {
		switch {
		case f.Before != 0 && e.ID >= f.Before || e.ID <= f.After || !f.Match(e):
		case f.Skip > 0:
			f.Skip--
		case f.Limit == 0 || len(found) < f.Limit:
			found = append(found, e)
		}
	}
	return found
}

// What the index finds is what a scan of the file finds, whatever happened to the log, and however
// much of that happened while the index was being built.
func TestIndexFindsWhatAScanFinds(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			path := filepath.Join(t.TempDir(), "bty.db")
			s := open(t, path)
			fillEvents(t, s, 100)
			for range 20 {
				disturb(t, s, r)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path)
			if seed%2 == 1 {
				s.events.max, s.events.blockRows = 400, 64 // the rest is too old for the index
			}
			var building sync.WaitGroup
			building.Go(func() {
				if err := s.Index(context.Background()); err != nil {
					t.Error(err)
				}
			})
			for range 10 {
				disturb(t, s, r)
			}
			building.Wait()
			sameAsScan(t, s, r)
			for range 6 {
				disturb(t, s, r)
				sameAsScan(t, s, r)
			}
			sound(t, s.events)
		})
	}
}

// sound compares what the index counts with what it holds.
func sound(t *testing.T, x *index) {
	t.Helper()
	rows, alarms, uses := 0, 0, make([]uint32, len(x.words.texts))
	var last event.ID
	for _, b := range x.blocks {
		gaps := 0
		for i := range b.rows {
			r := &b.rows[i]
			if r.id <= last {
				t.Errorf("event %d follows %d", r.id, last)
			}
			last = r.id
			if r.flags&flagGap != 0 {
				gaps++
				continue
			}
			rows++
			if r.alarms() {
				alarms++
			}
			for _, w := range r.words {
				uses[w]++
			}
		}
		if gaps != b.gaps || len(b.rows) == 0 || gaps == len(b.rows) {
			t.Errorf("a block of %d rows says that it has %d gaps and has %d", len(b.rows), b.gaps, gaps)
		}
	}
	if rows != x.rows || alarms != x.alarms || !slices.Equal(uses, x.words.uses) {
		t.Errorf("%d rows of %d, %d alarms of %d, words used %v, counted %v", rows, x.rows, alarms, x.alarms, uses, x.words.uses)
	}
	if len(x.words.known)+len(x.words.free) != len(x.words.texts) {
		t.Errorf("%d words known, %d free, %d in all", len(x.words.known), len(x.words.free), len(x.words.texts))
	}
}

// A transaction that failed leaves no trace in the index.
func TestIndexAfterARollback(t *testing.T) {
	s := fresh(t)
	if err := s.Index(context.Background()); err != nil {
		t.Fatal(err)
	}
	err := s.Update(context.Background(), func(tx *Tx) error {
		e := event.Event{Kind: event.MachineStuck}
		if err := tx.AppendEvent(&e); err != nil {
			return err
		}
		if found, err := tx.Events(event.Filter{AlarmsOnly: true}); err != nil || len(found) != 1 {
			t.Errorf("its own event is not found: %v %v", found, err)
		}
		return errRefused
	})
	if n := alarms(t, s); err == nil || n != 0 {
		t.Errorf("%d alarms: %v", n, err)
	}
	fillEvents(t, s, 1)
	sound(t, s.events)
}

// BenchmarkFilter is a page of 100 of what is rare in 100,000 events, and a text in them.
func BenchmarkFilter(b *testing.B) {
	s := fresh(b)
	r := rand.New(rand.NewPCG(1, 1))
	err := s.Update(context.Background(), func(tx *Tx) error {
		for i := range 100_000 {
			e := someEvent(r)
			e.Kind, e.SubjectID = event.PXEOffered, mac(i%10_000).String()
			e.Summary = e.SubjectID + " asked what to boot: the boot mode is ipxe-exit"
			if err := tx.AppendEvent(&e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	subject := mac(1).String()
	filters := map[string]event.Filter{"subject": {SubjectID: &subject, Limit: 100}, "alarms": {AlarmsOnly: true, Limit: 100}, "text": {Text: "00:00:00:20:0f", Limit: 100}}
	for _, how := range []string{"scan", "index"} {
		if how == "index" {
			if err := s.Index(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
		for name, f := range filters {
			b.Run(how+"/"+name, func(b *testing.B) {
				for b.Loop() {
					if err := s.View(func(tx *Tx) error { _, err := tx.Events(f); return err }); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("build", func(b *testing.B) {
		for b.Loop() {
			s.events = newIndex(100_000)
			if err := s.Index(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func alarms(t *testing.T, s *Store) (n int) {
	t.Helper()
	err := s.View(func(tx *Tx) (err error) {
		n, err = tx.CountEvents(event.Filter{AlarmsOnly: true, UnacknowledgedOnly: true})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
