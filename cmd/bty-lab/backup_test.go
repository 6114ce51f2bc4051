package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// lab calls bty-lab on the host of the server.
func (s server) lab(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	vars := map[string]string{"BTY_PATHS_STATE_DIR": filepath.Dir(s.boot), "BTY_PATHS_RUN_DIR": filepath.Dir(s.socket)}
	err = run(context.Background(), env{args: args, stdout: &out, stderr: &errs, getenv: func(k string) string { return vars[k] }})
	return out.String(), err
}

func (s server) must(t *testing.T, want string, args ...string) string {
	t.Helper()
	out, err := s.lab(t, args...)
	if err != nil || !strings.Contains(out, want) {
		t.Fatalf("bty-lab %v: %v; it must say %q: %s", args, err, want, out)
	}
	return out
}

func (s server) cannot(t *testing.T, want string, args ...string) {
	t.Helper()
	if out, err := s.lab(t, args...); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("bty-lab %v: %v; it must fail with %q: %s", args, err, want, out)
	}
}

// seen has a machine ask.
func (s server) seen(t *testing.T, mac string) {
	t.Helper()
	resp, err := http.Get(s.url + "/pxe/" + mac)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

// again starts the stopped server once more.
func (s server) again(t *testing.T) server {
	t.Helper()
	old := s.web
	s.web = exec.Command(old.Path)
	s.web.Env, s.web.SysProcAttr = old.Env, old.SysProcAttr
	s.run(t)
	return s
}

var anID = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(-\d+)?`)

func TestBackupAndRestore(t *testing.T) {
	s := startServer(t)
	s.seen(t, "52:54:00:00:00:01")
	id := anID.FindString(s.must(t, "1 machines", "backup"))
	s.must(t, id, "backups")
	s.must(t, "schedule of backups is off", "backup", "--if-due")
	s.seen(t, "52:54:00:00:00:02")
	out := filepath.Join(t.TempDir(), "out")
	s.must(t, "2 machines exported", "export", out)
	s.must(t, "restored from "+id+": 1 machines", "restore", id)
	s.must(t, "1 created, 0 merged, 0 replaced, 1 unchanged; 0 rejected", "import", out)
	s.must(t, "2 replaced", "import", "--replace", out)
	safety := filepath.Join(filepath.Dir(s.boot), "backups", id) // a folder serves as well as the file in it
	s.must(t, ": 1 machines", "restore", safety)
	s.cannot(t, "no such file", "restore", "/nonexistent")
	s.cannot(t, "no backup with id", "restore", "2020-01-01T00-00-00Z")
	old := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(old, []byte("SQLite format 3\x00 and more"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cannot(t, "it is truncated", "import", old)
	s.cannot(t, "damaged", "restore", old)
}

// A database that is damaged keeps the server from starting. It is kept, and a backup takes its
// place while nobody serves.
func TestRestoreOffline(t *testing.T) {
	s := startServer(t)
	s.seen(t, "52:54:00:00:00:01")
	id := anID.FindString(s.must(t, "1 machines", "backup"))
	database := filepath.Join(filepath.Dir(s.boot), "bty.db")
	stop := func() { _ = s.web.Process.Signal(syscall.SIGTERM); _ = s.web.Wait() }
	stop()
	s.cannot(t, "systemctl enable --now bty-web.socket", "backup")
	garbage := bytes.Repeat([]byte("garbage"), 10_000)
	if err := os.WriteFile(database, garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := exec.Command(s.web.Path)
	broken.Env = s.web.Env
	if said, err := broken.CombinedOutput(); err == nil || !strings.Contains(string(said), "bty-lab restore") || !strings.Contains(string(said), database) {
		t.Errorf("%v: %s", err, said)
	}
	s.must(t, id, "backups")
	s.must(t, "bty.db.corrupt-", "restore", id)
	kept, _ := filepath.Glob(database + ".corrupt-*")
	if len(kept) != 1 {
		t.Fatalf("kept: %v", kept)
	}
	if raw, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(raw, garbage) {
		t.Errorf("what is kept is not what was there: %v", err)
	}
	s = s.again(t)
	s.must(t, "1 machines exported", "export", t.TempDir())
	stop()

	// The same without any database, and with one that is whole.
	if err := os.Remove(database); err != nil {
		t.Fatal(err)
	}
	s.must(t, "restored from "+id, "restore", id)
	s.must(t, "bty.db.before-restore-", "restore", id)
	if info, err := os.Stat(database); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	s = s.again(t)

	// A process that has the database open and does not answer is not pulled the rug from under.
	if err := os.Rename(s.socket, s.socket+".away"); err != nil {
		t.Fatal(err)
	}
	s.cannot(t, "must be stopped first", "restore", id)
	if err := errors.Join(os.Rename(s.socket+".away", s.socket)); err != nil {
		t.Fatal(err)
	}
	s.must(t, id, "backups")
}
