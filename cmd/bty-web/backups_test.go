package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/backup"
	"bty/internal/daemon"
)

// backUp makes a backup and returns its ID once it is completed.
func (a *appliance) backUp() string {
	a.Helper()
	id := a.do("POST", "/workers/backups", jsonText(`{}`)).is(a, 202).object(a)["backup_id"].(string)
	a.ended(id, "completed")
	return id
}

// ended waits until a backup has ended, and how.
func (a *appliance) ended(id, status string) map[string]any {
	a.Helper()
	var state map[string]any
	a.eventually("backup "+id+" ends", func() bool {
		for _, s := range a.do("GET", "/workers/backups", nil).is(a, 200).object(a)["backups"].([]any) {
			if state = s.(map[string]any); state["backup_id"] == id {
				return state["status"] != "queued" && state["status"] != "running"
			}
		}
		return false
	})
	if state["status"] != status {
		a.Fatalf("backup %s: %v", id, state)
	}
	return state
}

func (a *appliance) kinds(subject string) []string {
	a.Helper()
	kinds := []string{}
	for _, e := range a.events("limit=500&subject_kind=backup&subject_id=" + subject) {
		kinds = append([]string{e["kind"].(string)}, kinds...)
	}
	return kinds
}

func TestBackup(t *testing.T) {
	a := start(t, nil)
	put(a, mac1, `{"boot_mode":"bty-tui","labels":["rack 1"]}`)
	a.anonymous("POST", "/pxe/"+mac1+"/inventory", jsonText(`{"disks":[{"path":"/dev/sda","serial":"S1"}],"lshw":{"id":"x","class":"system"}}`)).is(t, 204)
	a.do("GET", "/workers/backups", nil).is(t, 200, `"max_parallel":1`, `"backups":[]`, filepath.Join(a.state, "backups"))
	id := a.backUp()
	state := a.ended(id, "completed")
	if keys(state) != "backup_id bytes_done bytes_total dest_path error finished_at machines stage started_at status trigger" ||
		state["machines"] != 1.0 || state["trigger"] != "manual" || state["error"] != nil || state["started_at"].(float64) < 1e9 {
		t.Errorf("%v", state)
	}
	if got := strings.Join(a.kinds(id), " "); got != "backup.create.requested backup.create.started backup.created" {
		t.Errorf("events %s", got)
	}

	bundle := a.do("GET", "/ui/backups/"+id+"/download", nil).is(t, 200, "\n  \"bty_export_version\": 3,")
	if d := bundle.Header.Get("Content-Disposition"); d != `attachment; filename="`+id+`.json"` || bundle.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v", bundle.Header)
	}
	one := bundle.object(t)["machines"].([]any)[0].(map[string]any)
	if keys(one) != "hw_lshw hw_lshw_at known_disks known_disks_at mac" || one["mac"] != mac1 || keys(one["hw_lshw"]) != "class id" || one["hw_lshw_at"] == nil {
		t.Errorf("%v", one)
	}

	snapshot := a.do("GET", "/api/v1/backups/"+id+"/snapshot", nil).is(t, 200)
	sum := sha256.Sum256([]byte(snapshot.body))
	if snapshot.Header.Get("ETag") != `"`+hex.EncodeToString(sum[:])+`"` || snapshot.ContentLength != int64(len(snapshot.body)) {
		t.Errorf("%v, %d bytes with the sum %x", snapshot.Header, len(snapshot.body), sum)
	}
	for name, want := range map[string]os.FileMode{"": 0o700, "bty.db": 0o600, "inventory.json": 0o600, "manifest.json": 0o600} {
		if info, err := os.Stat(filepath.Join(a.state, "backups", id, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}

	listed := a.do("GET", "/api/v1/backups", nil).is(t, 200).object(t)["backups"].([]any)[0].(map[string]any)
	if listed["backup_id"] != id || listed["restorable"] != true || listed["machines"] != 1.0 {
		t.Errorf("%v", listed)
	}
	a.do("DELETE", "/ui/backups/"+id, nil).is(t, 200, fmt.Sprintf(`{"backup_id":"%s","machines":1,"bytes_on_disk":`, id))
	a.do("DELETE", "/ui/backups/"+id, nil).is(t, 404)
	a.do("GET", "/ui/backups/"+id+"/download", nil).is(t, 404)
	a.do("GET", "/api/v1/backups/"+id+"/snapshot", nil).is(t, 404)
	a.do("DELETE", "/workers/backups/"+id, nil).is(t, 200, `"completed"`) // the job is still listed, and stays as it is
	a.do("DELETE", "/workers/backups/2020-01-01T00-00-00Z", nil).is(t, 404, "no active backup for id '2020-01-01T00-00-00Z'")
	if entries, _ := os.ReadDir(filepath.Join(a.state, "backups")); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
}

func TestBackupRequests(t *testing.T) {
	a := start(t, nil)
	for body, status := range map[string]int{`{"trigger":"manual"}`: 202, `{"trigger":"scheduled"}`: 202, `{"trigger":"restore"}`: 422, `{"trigger":null}`: 422, `{"more":1}`: 422, `[]`: 422, `{`: 422} {
		a.do("POST", "/workers/backups", jsonText(body)).is(t, status)
	}
	a.do("POST", "/workers/backups", nil).is(t, 422)
	a.do("POST", "/api/v1/backups/if-due", nil).is(t, 200, `"due":false`, `"backup":null`)
	for _, path := range []string{"..", "%2e%2e%2fboot", "2020-01-01T00-00-00Z-keep", "2020-13-01T00-00-00Z", "x"} {
		a.do("DELETE", "/ui/backups/"+path, nil).is(t, 404)
		a.do("POST", "/api/v1/backups/"+path+"/restore", nil).is(t, 404)
	}
	a.do("GET", "/api/v1/restore", nil).is(t, 404)
	a.alive()
}

// What is restored is what was backed up; the state in between is kept twice.
func TestRestore(t *testing.T) {
	a := start(t, nil)
	put(a, mac1, `{"boot_mode":"bty-tui","labels":["kept"]}`)
	id := a.backUp()
	put(a, mac1, `{"boot_mode":"ipxe-exit"}`)
	put(a, mac2, `{"boot_mode":"bty-tui"}`)
	answer := a.do("POST", "/api/v1/backups/"+id+"/restore", nil).is(t, 202).object(t)
	a.eventually("the restore ends", func() bool { return a.do("GET", "/api/v1/restore", nil).StatusCode == 200 })
	a.do("GET", "/api/v1/restore", nil).is(t, 200, `"done":true`, `"source":"`+id+`"`)
	if got := a.machine(mac1); got["boot_mode"] != "bty-tui" || fmt.Sprint(got["labels"]) != "[kept]" {
		t.Errorf("%v", got)
	}
	a.do("GET", "/machines/"+mac2, nil).is(t, 404)
	if e := a.events("kind=backup.restored"); len(e) != 1 || !strings.Contains(e[0]["summary"].(string), id) {
		t.Errorf("%v", e)
	}
	kept := filepath.Join(a.state, answer["kept"].(string))
	if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v", err)
	}
	// The way back is the safety backup.
	a.do("POST", "/api/v1/backups/"+answer["safety_backup_id"].(string)+"/restore", nil).is(t, 202)
	a.eventually("the second restore ends", func() bool { return a.do("GET", "/machines/"+mac2, nil).StatusCode == 200 })
	if got := a.machine(mac1); got["boot_mode"] != "ipxe-exit" {
		t.Errorf("%v", got)
	}
	// And so is the file that has the very last writes.
	raw, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	a.do("POST", "/api/v1/restore?source=kept", bytes.NewReader(raw), "Content-Type", "application/octet-stream").is(t, 202, `"source":"kept"`)
	a.eventually("the third restore ends", func() bool { return a.count("kind=backup.restored") == 1 })
	a.restart()
	a.machine(mac2)
	a.alive()
}

// Who was signed out after a backup was made is not let in again by its restore.
func TestRestoreSignsNobodyIn(t *testing.T) {
	a := start(t, nil)
	revoked, gone := a.token("gone", "read")
	_, kept := a.token("kept", "read")
	id, before := a.backUp(), a.cookie
	a.do("DELETE", "/api/v1/tokens/"+revoked, nil).is(t, 204)
	a.do("POST", "/ui/account/sign-out", nil).is(t, 303)
	a.signIn()
	a.do("POST", "/api/v1/backups/"+id+"/restore", nil).is(t, 202)
	a.eventually("the restore ends", func() bool { return a.do("GET", "/api/v1/restore", nil).StatusCode == 200 })
	outAreOut := func() {
		t.Helper()
		a.send("GET", "/machines", nil, nil, before).is(t, 401)
		a.do("GET", "/machines", nil).is(t, 200)
		a.anonymous("GET", "/machines", nil, bearer(gone)...).is(t, 401)
		a.anonymous("GET", "/machines", nil, bearer(kept)...).is(t, 200)
	}
	outAreOut()

	// The same where nobody serves.
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	offline := backup.Offline{Dir: filepath.Join(a.state, "backups"), Database: filepath.Join(a.state, "bty.db"), Version: "v1", Now: time.Now}
	if _, err := offline.Restore(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	a.begin()
	outAreOut()
}

// What is no database of ours changes nothing.
func TestRestoreRefusals(t *testing.T) {
	a := start(t, nil)
	put(a, mac1, `{"boot_mode":"bty-tui"}`)
	id := a.backUp()
	raw := a.do("GET", "/api/v1/backups/"+id+"/snapshot", nil).is(t, 200).body
	upload := func(body string, says ...string) {
		t.Helper()
		a.do("POST", "/api/v1/restore", strings.NewReader(body), "Content-Type", "application/octet-stream").is(t, 422, says...)
	}
	upload("", "damaged one", "nothing was changed")
	upload("garbage", "damaged one")
	upload(raw[:len(raw)/2], "damaged one")
	upload(strings.Repeat("\x00", 1<<20), "damaged one")
	a.do("POST", "/api/v1/restore", nil).is(t, 422)

	// A byte of a backup that turned on the disk.
	path := filepath.Join(a.state, "backups", id, "bty.db")
	if err := os.WriteFile(path, append([]byte(raw[:len(raw)-1]), raw[len(raw)-1]^1), 0o600); err != nil {
		t.Fatal(err)
	}
	a.do("POST", "/api/v1/backups/"+id+"/restore", nil).is(t, 409, "SHA-256", "nothing was changed")
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	a.do("POST", "/api/v1/backups/"+id+"/restore", nil).is(t, 409, "not as it was written")
	a.machine(mac1)
	if left, _ := filepath.Glob(filepath.Join(a.state, "bty.db.*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	a.alive()
}

func TestExportAndImport(t *testing.T) {
	a := start(t, nil)
	put(a, mac1, `{"boot_mode":"bty-flash-once","labels":["mine"]}`)
	a.do("GET", "/api/v1/export", nil).is(t, 200, `"known_disks": null`)
	bundle := `{"bty_export_version":3,"machines":[{"mac":"52-54-00-00-00-01","known_disks":[{"path":"/dev/sda","serial":"S1"}],"known_disks_at":"2026-01-01T00:00:00+00:00","hw_lshw":{"b":1,"a":2}},` +
		`{"mac":"5254.0000.0002","known_disks":null},{"mac":null},{"mac":"nonsense"},{"mac":"` + mac2 + `"}]}`
	r := a.do("POST", "/api/v1/import?source=here", strings.NewReader(bundle)).is(t, 200, `"created":1`, `"merged":1`, `"rejected":3`, "invalid MAC", "twice")
	if n := len(r.object(t)["rows"].([]any)); n != 5 {
		t.Errorf("%d rows", n)
	}
	if m := a.machine(mac1); m["boot_mode"] != "bty-flash-once" || fmt.Sprint(m["labels"]) != "[mine]" || m["known_disks"] == nil {
		t.Errorf("its settings are lost: %v", m)
	}
	if m := a.machine(mac2); m["boot_mode"] != "bty-inventory" || m["discovered_at"] != nil {
		t.Errorf("%v", m)
	}
	a.do("GET", "/machines/"+mac1+"/lshw.json", nil).is(t, 200, `{"a":2,"b":1}`)
	a.do("POST", "/api/v1/import?source=here", strings.NewReader(bundle)).is(t, 200, `"unchanged":2`)
	a.do("POST", "/api/v1/import?replace=1", strings.NewReader(bundle)).is(t, 200, `"replaced":2`)
	if m := a.machine(mac1); m["boot_mode"] != "bty-inventory" || fmt.Sprint(m["labels"]) != "[]" {
		t.Errorf("%v", m)
	}
	if e := a.events("kind=backup.bundle.imported"); len(e) != 3 || e[2]["subject_id"] != "here" {
		t.Errorf("%v", e)
	}
	for body, says := range map[string]string{
		`{"bty_export_version":1,"machines":[]}`:   "format 1",
		`{"bty_export_version":2,"machines":[]}`:   "format 2",
		`{"bty_export_version":4,"machines":[]}`:   "format 4",
		`{"bty_export_version":"3","machines":[]}`: `format \"3\"`,
		`{"machines":[]}`:                          "bty_export_version",
		`{"bty_export_version":3}`:                 "machines",
		`{"bty_export_version":3,"machines":[]} x`: "after its end",
		``: "not an inventory bundle", `[]`: "not an inventory bundle", `null`: "bty_export_version",
	} {
		a.do("POST", "/api/v1/import", strings.NewReader(body)).is(t, 422, says)
	}
	a.do("POST", "/api/v1/import", strings.NewReader(bundle[:100])).is(t, 400, "ended early")
	a.do("POST", "/api/v1/import?replace=maybe", strings.NewReader(bundle)).is(t, 422, "replace")
	var exported struct {
		Machines []struct{ MAC string }
	}
	if err := json.Unmarshal([]byte(a.do("GET", "/api/v1/export", nil).body), &exported); err != nil || len(exported.Machines) != 2 {
		t.Errorf("%+v, %v", exported, err)
	}
}

// bty-web export and import ask the server that runs; without one they say so and touch nothing.
func TestBundleCommands(t *testing.T) {
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200)
	dir := filepath.Join(t.TempDir(), "new", "folder")
	command := func(args ...string) (string, error) {
		var out bytes.Buffer
		env := a.environment()
		env.args, env.stdout = append(env.args, args...), &out
		err := run(t.Context(), env)
		return out.String(), err
	}
	if out, err := command("export", dir); err != nil || !strings.Contains(out, "1 machines exported") {
		t.Fatalf("%s, %v", out, err)
	}
	a.do("DELETE", "/machines/"+mac1, nil).is(t, 204)
	if out, err := command("import", dir); err != nil || !strings.Contains(out, "1 created") {
		t.Fatalf("%s, %v", out, err)
	}
	if out, err := command("import", "--replace", dir); err != nil || !strings.Contains(out, "1 replaced") {
		t.Fatalf("%s, %v", out, err)
	}
	for _, args := range [][]string{{"export"}, {"import", "a", "b"}, {"nonsense"}, {"export", "--replace", dir}} {
		if _, err := command(args...); !errors.As(err, new(daemon.UsageError)) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := command("import", "/nonexistent"); err == nil || !strings.Contains(err.Error(), "/nonexistent") {
		t.Error(err)
	}
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := command("export", dir); err == nil || !strings.Contains(err.Error(), "bty-web.socket") {
		t.Error(err)
	}
}

// A folder that backups cannot be made in keeps no machine from being served, and says what to do.
func TestBackupFolderUnusable(t *testing.T) {
	a := start(t, map[string]string{"BTY_PATHS_BACKUP_DIR": "/proc/backups"})
	a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200)
	says(t, a.log.String(), "backups cannot be made", "/proc/backups")
	a.do("GET", "/ui/backups", nil).is(t, 200, "There is no backup yet")
	id := a.do("POST", "/workers/backups", jsonText(`{}`)).is(t, 202).object(t)["backup_id"].(string)
	if why := a.ended(id, "failed")["error"].(string); !strings.Contains(why, "/proc/backups") || !strings.Contains(why, "backup_dir") {
		t.Error(why)
	}
	if got := strings.Join(a.kinds(id), " "); got != "backup.create.requested backup.create.started backup.failed" {
		t.Errorf("events %s", got)
	}
	a.do("GET", "/ui/backups", nil).is(t, 200, "The last backup failed", "backup_dir")
	a.do("POST", "/api/v1/backups/"+id+"/restore", nil).is(t, 404)
	a.alive()
}

// A backup says how many machines would write a disk if it came back, by their own setting or a rule's.
func TestBackupSaysWhatWillFlash(t *testing.T) {
	a := start(t, nil)
	images := origin(t, map[string]string{"/a.img": "image"})
	ref := a.do("POST", "/catalog/entries", map[string]any{"image_url": images + "/a.img"}).is(t, 201).object(t)["bty_image_ref"].(string)
	willFlash := func() any {
		t.Helper()
		a.backUp()
		return a.do("GET", "/api/v1/backups", nil).is(t, 200).object(t)["backups"].([]any)[0].(map[string]any)["will_flash"]
	}
	put(a, mac1, `{"boot_mode":"bty-flash-once"}`) // without an image it cannot
	put(a, mac2, `{"boot_mode":"ipxe-exit","bty_image_ref":"`+ref+`"}`)
	if n := willFlash(); n != 0.0 {
		t.Errorf("%v", n)
	}
	put(a, mac1, `{"boot_mode":"bty-flash-once","bty_image_ref":"`+ref+`","target_disk_serial":"S1"}`)
	if n := willFlash(); n != 1.0 {
		t.Errorf("%v", n)
	}
	id := a.do("GET", "/api/v1/backups", nil).object(t)["backups"].([]any)[0].(map[string]any)["backup_id"].(string)
	a.do("GET", "/ui/backups/"+id+"/restore", nil).is(t, 200, "1 machine waited to be flashed")
}

// A backup that waits for its turn is cancelled at once, and those before it are made.
func TestBackupCancelled(t *testing.T) {
	a := start(t, nil)
	var ids []string
	for range 12 {
		ids = append(ids, a.do("POST", "/workers/backups", jsonText(`{}`)).is(t, 202).object(t)["backup_id"].(string))
	}
	last := ids[len(ids)-1]
	a.do("DELETE", "/workers/backups/"+last, nil).is(t, 200, `"cancelled"`)
	if got := strings.Join(a.kinds(last), " "); got != "backup.create.requested backup.create.cancelled" {
		t.Errorf("events %s", got)
	}
	a.ended(ids[0], "completed")
}
