package ledger

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"bty/internal/event"
)

var monday = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// someLog is a random log of some machines over some days, in the order of its IDs.
func someLog(r *rand.Rand, n int) (log []event.Event) {
	at := monday
	for i := range n {
		at = at.Add(time.Duration(r.IntN(1200)) * time.Second)
		e := event.Event{ID: event.ID(i + 1), At: at, SubjectKind: event.Machine, SubjectID: fmt.Sprintf("52:54:00:00:00:%02x", r.IntN(3)), Actor: event.Client,
			SourceIP: netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(5))}), Summary: "asked"}
		switch r.IntN(5) {
		case 0:
			e.Kind, e.Acknowledged = event.MachineFlashFailed, r.IntN(2) == 0
		case 1:
			e.Kind, e.Details = event.PXEPlan, Details(map[string]any{"offer_kind": "plan:exit:ipxe-exit"})
		default:
			e.Kind, e.Details = event.PXEOffered, Details(map[string]any{"offer_kind": []string{"ipxe-exit", "bty-flash-once"}[r.IntN(2)], "rule": "exit"})
		}
		log = append(log, e)
	}
	return log
}

// tally is how many contacts of a machine, a day and a kind of offer a log holds, and when the
// first and the last of them was.
func tally(t *testing.T, log []event.Event) map[string]Folded {
	t.Helper()
	sums := map[string]Folded{}
	for _, e := range log {
		f, ok := asFolded(e)
		if !ok {
			continue
		}
		key := fmt.Sprint(groupOf(e.SubjectID, e.At), f.Kind, f.OfferKind)
		if sum, known := sums[key]; known {
			f = sum.add(f)
		}
		sums[key] = f
	}
	return sums
}

func same(a, b map[string]Folded) bool {
	if len(a) != len(b) {
		return false
	}
	for k, f := range a {
		g := b[k]
		if f.Kind != g.Kind || f.Count != g.Count || !f.First.Equal(g.First) || !f.Last.Equal(g.Last) {
			return false
		}
	}
	return true
}

// carryOut does to a log what a transaction does with the answer of fold.
func carryOut(log, put []event.Event, gone []event.ID) []event.Event {
	log = slices.DeleteFunc(slices.Clone(log), func(e event.Event) bool { return slices.Contains(gone, e.ID) })
	for _, e := range put {
		i, found := slices.BinarySearchFunc(log, e.ID, func(e event.Event, id event.ID) int { return int(e.ID) - int(id) })
		if !found {
			log = slices.Insert(log, i, e)
		}
		log[i] = e
	}
	return log
}

// Whatever part of whatever log is folded, and again: every contact stays counted once, with its
// day and kind of offer, nothing else changes, and what was folded whole has one row each.
func TestFoldingPreservesSums(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		log := someLog(r, 1+r.IntN(200))
		want, others := tally(t, log), rest(log)
		for range 1 + r.IntN(4) {
			part := slices.DeleteFunc(slices.Clone(log), func(event.Event) bool { return r.IntN(3) == 0 })
			log = carryOut(log, first(fold(part)), second(fold(part)))
			if got := tally(t, log); !same(got, want) {
				t.Fatalf("seed %d: sums\n%v\nwant\n%v", seed, got, want)
			}
		}
		put, gone := fold(log)
		log = carryOut(log, put, gone)
		if got := tally(t, log); !same(got, want) || len(log) != len(want)+len(others) {
			t.Fatalf("seed %d: %d rows, want %d and %d others; sums\n%v\nwant\n%v", seed, len(log), len(want), len(others), got, want)
		}
		if got := rest(log); fmt.Sprint(got) != fmt.Sprint(others) {
			t.Fatalf("seed %d: other events changed", seed)
		}
		if !slices.IsSortedFunc(log, func(a, b event.Event) int { return a.At.Compare(b.At) }) {
			t.Fatalf("seed %d: the order of IDs is not that of time any more", seed)
		}
	}
}

func first[A, B any](a A, _ B) A  { return a }
func second[A, B any](_ A, b B) B { return b }

func rest(log []event.Event) (others []event.Event) {
	for _, e := range log {
		if _, ok := asFolded(e); !ok {
			others = append(others, e)
		}
	}
	return others
}

// The row keeps what a restart reads of it: the address of the newest contact, and its place.
func TestFoldedRow(t *testing.T) {
	contact := func(id event.ID, at time.Time, from string) event.Event {
		return event.Event{ID: id, At: at, Kind: event.PXEOffered, SubjectKind: event.Machine, SubjectID: "52:54:00:00:00:01", Actor: event.Client,
			SourceIP: netip.MustParseAddr(from), Summary: "asked", Details: Details(map[string]any{"offer_kind": "ipxe-exit"})}
	}
	put, gone := fold([]event.Event{contact(3, monday, "192.0.2.3"), contact(9, monday.Add(time.Hour), "192.0.2.9"), contact(7, monday.Add(time.Minute), "192.0.2.7")})
	if len(put) != 1 || len(gone) != 2 {
		t.Fatalf("%v, gone %v", put, gone)
	}
	e := put[0]
	if e.ID != 9 || e.Kind != event.ContactsFolded || e.SourceIP.String() != "192.0.2.9" || !e.At.Equal(monday.Add(time.Hour)) || e.Actor != event.Client ||
		e.Summary != "52:54:00:00:00:01 asked 3 times on 2026-11-23 and got ipxe-exit" {
		t.Errorf("%+v", e)
	}
	var f map[string]any
	if err := json.Unmarshal(e.Details, &f); err != nil || fmt.Sprint(f) != "map[count:3 first:2026-11-23T08:00:00Z kind:netboot.pxe.offered last:2026-11-23T09:00:00Z offer_kind:ipxe-exit]" {
		t.Errorf("%v %v", f, err)
	}
}
