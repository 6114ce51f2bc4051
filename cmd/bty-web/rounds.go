package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"

	"bty/internal/backup"
	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/daemon"
	"bty/internal/message"
	"bty/internal/owner"
	"bty/internal/store"
	"bty/internal/systemd"
)

// rounds is the life of the process over one database after the other: a restore ends a round, and
// the next one serves what was restored. The doors stay open, and who knocks meanwhile waits.
type rounds struct {
	env     environment
	config  *config.Config
	log     *slog.Logger
	level   *slog.LevelVar // of log, nil for one that does not follow
	sockets []systemd.Socket
	health  *daemon.Health
	doors   *listeners     // nil until the first round has opened its state
	carried *backup.Switch // what brought this round's database, nil for the first
	last    *backup.Outcome
}

// run serves until ctx ends.
func (r *rounds) run(ctx context.Context) error {
	defer r.close()
	for {
		next, err := r.round(ctx)
		if r.carried != nil && errors.As(err, new(openError)) {
			if err := r.undo(err); err != nil {
				return err
			}
			continue
		}
		if err != nil || next == nil {
			return err
		}
		if r.carry(*next); ctx.Err() != nil {
			return nil
		}
	}
}

// openError is a state that could not be opened.
type openError struct{ error }

func (e openError) Unwrap() error { return e.error }

// round opens the state, serves it, and closes it again. next is what is to be served then.
func (r *rounds) round(ctx context.Context) (next *backup.Switch, err error) {
	state, kept, err := store.OpenLive(r.config.Database(), build.Version)
	if kept != nil {
		r.log.Info("the database is of an earlier release; it was kept as it was before it was migrated", message.DatabaseKept,
			"kept", kept.Path, "schema", kept.Schema, "newest", kept.Newest, "bytes", kept.Bytes, "way_back", store.PutBack(kept.Path))
	}
	if err != nil {
		return nil, openError{message.Mark(message.DatabaseRefused, owner.Explain(r.config.Database(), err))}
	}
	if r.carried != nil {
		r.last = &backup.Outcome{Restoring: r.carried.Restoring}
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var wanted atomic.Pointer[backup.Switch]
	comeBack := func(s backup.Switch) { wanted.Store(&s); end() }
	app, err := assemble(r.config, r.log, state, recovery{comeBack, func() bool { return wanted.Load() != nil }, r.last}, r.env.getenv)
	if err != nil {
		return nil, openError{errors.Join(err, state.Abandon())}
	}
	if r.carried != nil {
		r.settled()
	}
	if r.level != nil {
		app.settings.Watch(func() { r.level.Set(systemd.Level(app.settings.Loaded().Log.Level)) })
	}
	if r.doors != nil { // what was read again since the start counts in this round too
		if err := app.reload(ctx); err != nil {
			r.log.Warn("the configuration cannot be read again; that of the start is in force", message.ReloadFailed, "err", err)
		}
	}
	doors, err := r.open(ctx)
	if err != nil {
		return nil, errors.Join(err, state.Abandon())
	}
	err = app.serve(ctx, r.env, r.log, doors, r.health, func() bool { return wanted.Load() != nil })
	return wanted.Load(), errors.Join(err, state.Close(), app.logs.Close())
}

// recovery is what a round knows of restores.
type recovery struct {
	comeBack  func(backup.Switch)
	comesBack func() bool // the round ends for another state
	last      *backup.Outcome
}

// carry exchanges the databases; the next round opens whichever is there then.
func (r *rounds) carry(s backup.Switch) {
	r.carried = &s
	if err := s.Carry(); err != nil {
		r.log.Error("the restore could not be carried out; the present state stays", message.RestoreFailed, "source", s.Source, "err", err)
		r.last, r.carried = &backup.Outcome{Restoring: s.Restoring, Err: err}, nil
	}
}

// settled notes a restore whose database is served.
func (r *rounds) settled() {
	s := *r.carried
	r.carried = nil
	r.log.Warn("the database was restored", message.Restored, "source", s.Source, "machines", s.Machines, "will_flash", s.WillFlash, "safety", s.Safety, "kept", s.Restoring.Kept)
	if err := s.Tidy(); err != nil {
		r.log.Warn("old replaced databases could not be deleted", message.Leftovers, "err", err)
	}
}

// undo brings the database back that a restore replaced with one that cannot be served.
func (r *rounds) undo(cause error) error {
	s := *r.carried
	r.carried = nil
	r.log.Error("the restored database cannot be served; the state from before comes back", message.RestoreFailed, "source", s.Source, "err", cause)
	r.last = &backup.Outcome{Restoring: s.Restoring, Err: cause}
	return s.Undo()
}

// open returns copies of the doors for one round: a server closes what it was given.
func (r *rounds) open(ctx context.Context) (l listeners, err error) {
	if r.doors == nil {
		doors, err := listen(ctx, r.config, r.log, r.sockets)
		if err != nil {
			return l, message.Mark(message.CannotListen, err)
		}
		r.doors = &doors
	}
	for _, door := range []struct{ from, to *[]net.Listener }{
		{&r.doors.http, &l.http}, {&r.doors.control, &l.control}, {&r.doors.report, &l.report},
	} {
		for _, one := range *door.from {
			again, err := duplicate(one)
			if err != nil {
				return l, err
			}
			*door.to = append(*door.to, again)
		}
	}
	return l, nil
}

func duplicate(l net.Listener) (net.Listener, error) {
	filer, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("a listener of type %T cannot be kept open", l)
	}
	file, err := filer.File()
	if err != nil {
		return nil, err
	}
	defer file.Close() // net.FileListener works on a duplicate
	return net.FileListener(file)
}

func (r *rounds) close() {
	if r.doors == nil {
		return
	}
	for _, group := range [][]net.Listener{r.doors.http, r.doors.control, r.doors.report} {
		for _, l := range group {
			l.Close() // the process ends
		}
	}
}
