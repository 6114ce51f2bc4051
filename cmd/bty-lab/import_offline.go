package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"bty/internal/build"
	"bty/internal/fleet"
	"bty/internal/ledger"
	"bty/internal/store"
	"bty/internal/takeover"
	"bty/internal/wire"
)

// intoFiles takes a state over while no server runs: first into a copy of the database, so that one
// which is refused makes and changes nothing.
func (i *importing) intoFiles(ctx context.Context, state wire.PreviousState, absent error) (wire.Takeover, error) {
	if err := i.isHere(); err != nil {
		return wire.Takeover{}, err
	}
	database := i.config.Database()
	switch {
	case exists(filepath.Dir(database)):
		fmt.Fprintf(i.stderr, "bty-web does not run; the state is taken into %s\n", database)
	case state.DryRun:
		fmt.Fprintln(i.stderr, "there is no appliance here yet; this is what would become of the state in a new one")
	default:
		return wire.Takeover{}, fmt.Errorf("%w. There is no state folder %s either, which the package or bty-lab deploy makes", absent, filepath.Dir(database))
	}
	report, err := rehearse(ctx, database, state)
	if err != nil || state.DryRun || verdict(report) != nil {
		return report, err
	}
	if report, err = takeInto(ctx, database, state); err != nil {
		return report, err
	}
	return report, own(database)
}

// rehearse takes a state into a copy of the database and forgets it.
func rehearse(ctx context.Context, database string, state wire.PreviousState) (wire.Takeover, error) {
	dir, err := os.MkdirTemp("", "bty-import-")
	if err != nil {
		return wire.Takeover{}, err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, filepath.Base(database))
	if err := copyDatabase(database, copied); err != nil {
		return wire.Takeover{}, err
	}
	report, err := takeInto(ctx, copied, state)
	report.Written = false
	return report, err
}

// copyDatabase copies a database that nobody has open. One that is not there yet is no error.
func copyDatabase(from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	if err := syscall.Flock(int(in.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s is held by another process: %w. If that is bty-web, it does not listen on its control socket yet: wait until it does, or stop it", from, err)
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// takeInto takes a state into the database at path, which it makes if there is none.
func takeInto(ctx context.Context, path string, state wire.PreviousState) (report wire.Takeover, err error) {
	db, _, err := store.OpenLive(path, build.Version)
	if err != nil {
		return report, err
	}
	ended := make(chan error, 1)
	go func() { ended <- db.Run(context.WithoutCancel(ctx)) }() // Close ends it
	taker := takeover.New(takeover.Config{Store: db, Ledger: ledger.New(slog.New(slog.DiscardHandler)), Now: time.Now})
	report, err = taker.Take(ctx, state, fleet.Who{})
	return report, errors.Join(err, db.Close(), <-ended)
}

// own gives a database to whom its folder belongs: root may have made it.
func own(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}
