package main

import (
	"context"

	"bty/internal/access"
	"bty/internal/fleet"
	"bty/internal/ledger"
	"bty/internal/library"
	"bty/internal/settings"
	"bty/internal/store"
)

// The use cases each declare what they need of a transaction, and *store.Tx has it all. These
// adapters hand it to them.
type (
	fleetStore   struct{ *store.Store }
	libraryStore struct{ *store.Store }
	bookStore    struct{ *store.Store }
	settingStore struct{ *store.Store }
	accessStore  struct{ *store.Store }
)

func (s fleetStore) View(fn func(fleet.Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s fleetStore) Update(ctx context.Context, fn func(fleet.Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s libraryStore) View(fn func(library.Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s libraryStore) Update(ctx context.Context, fn func(library.Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s bookStore) View(fn func(ledger.Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s bookStore) Update(ctx context.Context, fn func(ledger.Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s bookStore) UpdateBeside(ctx context.Context, fn func(ledger.Tx) error) error {
	return s.Store.UpdateBeside(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s settingStore) View(fn func(settings.Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s settingStore) Update(ctx context.Context, fn func(settings.Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s accessStore) View(fn func(access.Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s accessStore) Update(ctx context.Context, fn func(access.Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}
