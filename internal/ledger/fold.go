package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"bty/internal/event"
)

const (
	foldAfter = 24 * time.Hour // contacts older than that are folded,
	foldKeep  = 200            // and those of a machine beyond its newest so many
	foldPlan  = 5000           // contacts that one look at the log takes on
	foldBatch = 20             // contacts that one transaction folds
)

// Folded is the details of a row that stands for many contacts of one machine on one day (UTC).
type Folded struct {
	Kind      event.Kind `json:"kind"` // of the contacts
	OfferKind string     `json:"offer_kind"`
	Count     int        `json:"count"`
	First     time.Time  `json:"first"`
	Last      time.Time  `json:"last"`
}

// group is a machine on a day: what folds together has the kind of offer in common beside that.
type group struct{ mac, day string }

func groupOf(mac string, at time.Time) group { return group{mac, at.UTC().Format(time.DateOnly)} }

// FoldContacts folds the contacts that are old or many, some at a time, until there are none. A
// transaction writes the row and deletes what it counts, so that no contact is counted twice or
// lost wherever it is interrupted.
func (b Book) FoldContacts(ctx context.Context) error {
	for ctx.Err() == nil {
		due, into, err := b.planFolding()
		if err != nil || len(due) == 0 {
			return err
		}
		for part := range slices.Chunk(due, foldBatch) {
			if err := b.foldPart(ctx, part, into); err != nil {
				return fmt.Errorf("fold contacts: %w", err)
			}
			if !pause(ctx) {
				return nil
			}
		}
	}
	return nil
}

// planFolding finds contacts to fold, machine by machine, and the folded rows that they belong to.
// There are none before the log can be looked through quickly.
func (b Book) planFolding() (due []event.Brief, into map[group][]event.ID, err error) {
	err = b.Store.View(func(tx Tx) error {
		if due = b.dueForFolding(tx); len(due) > 0 {
			into = foldedInto(tx, due)
		}
		return nil
	})
	slices.SortFunc(due, func(a, b event.Brief) int {
		return cmp.Or(cmp.Compare(a.SubjectID, b.SubjectID), cmp.Compare(a.ID, b.ID))
	})
	return due, into, err
}

// foldPart folds some contacts in one transaction, into the rows of their groups, and takes note of
// which rows those are afterwards.
func (b Book) foldPart(ctx context.Context, part []event.Brief, into map[group][]event.ID) error {
	ids := withFolded(part, into)
	var put []event.Event
	err := b.beside(ctx, func(tx Tx) (err error) { put, err = foldThese(tx, ids); return err })
	if err != nil {
		return err
	}
	for _, e := range part {
		into[groupOf(e.SubjectID, e.At)] = nil
	}
	for _, e := range put {
		g := groupOf(e.SubjectID, e.At)
		into[g] = append(into[g], e.ID)
	}
	return nil
}

func (b Book) dueForFolding(tx Tx) (due []event.Brief) {
	old := b.now().Add(-foldAfter)
	seen := map[string]int{}
	tx.EachBrief(0, func(e event.Brief) bool {
		if !e.Kind.Contact() {
			return true
		}
		if seen[e.SubjectID]++; seen[e.SubjectID] > foldKeep || e.At.Before(old) {
			due = append(due, e)
		}
		return len(due) < foldPlan
	})
	return due
}

// foldedInto finds the rows that contacts of the same machines and days were folded into before.
func foldedInto(tx Tx, due []event.Brief) map[group][]event.ID {
	into := map[group][]event.ID{}
	for _, e := range due {
		into[groupOf(e.SubjectID, e.At)] = nil
	}
	tx.EachBrief(0, func(e event.Brief) bool {
		if e.Kind == event.ContactsFolded {
			if g := groupOf(e.SubjectID, e.At); has(into, g) {
				into[g] = append(into[g], e.ID)
			}
		}
		return true
	})
	return into
}

func has[K comparable, V any](m map[K]V, k K) bool { _, ok := m[k]; return ok }

func withFolded(part []event.Brief, into map[group][]event.ID) (ids []event.ID) {
	groups := map[group]bool{}
	for _, e := range part {
		ids = append(ids, e.ID)
		if g := groupOf(e.SubjectID, e.At); !groups[g] {
			groups[g] = true
			ids = append(ids, into[g]...)
		}
	}
	return ids
}

// foldThese reads what is there of the planned rows now, and folds that.
func foldThese(tx Tx, ids []event.ID) ([]event.Event, error) {
	var rows []event.Event
	for _, id := range ids {
		e, found, err := tx.Event(id)
		if err != nil {
			return nil, err
		}
		if found {
			rows = append(rows, e)
		}
	}
	put, gone := fold(rows)
	for _, id := range gone {
		if err := tx.DeleteEvent(id); err != nil {
			return nil, err
		}
	}
	for _, e := range put {
		if err := tx.PutEvent(e); err != nil {
			return nil, err
		}
	}
	return put, nil
}

// fold makes of contacts and folded rows one row per machine, day and kind of offer, which takes
// the ID of its newest contact: it stands where that stood. Other events are left alone.
func fold(rows []event.Event) (put []event.Event, gone []event.ID) {
	type key struct {
		group
		kind  event.Kind
		offer string
	}
	at := map[key]int{}
	var folded []Folded
	for _, e := range rows {
		f, ok := asFolded(e)
		if !ok {
			continue
		}
		k := key{groupOf(e.SubjectID, e.At), f.Kind, f.OfferKind}
		i, known := at[k]
		if !known {
			at[k] = len(put)
			put, folded = append(put, e), append(folded, f)
			continue
		}
		if e.ID > put[i].ID {
			put[i], e = e, put[i]
		}
		put[i].Acknowledged = put[i].Acknowledged && e.Acknowledged
		folded[i] = folded[i].add(f)
		gone = append(gone, e.ID)
	}
	for i, f := range folded {
		put[i].Kind, put[i].Details = event.ContactsFolded, Details(f)
		put[i].At = f.Last
		put[i].Summary = fmt.Sprintf("%s asked %d times on %s and got %s", put[i].SubjectID, f.Count, f.Last.UTC().Format(time.DateOnly), cmp.Or(f.OfferKind, "an answer"))
	}
	return put, gone
}

// asFolded describes a contact as a row that stands for it alone.
func asFolded(e event.Event) (f Folded, ok bool) {
	switch {
	case e.Kind.Contact():
		_ = json.Unmarshal(e.Details, &f) // one without a kind of offer folds with its like
		return Folded{Kind: e.Kind, OfferKind: f.OfferKind, Count: 1, First: e.At, Last: e.At}, true
	case e.Kind == event.ContactsFolded:
		err := json.Unmarshal(e.Details, &f)
		return f, err == nil && f.Count > 0
	}
	return f, false
}

func (f Folded) add(o Folded) Folded {
	f.Count += o.Count
	if o.First.Before(f.First) {
		f.First = o.First
	}
	if o.Last.After(f.Last) {
		f.Last = o.Last
	}
	return f
}
