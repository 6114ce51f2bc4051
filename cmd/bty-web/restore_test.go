package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"bty/internal/backup"
	"bty/internal/config"
	"bty/internal/machine"
	"bty/internal/store"
)

// A restore of the real process under load: no client is refused, and what was acknowledged is in
// the restored state or in the database that it replaced.
func TestRestoreUnderLoad(t *testing.T) {
	a := prepare(t, nil)
	a.beginProcess()
	for n := range 200 {
		a.anonymous("GET", fmt.Sprintf("/pxe/52:54:ff:00:00:%02x", n), nil).is(t, 200)
	}
	id := a.backUp()
	answered := sync.Map{}
	var stop atomic.Bool
	var count atomic.Int64
	var work sync.WaitGroup
	for worker := range 8 {
		work.Go(func() {
			for i := 0; !stop.Load(); i++ {
				mac := fmt.Sprintf("52:54:00:%02x:%02x:%02x", worker, i>>8&255, i&255)
				r, err := a.try("GET", "/pxe/"+mac, nil, nil, "")
				if err != nil || r.StatusCode != 200 {
					t.Errorf("refused: %v %v", r.Response, err)
					return
				}
				answered.Store(mac, true)
				count.Add(1)
			}
		})
	}
	a.eventually("the load is there", func() bool { return count.Load() > 300 })
	answer := a.do("POST", "/api/v1/backups/"+id+"/restore", nil).is(t, 202).object(t)
	a.eventually("the restore ends", func() bool { return a.do("GET", "/api/v1/restore", nil).StatusCode == 200 })
	a.do("GET", "/api/v1/restore", nil).is(t, 200, `"done":true`, `"machines":200`)
	after := count.Load()
	a.eventually("the load goes on", func() bool { return count.Load() > after+100 })
	stop.Store(true)
	work.Wait()

	known := map[string]bool{}
	for _, m := range a.do("GET", "/machines", nil).list(t) {
		known[m.(map[string]any)["mac"].(string)] = true
	}
	restored := len(known)
	kept, err := store.OpenCopy(filepath.Join(a.state, answer["kept"].(string)), func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	err = kept.View(func(tx *store.Tx) error {
		return tx.EachMachine(func(m machine.Machine) error { known[m.MAC.String()] = true; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	answered.Range(func(mac, _ any) bool {
		if !known[mac.(string)] {
			lost++
		}
		return true
	})
	if lost > 0 {
		t.Errorf("%d machines had their answer and are in neither database", lost)
	}
	t.Logf("%d contacts, %d machines after the restore, %d in both databases", count.Load(), restored, len(known))
}

// A restored database that cannot be served brings the state from before back, which says so.
func TestRestoreUndone(t *testing.T) {
	a := start(t, nil)
	put(a, mac1, `{"boot_mode":"bty-tui"}`)
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(a.state, "bty.db")
	s := backup.Switch{Restoring: backup.Restoring{Source: "a file"}, Database: database, Kept: database + ".before-restore-x"}
	if err := errors.Join(os.Rename(database, s.Kept), os.WriteFile(database, []byte("garbage"), 0o600)); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(config.Source{Paths: a.environment().args[1:], Getenv: a.environment().getenv})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	r := &rounds{env: a.environment(), config: cfg, log: slog.New(slog.NewTextHandler(a.log, nil)), level: new(slog.LevelVar), carried: &s}
	go func() { ended <- r.run(ctx) }()
	a.eventually("it serves", func() bool { _, err := a.try("GET", "/readyz", nil, nil, ""); return err == nil })
	a.do("GET", "/api/v1/restore", nil).is(t, 200, `"done":false`, `"source":"a file"`)
	a.do("GET", "/ui/backups", nil).is(t, 200, "was not carried out")
	a.machine(mac1)
	says(t, a.log.String(), "the state from before comes back", "damaged one")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
