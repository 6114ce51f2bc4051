package contract

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The forms of the Settings page. What they change is put back.
func TestSection10_UpstreamForm(t *testing.T) {
	c := on(t)
	catalog := c.Origin.URL + c.run() + "/catalog.toml"
	c.Do("POST", "/ui/settings/upstream", FormOf("netboot_repo", "", "netboot_tag", "", "catalog_url", catalog)).Leads("/ui/settings?saved=upstream*")
	t.Cleanup(func() {
		c.Do("POST", "/ui/settings/upstream", FormOf("netboot_repo", "", "netboot_tag", "", "catalog_url", ""))
	})
	e := c.Events("kind", "settings.upstream.updated", "subject_id", "upstream", "limit", "1")
	if len(e) != 1 || obj(obj(e[0]["details"])["catalog_url"])["new"] != catalog || e[0]["subject_kind"] != "settings" {
		t.Errorf("%v", e)
	}
	c.Do("GET", "/ui/settings", nil).Is(200, catalog)
}

func TestSection10_BackupForm(t *testing.T) {
	c := on(t)
	set := func(enabled, cadence, count string) Answer {
		return c.Do("POST", "/ui/settings/backup", FormOf("backup_enabled", enabled, "backup_cadence", cadence, "backup_retention_count", count))
	}
	set("1", "weekly", "5").Leads("/ui/settings?saved=backup*")
	t.Cleanup(func() { set("", "daily", "7") })
	if e := c.Events("kind", "settings.backup.updated", "limit", "1"); len(e) != 1 || e[0]["subject_id"] != "backup" {
		t.Errorf("%v", e)
	}
	for _, bad := range [][3]string{{"1", "hourly", "5"}, {"1", "daily", "x"}, {"1", "daily", "0"}, {"1", "daily", "-1"}} {
		answer := set(bad[0], bad[1], bad[2])
		if answer.StatusCode != 422 && !(answer.StatusCode == 303 && strings.Contains(answer.Header.Get("Location"), "error=")) {
			t.Errorf("%v: %s to %q", bad, answer.Status, answer.Header.Get("Location"))
		}
	}
}

func TestSection10_DisplayForm(t *testing.T) {
	c := on(t)
	set := func(zone string) Answer {
		return c.Do("POST", "/ui/settings/display", FormOf("display_timezone", zone))
	}
	set("Europe/Berlin").Leads("/ui/settings?saved=display*")
	t.Cleanup(func() { set("") })
	set("Mars/Olympus").Leads("/ui/settings?error=*")
	if e := c.Events("kind", "settings.display.updated", "limit", "1"); len(e) != 1 || obj(obj(e[0]["details"])["display_timezone"])["new"] != "Europe/Berlin" {
		t.Errorf("%v", e)
	}
}

func TestSection10_ConfigForm(t *testing.T) {
	c := on(t)
	set := func(section, key, value string) Answer {
		return c.Do("POST", "/ui/settings/config/edit", FormOf("section", section, "key", key, "value", value))
	}
	set("nothing", "x", "y").Leads("/ui/settings?error=unknown+section*")
	set("tuning", "nothing", "y").Leads("/ui/settings?error=unknown+key*")
	set("tuning", "max_upload_bytes", "x").Leads("/ui/settings?error=*")
}

// Layers of the configuration: defaults, files in order, variables; key by key.
func TestSection10_Layers(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("conf/10-a.toml", "[netboot]\nartifact_version = \"1.1.1\"\n[tuning]\nmax_upload_bytes = 5\n")
	write("conf/20-b.toml", "[tuning]\nmax_upload_bytes = 15\n")
	c, _ := start(t, "BTY_CONFIG_DIR="+filepath.Join(dir, "conf"), "BTY_CONFIG_FILE=")
	c.Do("PUT", "/boot/a.bin", Text{"", strings.Repeat("x", 15)}).Is(200)
	c.Do("PUT", "/boot/a.bin", Text{"", strings.Repeat("x", 16)}).Is(413)
	file := write("bty.toml", "[tuning]\nmax_upload_bytes = 25\n")
	c, _ = start(t, "BTY_CONFIG_DIR="+filepath.Join(dir, "conf"), "BTY_CONFIG_FILE="+file)
	c.Do("PUT", "/boot/a.bin", Text{"", strings.Repeat("x", 25)}).Is(200)
	c, _ = start(t, "BTY_CONFIG_DIR="+filepath.Join(dir, "conf"), "BTY_CONFIG_FILE="+file, "BTY_TUNING_MAX_UPLOAD_BYTES=8")
	c.Do("PUT", "/boot/a.bin", Text{"", strings.Repeat("x", 9)}).Detail(413, fmt.Sprintf("upload exceeded %d bytes (BTY_TUNING_MAX_UPLOAD_BYTES)", 8))
	for _, name := range []string{"vmlinuz", "initrd", "squashfs"} { // the key that only the first file has
		c.Do("PUT", "/boot/bty-netboot-pc-x86_64-v1.1.1."+name, Text{"", "x"}).Is(200)
	}
	mac := c.FreshMAC()
	if script := c.Script(mac); !strings.Contains(script, "bty-netboot-pc-x86_64-v1.1.1.vmlinuz") {
		t.Error(script)
	}
}
