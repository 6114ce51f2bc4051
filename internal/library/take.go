package library

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
)

// Problem is what was wrong with one image of a catalog.toml.
type Problem struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// Report is what became of a catalog.toml.
type Report struct {
	Event    event.ID  `json:"-"` // that records it
	Source   string    `json:"source"`
	Imported int       `json:"imported"`
	Skipped  int       `json:"skipped"` // images that are in the catalog already
	Errors   []Problem `json:"errors"`
}

const (
	maxProblems = 200 // that a report lists; it is kept with its event
	maxProblem  = 400 // characters of a name or an error
)

func cut(s string) string { return fmt.Sprintf("%.*s", maxProblem, s) }

func (r *Report) problem(name, format string, args ...any) {
	if len(r.Errors) < maxProblems {
		r.Errors = append(r.Errors, Problem{cut(name), cut(fmt.Sprintf(format, args...))})
	}
}

// take adds what a catalog.toml lists and the catalog lacks, all in one transaction. To ask for a
// file is to ask for all its images: one that was deleted before comes back.
func (l *Library) take(ctx context.Context, listed []catalog.Listed, source string, from netip.Addr) (Report, error) {
	absent, err := l.absent(listed)
	if err != nil {
		return Report{}, err
	}
	failures := l.resolveAll(ctx, absent)
	var report Report
	var happened []event.Event
	err = ledger.Commit(ctx, l.Ledger, l.Store.Update, func(tx Tx) ([]event.Event, error) {
		report = Report{Source: source, Errors: []Problem{}}
		err := l.putAll(tx, absent, failures, &report)
		report.Skipped += len(listed) - len(absent)
		happened = []event.Event{l.event(event.EntriesImported, source, from, report.summary(), report)}
		return happened, err
	})
	if err != nil {
		return Report{}, err
	}
	report.Event = happened[0].ID
	return report, nil
}

func (r *Report) summary() string {
	s := fmt.Sprintf("%d images imported from %s, %d were there already", r.Imported, r.Source, r.Skipped)
	if len(r.Errors) > 0 {
		s += fmt.Sprintf(", %d with an error", len(r.Errors))
	}
	return s
}

// absent returns what of listed is not in the catalog, as pointers that resolveAll fills in.
func (l *Library) absent(listed []catalog.Listed) ([]*catalog.Listed, error) {
	var absent []*catalog.Listed
	err := l.Store.View(func(tx Tx) error {
		for i := range listed {
			_, found, err := tx.Image(listed[i].Ref)
			if err != nil {
				return err
			}
			if !found {
				absent = append(absent, &listed[i])
			}
		}
		return nil
	})
	return absent, err
}

const (
	resolvers  = 8
	resolveAll = time.Minute // for all images of a file
)

// resolveAll asks registries for the images of a file, and returns what could not be found out.
func (l *Library) resolveAll(ctx context.Context, listed []*catalog.Listed) map[catalog.ImageRef]error {
	ctx, cancel := context.WithTimeout(ctx, resolveAll)
	defer cancel()
	var mu sync.Mutex
	failures := map[catalog.ImageRef]error{}
	var work errgroup.Group
	work.SetLimit(resolvers)
	for _, one := range listed {
		if one.Err != nil || !isORAS(one.Src) {
			continue
		}
		work.Go(func() error {
			if err := l.fillIn(ctx, &one.Entry); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failures[one.Ref] = err
			}
			return nil
		})
	}
	_ = work.Wait() // none returns an error
	return failures
}

// fillIn asks the registry for what the file does not say of an image.
func (l *Library) fillIn(ctx context.Context, e *catalog.Entry) error {
	found, err := l.resolve(ctx, e.Src)
	if err != nil {
		return err
	}
	stated := *e
	found.pin(e)
	if !stated.Digest.IsZero() {
		e.Digest = stated.Digest
	}
	if stated.Size > 0 {
		e.Size = stated.Size
	}
	if e.Format == catalog.FormatUnknown {
		e.Format = found.format
	}
	return nil
}

func (l *Library) putAll(tx Tx, listed []*catalog.Listed, failures map[catalog.ImageRef]error, report *Report) error {
	entries, err := tx.Images()
	if err != nil {
		return err
	}
	now, have := l.Now(), len(entries)
	for _, one := range listed {
		if one.Err != nil {
			report.problem(one.Name, "%v", one.Err)
			continue
		}
		_, found, err := tx.Image(one.Ref)
		if err != nil {
			return err
		}
		if found { // twice in the file, or added meanwhile
			report.Skipped++
			continue
		}
		if err := room(have + report.Imported); err != nil {
			report.problem(one.Name, "%s", fault.Public(err))
			continue
		}
		if err := failures[one.Ref]; err != nil {
			report.problem(one.Name, "oras (kept without sha): %v", err)
		}
		// A microsecond apart, so that the catalog keeps the order of the file.
		one.AddedAt = now.Add(time.Duration(report.Imported) * time.Microsecond)
		if err := errors.Join(tx.PutImage(one.Entry), tx.DeleteDropped(one.Ref)); err != nil {
			return err
		}
		report.Imported++
	}
	return nil
}
