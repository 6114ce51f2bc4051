package contract

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// TestPoint13 is the list of what is easily missed, each point under its number.
func TestPoint13(t *testing.T) {
	for _, point := range []struct {
		name string
		test func(*testing.T)
	}{
		{"01_wrong_login_is_200", point01}, {"02_login_when_signed_in_leads_on", point02}, {"03_put_is_full_replace", point03},
		{"04_unknown_fields", point04}, {"05_policy_change_clears", point05}, {"06_one_armed_event", point06}, {"07_head_counts_as_boot", point07},
		{"08_once_stays_always_alternates", point08}, {"09_armed_without_completion_is_retried", point09}, {"10_done_edits_no_mode", point10},
		{"11_orphans_are_logged", point11}, {"12_discovery_is_one", point12}, {"13_unresolved_script_and_plan", point13}, {"14_reasons_are_in_details", point14},
		{"15_exit_with_an_image_boots_the_disk", point15}, {"16_script_guards", point16}, {"17_chain_by_mac_and_host", point17}, {"18_cache_is_asked_by_src", point18},
		{"19_catalog_is_rewritten_images_are_not", point19}, {"20_digest_is_not_ref", point20}, {"21_plan_has_name_and_format", point21}, {"22_lshw_over_4_mib", point22},
		{"23_file_names_without_colons", point23}, {"24_bad_upload_changes_nothing", point24}, {"25_limit_is_clamped", point25}, {"26_source_ip", point26},
		{"27_empty_variables", point27}, {"28_latest_is_pinned", point28}, {"29_upload_past_the_cap", point29}, {"30_labels", point30},
		{"31_backup_is_completed_after_pruning", point31}, {"32_ipxe_efi_is_open", point32},
	} {
		t.Run(point.name, point.test)
	}
}

func point01(t *testing.T) {
	c := on(t)
	for _, wrong := range []string{"wrong", "pässwörd", c.Password + "x"} {
		if answer := c.Anonymous("POST", "/ui/login", FormOf("password", wrong)).Is(200, "Invalid password", `name="password"`); answer.Header.Get("Set-Cookie") != "" {
			t.Errorf("%q got a cookie", wrong)
		}
	}
	if e := c.Events("kind", "auth.login.failed", "limit", "1"); len(e) != 1 || e[0]["details"] != nil {
		t.Errorf("%v", e)
	}
}

func point02(t *testing.T) {
	c := on(t)
	c.Do("GET", "/ui/login", nil).Leads("/ui/dashboard")
	c.Do("GET", "/", nil).Leads("/ui/login")
	c.Anonymous("GET", "/", nil).Leads("/ui/login")
	c.Do("GET", "/ui", nil).Leads("/ui/dashboard")
}

func point03(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Put(mac, `{"bty_image_ref":"`+strings.Repeat("ab", 32)+`","labels":["a"],"boot_mode":"bty-flash-once","sanboot_drive":"0x81","target_disk_serial":"S"}`)
	m := c.Put(mac, `{"labels":["x"]}`)
	for key, want := range map[string]any{"bty_image_ref": nil, "boot_mode": "ipxe-exit", "sanboot_drive": nil, "target_disk_serial": nil, "labels": []any{"x"}} {
		if !reflect.DeepEqual(m[key], want) {
			t.Errorf("%s is %v, want %v", key, m[key], want)
		}
	}
}

func point04(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Do("PUT", "/machines/"+mac, JSON(`{"surprise":1}`)).Problem("extra_forbidden", "body surprise")
	c.Script(mac)
	c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{"disks":[{"path":"/dev/sda","type":"disk","surprise":{}}]}`)).Is(204)
	if disk := obj(first(c.Machine(mac)["known_disks"])); len(disk) != 8 {
		t.Errorf("%v", disk)
	}
	c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{"disks":[],"surprise":1}`)).Problem("extra_forbidden", "body surprise")
}

func point05(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	ref := c.Bind(mac, "bty-flash-once")["bty_image_ref"].(string)
	put := func(mode, ref, serial, rest string) map[string]any {
		return c.Put(mac, fmt.Sprintf(`{"boot_mode":%q,"bty_image_ref":%q,"target_disk_serial":%q%s}`, mode, ref, serial, rest))
	}
	complete := func() {
		c.Script(mac)
		c.Boot(mac)
		c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{"disks":[{"path":"/dev/sda"}]}`)).Is(204)
		c.Report(mac, "done")
		if m := c.Machine(mac); m["last_flashed_at"] == nil || m["known_disks_at"] == nil {
			t.Fatalf("%v", m)
		}
	}
	complete()
	for _, rest := range []string{`,"labels":["x"]`, `,"sanboot_drive":"0x81"`, ``} {
		if m := put("bty-flash-once", ref, "SER1", rest); m["last_flashed_at"] == nil || m["known_disks_at"] == nil {
			t.Errorf("%s cleared a fact: %v", rest, m)
		}
	}
	for _, change := range [][3]string{{"bty-flash-always", ref, "SER1"}, {"bty-flash-always", strings.Repeat("ab", 32), "SER1"}, {"bty-flash-always", ref, "SER2"}} {
		if m := put(change[0], change[1], change[2], ""); m["last_flashed_at"] != nil || m["known_disks_at"] != nil || m["known_disks"] == nil {
			t.Errorf("%v: last_flashed_at %v, known_disks_at %v, known_disks %v", change, m["last_flashed_at"], m["known_disks_at"], m["known_disks"])
		}
		put("bty-flash-always", ref, "SER1", "")
		complete()
	}
}

func point06(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Bind(mac, "bty-flash-once")
	c.Script(mac)
	c.Boot(mac) // kernel and initrd
	armed := c.Of(mac, "netboot.flasher.armed")
	if len(armed) != 1 || armed[0]["source_ip"] != nil || armed[0]["details"] != nil || !strings.Contains(armed[0]["summary"].(string), "saw_flasher_boot") {
		t.Errorf("%v", armed)
	}
	for _, mode := range []string{"ipxe-exit", "bty-tui"} {
		c.Put(mac, `{"boot_mode":"`+mode+`"}`)
		seen := c.Machine(mac)["last_seen_at"]
		c.Boot(mac)
		if c.Machine(mac)["last_seen_at"] == seen || len(c.Of(mac, "netboot.flasher.armed")) != 1 {
			t.Errorf("%s: a fetch is seen and never arms", mode)
		}
	}
}

func point07(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	c.Anonymous("HEAD", "/boot/"+c.Live("vmlinuz")+"?mac="+mac, nil).Is(200)
	if len(c.Of(mac, "netboot.flasher.armed")) != 1 {
		t.Error("is not armed")
	}
}

func point08(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Bind(mac, "bty-flash-once")
	c.Script(mac)
	c.Boot(mac)
	c.Report(mac, "done")
	for range 5 {
		if Starts(c.Script(mac)) {
			t.Fatal("flash-once flashed again")
		}
	}
	c.Bind(mac, "bty-flash-always")
	for range 3 {
		if !Starts(c.Script(mac)) {
			t.Fatal("flash-always did not flash")
		}
		c.Boot(mac)
		c.Report(mac, "done")
		if Starts(c.Script(mac)) {
			t.Fatal("flash-always did not boot the disk")
		}
	}
	c.Put(mac, `{"boot_mode":"bty-inventory"}`)
	for range 3 {
		if !Starts(c.Script(mac)) {
			t.Fatal("no inventory")
		}
		c.Boot(mac)
		c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{}`)).Is(204)
		if Starts(c.Script(mac)) {
			t.Fatal("did not boot the disk after the inventory")
		}
	}
}

func point09(t *testing.T) {
	c := on(t)
	for mode, flag := range map[string]string{"bty-flash-once": "retry_after_armed_no_done", "bty-flash-always": "retry_after_armed_no_done", "bty-inventory": "retry_after_armed_no_post"} {
		mac := c.FreshMAC()
		c.Bind(mac, mode)
		c.Script(mac)
		if c.Offered(mac)[flag] != nil {
			t.Errorf("%s: the first offer is a retry", mode)
		}
		c.Boot(mac)
		if !Starts(c.Script(mac)) || c.Offered(mac)[flag] != true {
			t.Errorf("%s: %v", mode, c.Offered(mac))
		}
	}
}

func point10(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Bind(mac, "bty-flash-once")
	c.Report(mac, "failed")
	if m := c.Machine(mac); m["last_flashed_at"] != nil {
		t.Errorf("%v", m)
	}
	c.Report(mac, "done")
	c.Report(mac, "done")
	if m := c.Machine(mac); m["boot_mode"] != "bty-flash-once" || len(c.Of(mac, "machine.flashed")) != 2 {
		t.Errorf("%v", m)
	}
}

func point11(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	for _, test := range []struct {
		path, body string
		details    map[string]any
	}{
		{"status", `{"status":"done"}`, map[string]any{"signal": "done"}}, {"status", `{"status":"failed","reason":"x"}`, map[string]any{"signal": "failed"}},
		{"inventory", `{"disks":[{"path":"x"}]}`, map[string]any{"signal": "inventory", "disk_count": 1.0}},
	} {
		c.Anonymous("POST", "/pxe/"+mac+"/"+test.path, JSON(test.body)).Detail(404, "no machine record for "+mac)
		e := c.Of(mac, "pxe.client.orphan")[0]
		for key, want := range test.details {
			if obj(e["details"])[key] != want {
				t.Errorf("%s: %v", test.body, e)
			}
		}
	}
	c.Do("GET", "/machines/"+mac, nil).Is(404)
}

func point12(t *testing.T) {
	c := on(t)
	want := map[string]any{"bty_image_ref": nil, "boot_mode": "bty-inventory", "sanboot_drive": nil, "labels": []any{}, "target_disk_serial": nil}
	for _, path := range []string{"", "/plan"} {
		mac := c.FreshMAC()
		var work sync.WaitGroup
		for range 8 {
			work.Go(func() {
				if answer, err := c.try("GET", "/pxe/"+mac+path, nil, nil, ""); err != nil || answer.StatusCode != 200 {
					t.Errorf("%v %s", err, answer.Body)
				}
			})
		}
		work.Wait()
		if e := c.Of(mac, "machine.discovered"); len(e) != 1 || !reflect.DeepEqual(e[0]["details"], any(want)) || e[0]["actor"] != "pxe-client" {
			t.Errorf("%q: %v", path, e)
		}
	}
	mac := c.FreshMAC()
	c.Script(mac)
	if e := c.Events("subject_id", mac); len(e) != 2 || e[1]["kind"] != "machine.discovered" || e[0]["kind"] != "netboot.pxe.offered" {
		t.Errorf("%v", e)
	}
}

func point13(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Put(mac, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q}`, c.Image("p13.img")["bty_image_ref"]))
	if script := c.Script(mac); strings.Contains(script, "sanboot ") || Starts(script) || !strings.Contains(script, "\nexit") || c.Plan(mac)["mode"] != "interactive" {
		t.Error(script)
	}
	c.Put(mac, `{"boot_mode":"bty-flash-once"}`)
	if script := c.Script(mac); !strings.Contains(script, "sanboot ") || c.Offered(mac)["offer_kind"] != "unknown" || c.Plan(mac)["mode"] != "exit" {
		t.Error(script)
	}
}

func point14(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Put(mac, `{"boot_mode":"bty-flash-once","bty_image_ref":"`+strings.Repeat("ab", 32)+`"}`)
	c.Script(mac)
	if c.Offered(mac)["reason"] != "orphan_ref" {
		t.Errorf("%v", c.Offered(mac))
	}
	for _, kind := range []string{"no_target_disk", "orphan_ref", "netboot.pxe.no_target_disk", "netboot.pxe.orphan_ref"} {
		if len(c.Of(mac, kind)) != 0 {
			t.Errorf("%s is a kind", kind)
		}
	}
}

func point15(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Bind(mac, "ipxe-exit")
	if script := c.Script(mac); !strings.Contains(script, "--drive 0x80") || !strings.Contains(script, "|| exit") || strings.Contains(script, "kernel") {
		t.Error(script)
	}
}

func point16(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	for mode := range map[string]bool{"ipxe-exit": true, "bty-tui": true} {
		c.Put(mac, `{"boot_mode":"`+mode+`"}`)
		script := c.Script(mac)
		if disk := strings.Index(script, "sanboot "); disk >= 0 && (strings.Index(script, "iseq ${platform} efi") < 0 || strings.Index(script, "iseq ${platform} efi") > disk) {
			t.Errorf("a sanboot that UEFI reaches:\n%s", script)
		}
		if strings.Contains(script, "quiet") {
			t.Error(script)
		}
		if !Starts(script) {
			continue
		}
		if strings.Count(script, "?mac="+mac) != 2 || strings.Contains(script, ".squashfs?") || strings.Index(script, "ttyS0,") < strings.Index(script, "ttyS1,") {
			t.Error(script)
		}
	}
}

func point17(t *testing.T) {
	script := on(t).Anonymous("GET", "/pxe-bootstrap.ipxe", nil, "Host", "192.0.2.1:8080").Is(200).Body
	if !strings.Contains(script, "http://192.0.2.1:8080/pxe/${mac:hexhyp}") || strings.Contains(script, "net0/mac") {
		t.Error(script)
	}
}

func point18(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	entry := c.Bind(mac, "bty-flash-always")
	src := entry["src"].(string)
	plan := c.Plan(mac)
	if plan["image"] != src {
		t.Errorf("a miss leads to the origin: %v", plan)
	}
	if !c.cached(mac) {
		return
	}
	if got := c.Planned(mac)["withcache"]; !reflect.DeepEqual(got, any(map[string]any{"configured": true, "hit": false, "served_from": "origin"})) {
		t.Errorf("%v", got)
	}
	c.Origin.Cache(src)
	c.Eventually("the cache has it", func() bool { return c.Plan(mac)["image"] == c.Origin.Blob(src, "debian-x86_64.img.zst") })
	if got := c.Planned(mac)["withcache"]; !reflect.DeepEqual(got, any(map[string]any{"configured": true, "hit": true, "served_from": "withcache"})) {
		t.Errorf("%v", got)
	}
}

func point19(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	entry := c.Bind(mac, "bty-flash-once")
	src := entry["src"].(string)
	unproven := c.Add(map[string]any{"image_url": c.Origin.URL + c.run() + "/p19.img"})["src"].(string)
	c.Plan(mac)
	want := src
	if c.cached(mac) {
		want = c.Origin.Blob(src, "debian-x86_64.img.zst")
	}
	var parsed struct{ Images []struct{ Src string } }
	body := c.Anonymous("GET", "/catalog.toml", nil).Is(200).Body
	if err := toml.Unmarshal([]byte(body), &parsed); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, one := range parsed.Images {
		found = found || one.Src == want
		if one.Src == unproven || one.Src == c.Origin.Blob(unproven, "p19.img") {
			t.Error("an entry without a digest is listed")
		}
	}
	if !found {
		t.Errorf("no %s in\n%s", want, body)
	}
	c.listed(src)
	c.listed(unproven)
	if probes := c.Origin.Asked("HEAD", strings.TrimPrefix(c.Origin.Blob(unproven, "p19.img"), c.Origin.URL)); probes != 0 {
		t.Errorf("the catalog asked the cache %d times", probes)
	}
}

func point20(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	entry := c.Bind(mac, "bty-flash-once")
	if plan := c.Plan(mac); plan["disk_image_sha"] != entry["disk_image_sha"] || plan["disk_image_sha"] == entry["bty_image_ref"] {
		t.Errorf("%v", plan)
	}
	bare := c.Add(map[string]any{"image_url": c.Origin.URL + c.run() + "/p20.img"})
	c.Put(mac, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q,"target_disk_serial":"S"}`, bare["bty_image_ref"]))
	if _, has := c.Plan(mac)["disk_image_sha"]; has {
		t.Error("a digest that nobody knows")
	}
}

func point21(t *testing.T) {
	c := on(t)
	source := c.run()
	src := c.Origin.URL + source + "/no-extension"
	c.forget(src)
	manifest := c.Origin.Put(source+"/catalog.toml", fmt.Sprintf("version = 1\n[[images]]\nname = \"A title %s\"\nsrc = %q\nformat = \"img.gz\"\n", source[1:], src))
	c.Do("POST", "/catalog/import?source="+manifest, nil).Is(200)
	mac := c.FreshMAC()
	c.Put(mac, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q,"target_disk_serial":"S"}`, c.listed(src)["ref"]))
	if plan := c.Plan(mac); plan["name"] != "A title "+source[1:] || plan["format"] != "img.gz" {
		t.Errorf("%v", plan)
	}
}

func point22(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	post := func(body string) { c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(body)).Is(204) }
	post(`{"lshw":{"id":"kept"}}`)
	post(`{"lshw":{"id":"` + strings.Repeat("x", 4<<20) + `"}}`)
	if e := c.Of(mac, "machine.inventory")[0]; obj(e["details"])["lshw"] != false {
		t.Errorf("%v", e["details"])
	}
	for _, body := range []string{`{}`, `{"lshw":null}`} {
		post(body)
		if got := c.Do("GET", "/machines/"+mac+"/lshw.json", nil).Is(200).Object(); got["id"] != "kept" {
			t.Errorf("%s: %.100v", body, got)
		}
	}
}

func point23(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{"lshw":{}}`)).Is(204)
	for _, what := range []string{"lshw", "disks"} {
		want := `attachment; filename="` + strings.ReplaceAll(mac, ":", "-") + "-" + what + `.json"`
		if got := c.Do("GET", "/machines/"+mac+"/"+what+".json", nil).Is(200).Header.Get("Content-Disposition"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func point24(t *testing.T) {
	c := on(t)
	before := c.Anonymous("GET", "/catalog.toml", nil).Body + c.Anonymous("GET", "/images", nil).Body
	for name, test := range map[string]struct {
		form Text
		says string
	}{
		"no file":      {multipartFile("other", "catalog.toml", "version = 1\n"), "no%20file%20in%20upload"},
		"no file name": {multipartFile("file", "", "version = 1\n"), "no%20file%20in%20upload"},
		"extension":    {multipartFile("file", "catalog.txt", "version = 1\n"), "unexpected%20file%20extension"},
		"large":        {multipartFile("file", "catalog.toml", strings.Repeat("#", 1<<20+1)), "exceeded"},
		"empty":        {multipartFile("file", "catalog.toml", ""), "empty"},
		"no TOML":      {multipartFile("file", "catalog.toml", "<html>"), "parse%20failed"},
		"no version":   {multipartFile("file", "catalog.toml", "[[images]]\nname = \"x\"\nsrc = \"http://h/x\"\n"), "parse%20failed"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := on(t).Do("POST", "/ui/catalog/upload", test.form).Leads("/ui/images?error=*")
			if !strings.Contains(answer.Header.Get("Location"), test.says) {
				t.Errorf("leads to %q, want %q in it", answer.Header.Get("Location"), test.says)
			}
		})
	}
	set := func(url string) {
		c.Do("POST", "/ui/settings/upstream", FormOf("netboot_repo", "", "netboot_tag", "", "catalog_url", url)).Leads("/ui/settings?saved=upstream*")
	}
	defer set("")
	for name, test := range map[string]struct{ url, says string }{
		"gone": {c.Origin.URL + c.run(), "fetch%20failed"}, "empty": {c.Origin.Put(c.run(), ""), "empty"},
		"no TOML": {c.Origin.Put(c.run(), "<html>"), "parse%20failed"}, "large": {c.Origin.Put(c.run(), strings.Repeat("#", 1<<20+1)), "exceeded"},
	} {
		t.Run("fetch "+name, func(t *testing.T) {
			set(test.url)
			answer := on(t).Do("POST", "/ui/catalog/fetch-release", nil).Leads("/ui/images?error=*")
			if !strings.Contains(answer.Header.Get("Location"), test.says) {
				t.Errorf("leads to %q, want %q in it", answer.Header.Get("Location"), test.says)
			}
		})
	}
	if after := c.Anonymous("GET", "/catalog.toml", nil).Body + c.Anonymous("GET", "/images", nil).Body; after != before {
		t.Error("the catalog changed")
	}
}

func point25(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	c.Report(mac, "failed")
	for limit, want := range map[string]int{"0": 1, "-5": 1, "1": 1, "2": 2, "500": 3, "501": 3, "100000": 3} {
		if got := len(c.Events("subject_id", mac, "limit", limit)); got != want {
			t.Errorf("limit=%s: %d events, want %d", limit, got, want)
		}
	}
	if got := c.Events("subject_id", mac, "failed", "1"); len(got) != 1 || got[0]["kind"] != "machine.flash_failed" {
		t.Errorf("%v", got)
	}
}

func point26(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Anonymous("GET", "/pxe/"+mac, nil, "X-Forwarded-For", "203.0.113.9").Is(200)
	ip := fmt.Sprint(c.Machine(mac)["last_seen_ip"])
	if ip == "203.0.113.9" || strings.HasPrefix(ip, "::ffff:") || c.Of(mac, "machine.discovered")[0]["source_ip"] != ip {
		t.Errorf("%s and %v", ip, c.Of(mac, "machine.discovered")[0]["source_ip"])
	}
	t.Run("trusted", func(t *testing.T) {
		differs(t, "a proxy is trusted by its address, not by any word in the setting")
		c, _ := start(t, "BTY_SERVER_TRUSTED_PROXY=127.0.0.1")
		for i, test := range []struct{ forwarded, want string }{{"203.0.113.9", "203.0.113.9"}, {"::ffff:203.0.113.9", "203.0.113.9"}, {"2001:DB8::0:1", "2001:db8::1"}, {"nonsense", "127.0.0.1"}} {
			mac := fmt.Sprintf("02:00:00:00:00:%02x", i)
			c.Anonymous("GET", "/pxe/"+mac, nil, "X-Forwarded-For", test.forwarded).Is(200)
			if got := c.Machine(mac)["last_seen_ip"]; got != test.want {
				t.Errorf("%s: %v, want %s", test.forwarded, got, test.want)
			}
		}
	})
}

func point27(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bty.toml")
	if err := os.WriteFile(file, []byte("[tuning]\nmax_upload_bytes = 5\nfuture = 1\n[future]\nx = 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, _ := start(t, "BTY_CONFIG_FILE="+file, "BTY_TUNING_MAX_UPLOAD_BYTES=") // an empty variable is none
	c.Do("PUT", "/boot/a.bin", Text{"", "123456"}).Is(413)
	c.Do("PUT", "/boot/a.bin", Text{"", "12345"}).Is(200)
	if bad, err := own.Start(t.TempDir(), "BTY_TUNING_MAX_UPLOAD_BYTES=many"); err == nil {
		_ = bad.Stop()
		t.Error("it started with a number that is none")
	} else if !strings.Contains(err.Error(), "BTY_TUNING_MAX_UPLOAD_BYTES") {
		t.Errorf("does not name the variable: %v", err)
	}
}

func point28(t *testing.T) {
	c := on(t)
	state := c.Do("POST", "/boot/releases", JSON(`{}`)).Is(202).Object()
	artifact, _ := obj(first(state["artifacts"]))["name"].(string)
	version := strings.TrimSuffix(strings.TrimPrefix(artifact, "bty-netboot-pc-x86_64-v"), ".vmlinuz")
	if base, _ := state["base_url"].(string); state["tag"] != "latest" || version == "" || !strings.HasSuffix(strings.TrimRight(base, "/"), "/v"+version) {
		t.Errorf("latest leads to %v, want .../v%s", state["base_url"], version)
	}
	c.Do("DELETE", "/boot/releases/latest", nil).Is(200)
	c.fetched("latest")
	if own == nil {
		return // the releases of a server that was given are not ours to spoil
	}
	base := "bty-netboot-pc-x86_64-v" + version
	release := map[string]string{".vmlinuz": "new kernel", ".initrd": "new initrd", ".squashfs": "new squashfs"}
	var sums string
	for suffix, content := range release {
		sums += fmt.Sprintf("%x *./%s\n", sha256.Sum256([]byte(content)), base+suffix)
	}
	spoiled := map[string]func(folder string){
		"a file is missing":       func(folder string) { c.Origin.Drop(folder + base + ".squashfs") },
		"a file is another":       func(folder string) { c.Origin.Put(folder+base+".initrd", "other initrd") },
		"the manifest is missing": func(folder string) { c.Origin.Drop(folder + base + ".sha256") },
		"the manifest is short":   func(folder string) { c.Origin.Put(folder+base+".sha256", sums[:strings.Index(sums, "\n")+1]) },
		"the manifest is no list": func(folder string) { c.Origin.Put(folder+base+".sha256", "<html>") },
		"the manifest is empty":   func(folder string) { c.Origin.Put(folder+base+".sha256", "") },
	}
	fetch := func(tag string, spoil func(string)) map[string]any {
		folder := "/releases/" + tag + "/"
		for suffix, content := range release {
			c.Origin.Put(folder+base+suffix, content)
		}
		c.Origin.Put(folder+base+".sha256", sums)
		spoil(folder)
		c.Do("POST", "/boot/releases", JSON(`{"tag":"`+tag+`"}`)).Is(202)
		return c.fetched(tag)
	}
	for _, suffix := range []string{".vmlinuz", ".initrd", ".squashfs"} {
		c.Do("PUT", "/boot/"+base+suffix, Text{"", "old " + suffix}).Is(200)
	}
	i := 0
	for name, spoil := range spoiled {
		i++
		t.Run(name, func(t *testing.T) {
			if state := fetch(fmt.Sprintf("v%d-%s", i, c.run()[1:]), spoil); state["status"] != "failed" || state["error"] == nil || state["error"] == "" {
				t.Errorf("%v", state)
			}
			for _, suffix := range []string{".vmlinuz", ".initrd", ".squashfs"} {
				if got := c.Anonymous("GET", "/boot/"+base+suffix, nil).Is(200).Body; got != "old "+suffix {
					t.Errorf("%s is %q now", suffix, got)
				}
			}
		})
	}
	t.Run("all is well", func(t *testing.T) {
		tag := "v9-" + c.run()[1:]
		for range 2 { // a tag that was fetched can be fetched again
			if state := fetch(tag, func(string) {}); state["status"] != "completed" || state["finished_at"] == nil || state["bytes_done"] == 0.0 {
				t.Errorf("%v", state)
			}
		}
		for suffix, content := range release {
			c.Anonymous("GET", "/boot/"+base+suffix, nil).Is(200, content)
		}
		e := c.Events("kind", "netboot.artifacts.fetched", "subject_id", tag)
		if len(e) != 2 || e[0]["subject_kind"] != "netboot" || e[0]["actor"] != "system" {
			t.Fatalf("%v", e)
		}
		c.Keys("netboot.artifacts.fetched", e[0]["details"], "tag base_url")
		c.Do("POST", "/ui/netboot/fetch-release", FormOf("tag", tag))
	})
}

// fetched waits for the end of a fetch and returns its state.
func (c Caller) fetched(tag string) (state map[string]any) {
	c.Helper()
	c.Eventually("the fetch of "+tag+" has ended", func() bool {
		for _, v := range items(c.Do("GET", "/boot/releases", nil).Is(200).Object()["fetches"]) {
			if f := obj(v); f["tag"] == tag {
				state = f
			}
		}
		return state["status"] == "completed" || state["status"] == "failed" || state["status"] == "cancelled"
	})
	return state
}

func point29(t *testing.T) {
	c, instance := start(t, "BTY_TUNING_MAX_UPLOAD_BYTES=1000")
	c.Do("PUT", "/boot/kept.bin", Text{"", strings.Repeat("x", 1000)}).Is(200)
	c.Do("PUT", "/boot/kept.bin", Text{"", strings.Repeat("y", 1001)}).Detail(413, "upload exceeded 1000 bytes (BTY_TUNING_MAX_UPLOAD_BYTES). Aborted at ")
	c.Do("PUT", "/boot/new.bin", unsized(strings.Repeat("y", 1<<20))).Detail(413, "upload exceeded 1000 bytes")
	entries, err := os.ReadDir(filepath.Join(instance.State, "boot"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "new.bin") || strings.Contains(e.Name(), "partial") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
	if got := c.Anonymous("GET", "/boot/kept.bin", nil).Body; got != strings.Repeat("x", 1000) {
		t.Errorf("what was there: %.20s", got)
	}
}

// unsized is a body that goes in chunks, without a length.
func unsized(s string) any { return struct{ *strings.Reader }{strings.NewReader(s)} }

func point30(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	if got := fmt.Sprint(c.Put(mac, `{"labels":["b","a.b c","A","a","b"]}`)["labels"]); got != "[A a a.b c b]" {
		t.Errorf("labels are %s", got)
	}
	c.Do("DELETE", "/machines/"+mac, nil).Is(204)
	if got := c.Put(mac, `{}`)["labels"]; len(items(got)) != 0 {
		t.Errorf("%v", got)
	}
	t.Run("form", func(t *testing.T) {
		c := on(t)
		c.Do("POST", "/ui/machines/"+mac, FormOf("labels", "b, Rack, rack ,RACK,,b")).Leads("/ui/machines*")
		if got := fmt.Sprint(c.Machine(mac)["labels"]); got != "[Rack b]" {
			t.Errorf("labels are %s", got)
		}
	})
}

func point31(t *testing.T) {
	on(t)
	c, instance := start(t)
	c.Do("POST", "/ui/settings/backup", FormOf("backup_enabled", "", "backup_cadence", "manual", "backup_retention_count", "2")).Leads("/ui/settings?saved=backup*")
	for range 4 {
		c.backup()
		entries, err := os.ReadDir(filepath.Join(instance.State, "backups"))
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) > 2 {
			t.Errorf("completed with %d backups on the disk, the limit is 2", len(entries))
		}
	}
	if n := len(c.Events("kind", "backup.pruned")); n != 2 {
		t.Errorf("%d pruned", n)
	}
}

func point32(t *testing.T) {
	c := on(t)
	if c.Anonymous("HEAD", "/boot/ipxe.efi", nil).StatusCode == 404 {
		c.Do("PUT", "/boot/ipxe.efi", Text{"", "MZ"}).Is(200)
	}
	length := ""
	for _, method := range []string{"HEAD", "GET"} {
		answer := c.Anonymous(method, "/boot/ipxe.efi", nil, "User-Agent", "UefiHttpBoot/1.0").Is(200)
		if answer.Header.Get("Content-Length") == "" || length != "" && answer.Header.Get("Content-Length") != length || strings.HasPrefix(answer.Header.Get("Content-Type"), "text/") {
			t.Errorf("%s: %v", method, answer.Header)
		}
		length = answer.Header.Get("Content-Length")
	}
}
