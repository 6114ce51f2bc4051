package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"bty/internal/backup"
	"bty/internal/client"
	"bty/internal/wire"
)

const (
	askTime     = 5 * time.Second // a server that works answers by then
	restoreTime = 5 * time.Minute // for the server to come back
)

const restoreHelp = `restore [--yes] ID|FILE

Puts a backup, or a bty.db, in the place of the present state. A server that runs verifies it, backs
the present state up, and comes back on it without refusing a request. While no server runs, the
files are exchanged here, and the present database is kept under another name.`

func restore(ctx context.Context, e env) error {
	a := &appliance{env: e}
	flags := a.flagSet("restore", restoreHelp)
	yes := flags.Bool("yes", false, "also when machines would be flashed at their next boot")
	if err := a.read(flags, 1); err != nil {
		return err
	}
	server := a.server()
	defer server.Close()
	what := flags.Arg(0)
	runs, err := answers(ctx, server)
	if err != nil {
		return err
	}
	if !runs {
		return a.restoreFiles(ctx, what, *yes)
	}
	return a.restoreServer(ctx, server, what, *yes)
}

// answers reports whether a server is at work. One that cannot start, because its database is
// damaged, takes a connection from systemd's socket and never answers.
func answers(ctx context.Context, server *client.Control) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	err := server.Call(ctx, http.MethodGet, "/readyz", nil, nil)
	switch {
	case err == nil || client.CodeOf(err) != 0:
		return true, nil
	case errors.Is(err, os.ErrPermission):
		return false, err
	}
	return false, nil
}

func (a *appliance) restoreFiles(ctx context.Context, what string, yes bool) error {
	if err := a.isHere(); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	files := a.files()
	path, _, err := files.Find(what)
	if err != nil {
		return err
	}
	about, err := backup.Look(path)
	if err != nil {
		return err
	}
	if err := agreed(about.WillFlash, yes); err != nil {
		return err
	}
	done, err := files.Restore(ctx, what)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	fmt.Fprintf(a.stdout, "restored from %s: %d machines\n", what, done.Machines)
	if done.Kept != "" {
		fmt.Fprintf(a.stdout, "the database before it is kept as %s\n", done.Kept)
	}
	_, err = fmt.Fprintln(a.stdout, "start the server: systemctl start bty-web.socket")
	return err
}

// agreed refuses what would overwrite disks unless somebody said yes to it.
func agreed(willFlash int, yes bool) error {
	if willFlash == 0 || yes {
		return nil
	}
	return fmt.Errorf("with this state %d machines are flashed at their next network boot, because they waited for it when it was saved; nothing was changed. Repeat with --yes if that is meant", willFlash)
}

func (a *appliance) restoreServer(ctx context.Context, server *client.Control, what string, yes bool) error {
	var ready wire.Restore
	var err error
	if _, isID := backup.ParseID(what); isID {
		err = restoreID(ctx, server, what, yes, &ready)
	} else {
		err = a.restoreUpload(ctx, server, what, yes, &ready)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "verified; the present state is backup %s; the server comes back\n", ready.Safety)
	done, err := awaitRestore(ctx, server, ready)
	if err != nil {
		return err
	}
	if !done.Done {
		return fmt.Errorf("the restore could not be carried out, and the state from before is in force: %s", done.Error)
	}
	_, err = fmt.Fprintf(a.stdout, "restored from %s: %d machines\nthe state before it is backup %s; with its last writes it is kept as %s beside the database\n",
		what, done.Machines, done.Safety, done.Kept)
	return err
}

func restoreID(ctx context.Context, server *client.Control, id string, yes bool, ready *wire.Restore) error {
	var list wire.Backups
	if err := server.Call(ctx, http.MethodGet, "/api/v1/backups", nil, &list); err != nil {
		return err
	}
	for _, b := range list.Backups {
		if b.ID == id {
			if err := agreed(b.WillFlash, yes); err != nil {
				return err
			}
		}
	}
	return server.Call(ctx, http.MethodPost, "/api/v1/backups/"+id+"/restore", nil, ready)
}

func (a *appliance) restoreUpload(ctx context.Context, server *client.Control, what string, yes bool, ready *wire.Restore) error {
	path, _, err := a.files().Find(what)
	if err != nil {
		return err
	}
	about, err := backup.Look(path)
	if err != nil {
		return err
	}
	if err := agreed(about.WillFlash, yes); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	query := url.Values{"source": {path}}
	return server.Send(ctx, http.MethodPost, "/api/v1/restore?"+query.Encode(), "application/octet-stream", file, info.Size(), ready)
}

// awaitRestore waits until the server has come back and says how it went.
func awaitRestore(ctx context.Context, server *client.Control, ready wire.Restore) (done wire.Restore, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, restoreTime, fmt.Errorf("the server did not come back within %s; journalctl -u bty-web says why", restoreTime))
	defer cancel()
	for {
		err := server.Call(ctx, http.MethodGet, "/api/v1/restore", nil, &done)
		if err == nil && time.Time(done.At).Equal(time.Time(ready.At)) {
			return done, nil
		}
		select {
		case <-ctx.Done():
			return done, context.Cause(ctx)
		case <-time.After(followEvery):
		}
	}
}
