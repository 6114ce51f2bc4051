package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bty/internal/config"
	"bty/internal/deploy"
	"bty/internal/testenv/oldstate"
	"bty/internal/wire"
)

// get returns what machines, or the operator over the control socket, are told.
func (s server) get(t *testing.T, path string) string {
	t.Helper()
	resp, err := http.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d %v %s", path, resp.StatusCode, err, raw)
	}
	return string(raw)
}

// withLive puts files of the live environment of the previous system into the boot folder.
func (s server) withLive(t *testing.T) {
	t.Helper()
	for _, part := range []string{"vmlinuz", "initrd", "squashfs"} {
		if err := os.WriteFile(filepath.Join(s.boot, "bty-netboot-pc-x86_64-v0.65.4."+part), []byte(part), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (s server) counts(t *testing.T) (machines, images int) {
	t.Helper()
	var listed []wire.Machine
	var catalog []json.RawMessage
	control := (&appliance{socket: s.socket}).server()
	defer control.Close()
	if err := control.Call(t.Context(), "GET", "/machines", nil, &listed); err != nil {
		t.Fatal(err)
	}
	if err := control.Call(t.Context(), "GET", "/images", nil, &catalog); err != nil {
		t.Fatal(err)
	}
	return len(listed), len(catalog)
}

// The contract's answer to each machine of the site, script and plan. Where this system mends the
// previous one, the remark says how.
var answers65 = []struct{ mac, script, plan string }{
	{"01:01", "disk 0x80", "exit"},
	{"01:02", "disk 0x81", "exit"},
	{"02:01", "live", "interactive"},
	{"03:01", "live", "inventory"},
	{"03:02", "live", "inventory"},
	{"03:03", "disk 0x80", "inventory"},
	{"04:01", "flash S41", "flash S41 https://example.com/foo.img.gz"},
	{"04:02", "flash S42", "flash S42 oras://ghcr.io/safl/nosi/debian-sysdev:latest"},
	{"04:03", "disk 0x82", "exit"}, // mended: a plan of a cycle that is complete writes nothing
	{"05:01", "flash S51", "flash S51 https://example.com/foo.img.gz"},
	{"05:02", "flash S52", "flash S52 https://example.com/foo.img.gz"},
	{"05:03", "disk 0x80", "flash S53 https://example.com/foo.img.gz"},
	{"05:04", "flash S54", "flash S54 https://example.com/foo.img.gz"}, // mended: a completion before the start does not count
	{"06:01", "order 8901a5e57899", "interactive"},
	{"06:02", "order ffffffffffff", "interactive"},
	{"06:03", "disk 0x80", "exit"},
	{"07:01", "disk 0x80", "exit"}, // ramboot without a counterpart
}

func TestImportPreviousState(t *testing.T) {
	s := startServer(t)
	s.withLive(t)
	old := oldstate.Make(t, oldstate.V65, oldstate.Site)
	before, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}

	out := s.must(t, "this was a dry run: nothing was written", "import", "--dry-run", old)
	if machines, images := s.counts(t); machines+images > 0 {
		t.Fatalf("a dry run has made %d machines and %d images", machines, images)
	}
	for _, want := range []string{"bty 0.65.4: 24 imported, 2 changed, 1 left out", "its mode ramboot has no counterpart here", "ramboot.extra_cmdline", "ffffffffffff is in no catalog",
		"started at 2026-06-21 09:50:00, after its last completion"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	out = s.must(t, "5 machines are flashed at the next network boot, as there: 52:54:00:00:04:01", "import", filepath.Dir(old))
	if !strings.Contains(out, "log of 5 events stays there") {
		t.Errorf("%s", out)
	}
	if machines, images := s.counts(t); machines != 17 || images != 2 {
		t.Fatalf("%d machines, %d images", machines, images)
	}
	if after, err := os.ReadFile(old); err != nil || string(after) != string(before) {
		t.Errorf("the old database was changed: %v", err)
	}
	s.must(t, "26 unchanged", "import", old)
	s.checkTaken(t)
	_ = s.web.Process.Signal(syscall.SIGTERM)
	_ = s.web.Wait()
	s = s.again(t) // when machines were seen last survives that
	s.checkTaken(t)
	for _, a := range answers65 {
		s.checkScript(t, "52:54:00:00:"+a.mac, a.script)
		s.checkPlan(t, "52:54:00:00:"+a.mac, a.plan)
	}
}

func (s server) checkScript(t *testing.T, mac, want string) {
	t.Helper()
	script := s.get(t, "/pxe/"+strings.ReplaceAll(mac, ":", "-"))
	kind, arg, _ := strings.Cut(want, " ")
	has := func(text string) bool { return strings.Contains(script, text) }
	starts := has("kernel ${bty-base}/boot/bty-netboot-pc-x86_64-v0.65.4.vmlinuz?mac=" + mac)
	ok := map[string]bool{
		"live":  starts && !has("target_disk_serial:"),
		"flash": starts && has("target_disk_serial: "+arg),
		"disk":  !has("kernel") && has("sanboot --no-describe --drive "+arg),
		"order": !has("kernel") && !has("sanboot") && has(arg),
	}[kind]
	if !ok {
		t.Errorf("%s: the script is not %s:\n%s", mac, want, script)
	}
}

func (s server) checkPlan(t *testing.T, mac, want string) {
	t.Helper()
	plan := strings.TrimSpace(s.get(t, "/pxe/"+mac+"/plan"))
	var p struct{ Mode, Image, Target_disk_serial, Catalog string } //nolint:revive // the wire's name
	if err := json.Unmarshal([]byte(plan), &p); err != nil {
		t.Fatal(err)
	}
	got := p.Mode
	switch p.Mode {
	case "flash":
		got = fmt.Sprintf("flash %s %s", p.Target_disk_serial, p.Image)
	case "interactive":
		if p.Catalog != s.url+"/catalog.toml" {
			t.Errorf("%s: %s", mac, plan)
		}
	}
	if got != want {
		t.Errorf("%s: the plan is %s, want %s", mac, plan, want)
	}
}

// checkTaken holds what else came over against what was there.
func (s server) checkTaken(t *testing.T) {
	t.Helper()
	control := (&appliance{socket: s.socket}).server()
	defer control.Close()
	for path, want := range map[string][]string{
		"/machines/52:54:00:00:03:03":             {`"labels":["GPU","a.b-c_d","rack 3"]`, `"serial":"S33"`, `"last_seen_ip":"192.0.2.33"`, `"last_seen_at":"2026-06-20T09:00:00Z"`, `"created_at":"2026-06-01T11:00:00Z"`},
		"/machines/52:54:00:00:04:03":             {`"last_flashed_at":"2026-06-20T10:00:00.123456Z"`, `"sanboot_drive":"0x82"`, `"discovered_at":null`},
		"/catalog/entries":                        {`"description":"the foo"`, `"added_at":"2026-06-01T10:00:00.000001+00:00"`, `"disk_image_sha":"aaaaaaaaaaaa`},
		"/api/v1/backups":                         {`"cadence":"weekly"`, `"retention_count":14`, `"last_run_at":"2026-06-20T03:00:00.000001Z"`},
		"/events?kind=backup.state.taken_over":    {"17 machines, 2 images", `"0.65.4"`},
		"/events?kind=machine.taken_over&limit=1": {"52:54:00:00:07:01"},
	} {
		var raw json.RawMessage
		if err := control.Call(t.Context(), "GET", path, nil, &raw); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(raw), w) {
				t.Errorf("%s lacks %s: %s", path, w, raw)
			}
		}
	}
}

// From 0.66 on the images are in withcache's catalog.toml: it is found beside the state folder, or given,
// and its rows are in the report. Where there is none, the report asks for it.
func TestImportWithcachesCatalog(t *testing.T) {
	s := startServer(t)
	data := t.TempDir()
	state, cache := filepath.Join(data, "bty"), filepath.Join(data, "withcache")
	for _, dir := range []string{state, cache} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	oldstate.Fill(t, filepath.Join(state, "state.db"), oldstate.V65, oldstate.Site, oldstate.To77)
	out := s.must(t, "none was found: copy the catalog.toml", "import", "--dry-run", state)
	if !strings.Contains(out, "its image 8901a5e57899 is in no catalog") {
		t.Errorf("%s", out)
	}
	catalog := filepath.Join(cache, "catalog.toml")
	if err := os.WriteFile(catalog, append(oldstate.Catalog(), "[[images]]\nname = 'secret'\nsrc = 'https://bob:s3cr3t@example.com/x.img'\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := s.lab(t, "import", state)
	if err == nil || !strings.Contains(err.Error(), "nothing was written. 1 row is refused") || strings.Contains(out, "s3cr3t") || !strings.Contains(out, "its URL carries a user name or password") {
		t.Errorf("%v: %s", err, out)
	}
	if machines, images := s.counts(t); machines+images > 0 {
		t.Fatalf("%d machines and %d images, of a state with a refused row", machines, images)
	}
	out = s.must(t, "state.db and "+catalog+" of bty 0.77.2: 24 imported, 2 changed, 4 left out", "import", "--skip-refused", state)
	if !strings.Contains(out, "5 machines are flashed at the next network boot") || !strings.Contains(out, "is no disk image") {
		t.Errorf("%s", out)
	}
	for _, a := range answers65 {
		s.checkPlan(t, "52:54:00:00:"+a.mac, a.plan)
	}
	s.must(t, "26 unchanged", "import", "--skip-refused", "--catalog", cache, filepath.Join(state, "state.db"))
	s.cannot(t, "give the catalog.toml of withcache", "import", "--catalog", state, state)
}

// While no server runs, the state goes into its files: all of it, or nothing is made.
func TestImportOffline(t *testing.T) {
	s := startServer(t)
	stop := func() { _ = s.web.Process.Signal(syscall.SIGTERM); _ = s.web.Wait() }
	stop()
	state := filepath.Dir(s.boot)
	database := filepath.Join(state, "bty.db")
	if err := os.Remove(database); err != nil {
		t.Fatal(err)
	}
	bad := oldstate.Make(t, oldstate.V65, oldstate.Site, "INSERT INTO machines (mac, boot_mode, created_at, updated_at) VALUES (NULL, 'bty-tui', '', '')")
	s.cannot(t, "nothing was written. 1 row is refused", "import", bad)
	s.must(t, "this was a dry run", "import", "--dry-run", "--skip-refused", bad)
	if exists(database) {
		t.Fatal("a refused state has made a database")
	}
	s.must(t, "24 imported", "import", "--skip-refused", bad)
	if info, err := os.Stat(database); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	s.must(t, "26 unchanged", "import", oldstate.Make(t, oldstate.V65, oldstate.Site))
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "bty-import-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}

	// A process that has the database open and does not listen keeps it.
	s = s.again(t)
	s.checkTaken(t)
	if err := os.Rename(s.socket, s.socket+".away"); err != nil {
		t.Fatal(err)
	}
	s.cannot(t, "is held by another process", "import", bad)
}

// Before there is an appliance, a dry run says what would come over, and makes nothing; an import names
// what makes the folder.
func TestImportWithoutAnAppliance(t *testing.T) {
	old := oldstate.Make(t, oldstate.V65, oldstate.Site)
	state := filepath.Join(t.TempDir(), "state")
	s := server{socket: filepath.Join(state, "control.sock"), boot: filepath.Join(state, "boot")}
	s.must(t, "24 imported, 2 changed, 1 left out", "import", "--dry-run", old)
	s.cannot(t, "which the package or bty-lab deploy makes", "import", old)
	if exists(state) {
		t.Error("a folder was made")
	}
}

// Where the state is in a volume of containers, nothing goes into the host's folder, where no server looks.
func TestStateInAVolume(t *testing.T) {
	quadlet := &deploy.Record{State: deploy.Deployed, Site: deploy.Site{Mode: deploy.Quadlet}}
	if err := inVolume(config.DefaultStateDir, quadlet); err == nil || !strings.Contains(err.Error(), "podman volume inspect bty-data") {
		t.Errorf("containers, the host's folder: %v", err)
	}
	for what, err := range map[string]error{
		"containers, their volume": inVolume("/var/lib/containers/storage/volumes/bty-data/_data", quadlet), "no deployment": inVolume(config.DefaultStateDir, nil),
		"the package": inVolume(config.DefaultStateDir, &deploy.Record{State: deploy.Deployed, Site: deploy.Site{Mode: deploy.Host}}),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Its files are taken as they are where they lie: the folder of the previous system, its database
// aside, is one that bty-web serves.
func TestFilesOfThePreviousState(t *testing.T) {
	s := startServer(t)
	_ = s.web.Process.Signal(syscall.SIGTERM)
	_ = s.web.Wait()
	state := filepath.Dir(s.boot)
	const secret = "dGhlIHByZXZpb3VzIHNlY3JldCBvZiB0aGUgY29va2llcw"
	for name, text := range map[string]string{
		"session-secret": secret,
		"catalog.toml": "version = 1\n\n[[images]]\nname = \"bar.img.zst\"\nsrc = \"https://example.com/bar.img.zst\"\n" +
			"sha256 = \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"\nformat = \"img.zst\"\n",
		"bty.toml": "[withcache]\nurl = \"http://192.0.2.7:3000\"\n[release]\n",
	} {
		if err := os.WriteFile(filepath.Join(state, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	oldstate.Fill(t, filepath.Join(state, "state.db"), oldstate.V65, oldstate.Site)
	s = s.again(t)
	banner := "bty-lab import " + filepath.Join(state, "state.db")
	if page := s.get(t, "/ui/login"); !strings.Contains(page, banner) {
		t.Errorf("no banner in %s", page)
	}
	out := s.must(t, "24 imported", "import", state)
	if page := s.get(t, "/ui/login"); strings.Contains(page, banner) {
		t.Error("the banner asks for what has been done")
	}
	if strings.Contains(out, "was not copied") {
		t.Errorf("%s", out)
	}
	if raw, err := os.ReadFile(filepath.Join(state, "session-secret")); err != nil || string(raw) != secret {
		t.Errorf("the session secret is %q: %v", raw, err)
	}
	// The cache is asked before each plan, and does not answer here.
	images := s.get(t, "/images") + s.get(t, "/catalog.toml")
	for _, want := range []string{"https://example.com/bar.img.zst", "https://example.com/foo.img.gz", "http://192.0.2.7:3000/b/"} {
		if !strings.Contains(images, want) {
			t.Errorf("%s is not in %s", want, images)
		}
	}
}
