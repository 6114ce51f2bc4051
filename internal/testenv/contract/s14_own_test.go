package contract

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// What cannot be seen over HTTP alone is shown with a server that is started for it: files beside
// the server, its settings, its commands.

func TestSection03_StateLabels(t *testing.T) {
	c := on(t)
	for _, test := range []struct{ mode, idle, started, completed string }{
		{"bty-flash-once", "pending flash", "live env running; awaiting flash", "flashed; booting disk"},
		{"bty-flash-always", "ready to flash", "live env running; awaiting flash", "flashed; booting disk"},
		{"bty-inventory", "pending inventory", "live env running; awaiting inventory", "inventoried; booting disk"},
	} {
		mac := c.FreshMAC()
		c.Bind(mac, test.mode)
		says := func(want string) { c.Do("GET", "/ui/machines/"+mac, nil).Is(200, want) }
		says(test.idle)
		c.Script(mac)
		c.Boot(mac)
		says(test.started)
		if test.mode == "bty-inventory" {
			c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{}`)).Is(204)
		} else {
			c.Report(mac, "done")
		}
		says(test.completed)
	}
}

// TestSection07_Kinds is the columns of the table of kinds: subject, actor, address, details.
func TestSection07_Kinds(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	c.Bind(mac, "bty-flash-once")
	c.Do("PUT", "/machines/"+mac, JSON(`{"labels":["z","a"],"boot_mode":"bty-flash-once","bty_image_ref":"`+strings.Repeat("ab", 32)+`","target_disk_serial":"S"}`)).Is(200)
	c.Plan(mac)
	c.Boot(mac)
	c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{"disks":[{"path":"/dev/sda","serial":"S"}],"lshw":{}}`)).Is(204)
	c.Report(mac, "failed")
	c.Report(mac, "done")
	typed := c.FreshMAC()
	c.Put(typed, `{}`)
	c.Do("DELETE", "/machines/"+mac, nil).Is(204)
	c.Anonymous("POST", "/pxe/"+mac+"/status", JSON(`{"status":"done"}`)).Is(404)
	m5 := "bty_image_ref boot_mode sanboot_drive labels target_disk_serial"
	for _, test := range []struct {
		mac, kind, actor string
		address          bool
		details          string // keys, "" for null
	}{
		{mac, "machine.discovered", "pxe-client", true, m5}, {typed, "machine.created", "operator", true, m5}, {mac, "machine.upserted", "operator", true, m5},
		{mac, "machine.deleted", "operator", true, ""}, {mac, "machine.inventory", "pxe-client", true, "count serials lshw"}, {mac, "machine.flashed", "pxe-client", true, ""},
		{mac, "machine.flash_failed", "pxe-client", true, ""}, {mac, "netboot.pxe.offered", "pxe-client", true, "boot_mode offer offer_kind"},
		{mac, "netboot.pxe.plan", "pxe-client", true, "plan boot_mode offer_kind"}, {mac, "netboot.flasher.armed", "pxe-client", false, ""}, {mac, "pxe.client.orphan", "pxe-client", true, "signal"},
	} {
		found := c.Of(test.mac, test.kind)
		if len(found) == 0 {
			t.Errorf("no %s", test.kind)
			continue
		}
		e := found[0]
		if e["subject_kind"] != "machine" || e["subject_id"] != test.mac || e["actor"] != test.actor || (e["source_ip"] != nil) != test.address || (e["details"] != nil) != (test.details != "") || e["summary"] == "" {
			t.Errorf("%v", e)
		}
		c.Keys(test.kind, e["details"], test.details)
	}
	if saved := c.Of(mac, "machine.upserted")[0]; !reflect.DeepEqual(obj(saved["details"])["labels"], []any{"z", "a"}) {
		t.Errorf("labels as they were sent: %v", saved["details"])
	}
}

func TestSection08_LinksThatLeadOut(t *testing.T) {
	c, instance := start(t)
	boot := filepath.Join(instance.State, "boot")
	secret := filepath.Join(instance.State, "bty.db")
	if err := os.Symlink(secret, filepath.Join(boot, "out.bin")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(boot, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.Anonymous("GET", "/boot/out.bin", nil).Detail(400, "resolves outside the allowed directory")
	c.Anonymous("HEAD", "/boot/out.bin", nil).Is(400)
	c.Anonymous("GET", "/boot/folder", nil).Detail(404, "no such file: folder")
}

func TestSection08_Seeding(t *testing.T) {
	seed, state := t.TempDir(), t.TempDir()
	for name, content := range map[string]string{"a.bin": "seeded", "kept.bin": "seeded", ".hidden": "seeded"} {
		if err := os.WriteFile(filepath.Join(seed, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(state, "boot"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(state, "boot", "kept.bin"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, _ := startIn(t, state, "BTY_BOOT_SEED_DIR="+seed)
	c.Eventually("the file is there", func() bool { return c.Anonymous("GET", "/boot/a.bin", nil).StatusCode == 200 })
	c.Anonymous("GET", "/boot/a.bin", nil).Is(200, "seeded")
	c.Anonymous("GET", "/boot/kept.bin", nil).Is(200, "mine")
	c.Anonymous("GET", "/boot/.hidden", nil).Is(404)
}

// A bundle goes from one server to another.
func TestSection08_ExportImport(t *testing.T) {
	from, source := start(t)
	const mac = "02:b7:00:00:00:01"
	from.Put(mac, `{"boot_mode":"bty-flash-once","labels":["x"],"target_disk_serial":"S"}`)
	from.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{"disks":[{"path":"/dev/sda","serial":"S"}],"lshw":{"id":"host"}}`)).Is(204)
	dir := t.TempDir()
	if out, err := source.Command("export", dir); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "inventory.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bundle map[string]any
	if err := json.Unmarshal(raw, &bundle); err != nil || bundle["bty_export_version"] != 3.0 || len(items(bundle["machines"])) != 1 {
		t.Fatalf("%v\n%s", err, raw)
	}
	to, target := start(t)
	if out, err := target.Command("import", dir); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m := to.Machine(mac)
	if m["boot_mode"] != "bty-inventory" || len(items(m["labels"])) != 0 || m["target_disk_serial"] != nil || obj(first(m["known_disks"]))["serial"] != "S" {
		t.Errorf("it arrives with its hardware and nothing else: %v", m)
	}
	if got := to.Do("GET", "/machines/"+mac+"/lshw.json", nil).Is(200).Object()["id"]; got != "host" {
		t.Errorf("%v", got)
	}
	other := strings.Replace(string(raw), `"bty_export_version": 3`, `"bty_export_version": 2`, 1)
	if err := os.WriteFile(filepath.Join(dir, "inventory.json"), []byte(other), 0o644); err != nil || other == string(raw) {
		t.Fatalf("%v\n%s", err, raw)
	}
	if out, err := target.Command("import", dir); err == nil || !strings.Contains(out, "3") {
		t.Errorf("another version: %v %s", err, out)
	}
}

func TestSection09_DefaultPassword(t *testing.T) {
	c, instance := start(t, "BTY_ADMIN_PASSWORD=  ")
	c.Server.Password = "bty-lab"
	c.Anonymous("GET", "/ui/login", nil).Is(200, "well-known default")
	c.Do("GET", "/machines", nil).Is(200)
	if !strings.Contains(instance.Said(), "default password") {
		t.Error("the journal does not say it")
	}
}

// A session outlives the process, and ends with the secret.
func TestSection09_SessionsOutliveTheServer(t *testing.T) {
	state := t.TempDir()
	c, instance := startIn(t, state)
	cookie := c.SignIn()
	if err := instance.Stop(); err != nil {
		t.Fatal(err)
	}
	c, instance = startIn(t, state)
	c.send("GET", "/machines", nil, nil, cookie).Is(200)
	if err := instance.Stop(); err != nil {
		t.Fatal(err)
	}
	c, _ = startIn(t, state, "BTY_SERVER_SESSION_SECRET=another one")
	c.send("GET", "/machines", nil, nil, cookie).Is(401)
}

// A configuration that cannot be meant is no start, and says why.
func TestSection10_Refusals(t *testing.T) {
	on(t)
	if own == nil {
		t.Skip("needs a server with settings of its own; run without URL")
	}
	broken := filepath.Join(t.TempDir(), "broken.toml")
	if err := os.WriteFile(broken, []byte("[server\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for setting, says := range map[string]string{
		"BTY_SERVER_PORT=70000": "BTY_SERVER_PORT", "BTY_SERVER_PORT=http": "BTY_SERVER_PORT", "BTY_CONFIG_FILE=" + broken: "broken.toml",
		"BTY_TUNING_BACKUP_MAX_PARALLEL=x": "BTY_TUNING_BACKUP_MAX_PARALLEL",
	} {
		instance, err := own.Start(t.TempDir(), setting)
		if err == nil {
			_ = instance.Stop()
			t.Errorf("%s: it started", setting)
		} else if !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", setting, err)
		}
	}
	out, err := exec.Command(own.path, "--version").Output()
	if err != nil || !strings.HasPrefix(string(out), "bty-web ") {
		t.Errorf("%v %s", err, out)
	}
}
