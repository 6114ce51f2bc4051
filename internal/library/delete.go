package library

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/machine"
)

// Delete removes the entry with exactly this source. Machines that are bound to it must be let
// go first, or force says that they may become orphans.
func (l *Library) Delete(ctx context.Context, src string, force bool, from netip.Addr) error {
	return l.delete(ctx, func(tx Tx) (catalog.Entry, error) { return bySource(tx, src) }, force, from)
}

// DeleteRef is Delete of the entry with this identity.
func (l *Library) DeleteRef(ctx context.Context, ref catalog.ImageRef, force bool, from netip.Addr) error {
	return l.delete(ctx, func(tx Tx) (catalog.Entry, error) { return byRef(tx, ref) }, force, from)
}

// delete also remembers what it deletes: a file that names the image must not bring it back.
func (l *Library) delete(ctx context.Context, find func(Tx) (catalog.Entry, error), force bool, from netip.Addr) error {
	return ledger.Commit(ctx, l.Ledger, l.Store.Update, func(tx Tx) ([]event.Event, error) {
		entry, err := find(tx)
		if err != nil {
			return nil, err
		}
		bound, err := boundTo(tx, entry.Ref)
		if err != nil {
			return nil, err
		}
		if len(bound) > 0 && !force {
			return nil, fault.New(fault.Conflict, "image %s is bound to %s; bind them to another image first, or repeat with force=1", entry.Name, Name(bound))
		}
		summary := fmt.Sprintf("image %s deleted", entry.Name)
		if len(bound) > 0 {
			summary += fmt.Sprintf(" although it was bound to %s", Name(bound))
		}
		return []event.Event{l.event(event.EntryDeleted, entry.Src, from, summary, nil)}, errors.Join(tx.DeleteImage(entry.Ref), tx.PutDropped(entry.Ref, l.Now()))
	})
}

func boundTo(tx Tx, ref catalog.ImageRef) ([]machine.MAC, error) {
	var bound []machine.MAC
	err := tx.EachMachine(func(m machine.Machine) error {
		if m.Intent.Image == ref {
			bound = append(bound, m.MAC)
		}
		return nil
	})
	return bound, err
}

// maxNamed is how many machines a message names before it only counts.
const maxNamed = 10

// Name names machines, the first few of many.
func Name(macs []machine.MAC) string {
	var names []string
	for _, mac := range macs[:min(len(macs), maxNamed)] {
		names = append(names, mac.String())
	}
	if more := len(macs) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
