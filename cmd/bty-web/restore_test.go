package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"bty/internal/backup"
	"bty/internal/client"
	"bty/internal/config"
	"bty/internal/machine"
	"bty/internal/store"
	"bty/internal/systemd/activate"
	"bty/internal/wire"
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

// Under a service manager a restore is a reload: the process stays, and so do its sockets.
func TestRestoreUnderAServiceManager(t *testing.T) {
	a := prepare(t, nil)
	l, err := net.Listen("tcp", a.host)
	if err != nil {
		t.Fatal(err)
	}
	control, err := net.Listen("unix", filepath.Join(t.TempDir(), "control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	path := control.Addr().String()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	vars := []string{"BTY_TEST_AS_BTY_WEB=1"}
	for k, v := range a.vars {
		vars = append(vars, k+"="+v)
	}
	p := activate.Start(t, self, []activate.NamedFile{activate.File(t, "http", l), activate.File(t, "control", control)}, nil, vars)
	p.WaitNotify("READY=1")
	id := a.backUp()
	server := client.NewControl(path, "test")
	defer server.Close()
	for range 2 { // and again, on the sockets of the round before
		if err := server.Call(t.Context(), "POST", "/api/v1/backups/"+id+"/restore", nil, nil); err != nil {
			t.Fatal(err)
		}
		var said []string
		for len(said) == 0 || said[len(said)-1] != "READY=1" {
			said = append(said, p.WaitNotify(""))
		}
		if all := strings.Join(said, "\n"); !strings.Contains(all, "RELOADING=1") || strings.Contains(all, "STOPPING=1") {
			t.Errorf("it said %s", all)
		}
		var last wire.Restore
		if err := server.Call(t.Context(), "GET", "/api/v1/restore", nil, &last); err != nil || !last.Done {
			t.Errorf("%+v, %v", last, err)
		}
		a.alive()
	}
	if code := p.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.WaitNotify("STOPPING=1")
}
