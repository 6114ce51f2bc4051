package library

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
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
		users, err := usersOfOne(tx, entry.Ref)
		if err != nil {
			return nil, err
		}
		if users.Any() && !force {
			return nil, fault.New(fault.Conflict, "image %s is bound to %s; bind them to another image first, or repeat with force=1", entry.Name, users)
		}
		summary := fmt.Sprintf("image %s deleted", entry.Name)
		if users.Any() {
			summary += fmt.Sprintf(" although it was bound to %s", users)
		}
		return []event.Event{l.imageEvent(event.EntryDeleted, entry, from, summary, nil)}, errors.Join(tx.DeleteImage(entry.Ref), tx.PutDropped(entry.Ref, l.Now()))
	})
}
