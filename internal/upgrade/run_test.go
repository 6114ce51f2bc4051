package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/client"
	"bty/internal/deploy"
	"bty/internal/store"
	"bty/internal/testenv/states"
	"bty/internal/wire"
)

// fake is a Place whose releases are words in a file, and whose server is a socket that answers for them.
type fake struct {
	*testing.T
	dir    string
	offers string
	broken map[string]bool // releases that do not get ready
	faulty map[string]bool // releases that migrate, and lose a row
	runs   atomic.Value    // the release that serves
	busy   bool            // the package manager is, with something else
	socket string          // of the server
	events string          // that it tells of
	takes  string          // a file of the site's that each new release takes away
	told   []string
	apart  []string
}

// killed stands for kill -9: what is on the disk stays as it is.
type killed struct{}

func newFake(t *testing.T) *fake {
	f := &fake{T: t, dir: t.TempDir(), offers: "1.1", broken: map[string]bool{}, faulty: map[string]bool{}, socket: "control.sock", events: "[]"}
	if err := states.Unpack("schema3", filepath.Join(f.dir, "state")); err != nil {
		t.Fatal(err)
	}
	f.put("1.0")
	f.runs.Store("1.0")
	f.serve()
	return f
}

func (f *fake) file(name string) string { return filepath.Join(f.dir, name) }

func (f *fake) put(release string) {
	f.Helper()
	if err := os.WriteFile(f.file("release"), []byte(release), 0o600); err != nil {
		f.Fatal(err)
	}
}

func (f *fake) inPlace() string {
	raw, _ := os.ReadFile(f.file("release"))
	return string(raw)
}

// serve answers as the release that runs would.
func (f *fake) serve() {
	listener, err := net.Listen("unix", f.file("control.sock"))
	if err != nil {
		f.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if f.broken[f.runs.Load().(string)] {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, "{}")
	})
	mux.HandleFunc("GET /rows", func(w http.ResponseWriter, _ *http.Request) {
		tables, err := rowsIn(f.file("state/bty.db"))
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		schema, _ := schemaOf(f.file("state/bty.db"))
		if f.faulty[f.runs.Load().(string)] {
			tables["machines"] = tables["machines"][1:]
		}
		_ = json.NewEncoder(w).Encode(wire.Rows{Schema: schema, Tables: tables})
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"events":%s}`, f.events) })
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	f.Cleanup(func() { server.Close() })
}

func (f *fake) Look(context.Context) (Look, error) {
	return Look{From: f.inPlace(), To: f.offers, Units: []string{"bty-web.service"}, Database: f.file("state/bty.db"), State: f.file("state"), Apart: f.apart,
		Configs: []string{f.file("etc")}, Marks: []string{f.file("release")}}, nil
}

func (f *fake) Prepare(_ context.Context, folder string) error {
	if err := os.Mkdir(filepath.Join(folder, packagesName), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, packagesName, "old-release"), []byte(f.inPlace()), 0o600)
}

func (f *fake) Switch(ctx context.Context, folder string) error {
	if f.busy {
		return &notNow{"dpkg is at work"}
	}
	r, err := readRecord(folder)
	if err != nil {
		return err
	}
	return f.start(ctx, folder, r.To)
}

func (f *fake) Return(ctx context.Context, folder string) error {
	old, err := os.ReadFile(filepath.Join(folder, packagesName, "old-release"))
	if err != nil {
		return err
	}
	return f.start(ctx, folder, string(old))
}

// start is what systemd does: the guard, then the server, which migrates.
func (f *fake) start(ctx context.Context, folder, release string) error {
	if f.takes != "" && release != "1.0" {
		if err := os.RemoveAll(f.file(f.takes)); err != nil {
			return err
		}
	}
	f.put(release)
	guard, err := ReadGuard(folder)
	if err != nil {
		return err
	}
	if _, err := guard.Stand(ctx, folder); err != nil {
		return err
	}
	if release != "1.0" {
		s, err := store.Open(guard.Database, "test")
		if err != nil {
			return err
		}
		if err := s.Abandon(); err != nil {
			return err
		}
	}
	f.runs.Store(release)
	return nil
}

func (f *fake) Refresh(context.Context) error                 { return nil }
func (f *fake) Settled(context.Context, string, string) error { return nil }

// upgrade is a run that dies when it says that it begins a step with this word, "" for never.
func (f *fake) upgrade(dies string) *Upgrade {
	return &Upgrade{Dir: f.file("opt"), Mode: deploy.Compose, Place: f, Control: client.NewControl(f.file(f.socket), "test"), Self: f.file("release"), By: "test",
		Now: time.Now, Limit: 700 * time.Millisecond, Tell: func(step string) {
			f.told = append(f.told, step)
			if dies != "" && strings.Contains(step, dies) {
				panic(killed{})
			}
		}}
}

// killedIn runs until the step, as if it were killed there.
func (f *fake) killedIn(run func(context.Context) (Outcome, error)) {
	f.Helper()
	defer func() {
		if r := recover(); r == nil {
			f.Error("it was not cut off")
		} else if _, ok := r.(killed); !ok {
			panic(r)
		}
	}()
	_, err := run(f.Context())
	f.Error(err)
}

func (f *fake) holds(release string, schema uint32) {
	f.Helper()
	if got := f.inPlace(); got != release || f.runs.Load() != release {
		f.Errorf("%s is in place and %s runs, not %s", got, f.runs.Load(), release)
	}
	rows, err := rowsIn(f.file("state/bty.db"))
	if err != nil || len(rows["machines"]) != states.Machines || len(rows["tokens"]) != 2 {
		f.Errorf("%v, %v", rows, err)
	}
	if got, err := schemaOf(f.file("state/bty.db")); got != schema || err != nil {
		f.Errorf("schema %d, %v, want %d", got, err, schema)
	}
}

func (f *fake) snapshots() []string {
	names, err := filepath.Glob(f.file("opt/snapshots/[0-9]*"))
	if err != nil {
		f.Fatal(err)
	}
	return names
}

func TestUpgradeAndBack(t *testing.T) {
	f := newFake(t)
	out, err := f.upgrade("").DryRun(t.Context())
	if err != nil || !out.Changed || len(f.snapshots()) > 0 {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err = f.upgrade("").Run(t.Context()); err != nil || out.Phase != Upgraded {
		t.Fatalf("%+v, %v", out, err)
	}
	f.holds("1.1", 4)
	for _, name := range []string{"bty.toml", "catalog.toml", "session-secret"} {
		kept := filepath.Join(out.Folder, treeName, f.file("state"), name)
		if info, err := os.Stat(kept); err != nil || info.Mode().Perm()&0o077 != 0 && name == "session-secret" {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if info, err := os.Stat(f.file("opt/snapshots")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if out, err := f.upgrade("").Run(t.Context()); err != nil || out.Changed {
		t.Errorf("again: %+v, %v", out, err)
	}
	_, err = f.upgrade("").Back(t.Context())
	if refusal, ok := errors.AsType[*deploy.Refused](err); !ok || !strings.Contains(refusal.Error(), "--yes") {
		t.Errorf("a database that is put aside needs a yes: %v", err)
	}
	u := f.upgrade("")
	u.Yes = true
	if out, err := u.Back(t.Context()); err != nil || !strings.Contains(out.Database, "put back") {
		t.Errorf("%+v, %v", out, err)
	}
	f.holds("1.0", 3)
	if _, err := f.upgrade("").Back(t.Context()); err == nil {
		t.Error("it went back twice")
	}
}

// Only the last upgrade can be undone: the one before has given up what it would need, and says so before
// it touches anything.
func TestBackOnlyOnce(t *testing.T) {
	f := newFake(t)
	for _, f.offers = range []string{"1.1", "1.2"} {
		if _, err := f.upgrade("").Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.upgrade("").Back(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := f.upgrade("").Back(t.Context())
	if refusal, ok := errors.AsType[*deploy.Refused](err); !ok || refusal.Problems[0].ID != "no-snapshot" {
		t.Errorf("it went back twice: %v", err)
	}
	if out, err := f.upgrade("").Run(t.Context()); err != nil || out.To != "1.2" {
		t.Errorf("and an upgrade after it: %+v, %v", out, err)
	}
}

// What somebody has brought since, by the package manager, is not gone back past without a yes.
func TestBackPastAnotherRelease(t *testing.T) {
	f := newFake(t)
	if _, err := f.upgrade("").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.put("1.5")
	if _, err := f.upgrade("").Back(t.Context()); err == nil || !strings.Contains(err.Error(), "1.5 is in place") || f.inPlace() != "1.5" {
		t.Error(err)
	}
}

// A server that does not answer cannot say what has been written to it: that is not put aside without a yes.
func TestBackFromASilentServer(t *testing.T) {
	f := newFake(t)
	if _, err := f.upgrade("").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	u := f.upgrade("")
	u.Control = client.NewControl(f.file("nobody.sock"), "test")
	if _, err := u.Back(t.Context()); err == nil || !strings.Contains(err.Error(), "--yes") {
		t.Error(err)
	}
	f.holds("1.1", 4)
}

// A release that does not get ready, and one that loses a row, give way to the old one with its state.
func TestGoesBack(t *testing.T) {
	f := newFake(t)
	f.broken["1.1"], f.faulty["1.2"] = true, true
	for release, reason := range map[string]string{"1.1": "not ready within", "1.2": "1 rows that the old release had are missing: machines 52:54:00:00:01:01"} {
		f.offers = release
		_, err := f.upgrade("").Run(t.Context())
		back, ok := errors.AsType[*WentBack](err)
		if !ok || !strings.Contains(back.Reason, reason) || !strings.Contains(back.PutBack, "from schema 3 to 4") {
			t.Errorf("%s: %v", release, err)
		}
		f.holds("1.0", 3)
	}
}

// Cut off anywhere, an upgrade is taken up, and so is a way back.
func TestCutOff(t *testing.T) {
	for _, step := range []string{"[1/5]", "[2/5]", "[3/5]", "[4/5]", "[5/5]"} {
		t.Run(step, func(t *testing.T) {
			f := newFake(t)
			f.killedIn(f.upgrade(step).Run)
			out, err := f.upgrade("").Run(t.Context())
			if err != nil || out.Phase != Upgraded {
				t.Fatalf("%+v, %v", out, err)
			}
			f.holds("1.1", 4)
			if n := len(f.snapshots()); n != 1 {
				t.Errorf("%d snapshots", n)
			}
			u := f.upgrade("going back")
			u.Yes = true
			f.killedIn(u.Back)
			if out, err = f.upgrade("").Run(t.Context()); err != nil || out.Phase != Returned {
				t.Errorf("%+v, %v", out, err)
			}
			f.holds("1.0", 3)
		})
	}
}

// Cut off, an upgrade can be undone instead; another one waits until it is over.
func TestCutOffAndUndone(t *testing.T) {
	f := newFake(t)
	f.killedIn(f.upgrade("[4/5]").Run)
	f.offers = "1.2"
	if _, err := f.upgrade("").Run(t.Context()); err == nil || !strings.Contains(err.Error(), "the upgrade from 1.0 to 1.1") {
		t.Error(err)
	}
	u := f.upgrade("")
	u.Yes = true
	if _, err := u.Back(t.Context()); err != nil {
		t.Error(err)
	}
	f.holds("1.0", 3)
}

func TestRefused(t *testing.T) {
	f := newFake(t)
	f.offers = "0.9"
	if _, err := f.upgrade("").Run(t.Context()); err == nil || !strings.Contains(err.Error(), "0.9 is older than 1.0") || len(f.snapshots()) > 0 {
		t.Error(err)
	}
	u := f.upgrade("")
	u.Downgrade = true
	if _, err := u.Run(t.Context()); err != nil {
		t.Error(err)
	}
	unlock, err := f.upgrade("").lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.upgrade("").Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another bty-lab upgrade") {
		t.Error(err)
	}
	unlock()
	if unlock, err = deploy.Lock(f.file("opt")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.upgrade("").Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another bty-lab works on") {
		t.Errorf("while a deploy or a purge is at work: %v", err)
	}
	unlock()
	err = checkRoom([]Room{{f.dir, 1 << 60, "the snapshot"}})
	if err == nil || !strings.Contains(err.Error(), "Make room") {
		t.Error(err)
	}
}

// Only so many snapshots are kept.
func TestBounded(t *testing.T) {
	f := newFake(t)
	for n := range kept + 3 {
		f.offers = fmt.Sprintf("1.%d", n+1)
		if _, err := f.upgrade("").Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	names := f.snapshots()
	if len(names) != kept || !slices.IsSorted(names) {
		t.Errorf("%v", names)
	}
	if left, _ := filepath.Glob(f.file("opt/snapshots/*/" + guardName)); len(left) > 0 {
		t.Errorf("guards are left: %v", left)
	}
}
