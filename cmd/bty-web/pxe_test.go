package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// bind gives the box an image of an origin and a mode, and returns the image's entry.
func bind(a *appliance, mode string) map[string]any {
	a.Helper()
	src := origin(a, map[string]string{"/debian-x86_64.img.zst": "image", "/SHA256SUMS": strings.Repeat("cd", 32) + "  debian-x86_64.img.zst\n"})
	entry := a.do("POST", "/catalog/entries", map[string]any{"image_url": src + "/debian-x86_64.img.zst", "sha_url": src + "/SHA256SUMS"}).is(a, 201).object(a)
	put(a, mac1, fmt.Sprintf(`{"boot_mode":%q,"bty_image_ref":%q,"target_disk_serial":"SER1"}`, mode, entry["bty_image_ref"]))
	return entry
}

func (a *appliance) script() string {
	a.Helper()
	return a.anonymous("GET", "/pxe/"+strings.ReplaceAll(mac1, ":", "-"), nil).is(a, 200, "#!ipxe").body
}

func (a *appliance) plan() map[string]any {
	a.Helper()
	return a.anonymous("GET", "/pxe/"+mac1+"/plan", nil).is(a, 200).object(a)
}

// boot fetches what the live script names, as iPXE does.
func (a *appliance) boot() {
	a.Helper()
	for _, file := range []string{"vmlinuz", "initrd"} {
		for _, method := range []string{"HEAD", "GET"} {
			a.anonymous(method, "/boot/bty-live-x86_64."+file+"?mac="+mac1, nil).is(a, 200)
		}
	}
}

func (a *appliance) report(status string) {
	a.Helper()
	a.anonymous("POST", "/pxe/"+mac1+"/status", map[string]any{"status": status}).is(a, 204)
}

func starts(script string) bool { return strings.Contains(script, "\nkernel ") }

// offered is the details of the newest offer.
func (a *appliance) offered(kind string) map[string]any {
	a.Helper()
	return a.events("limit=1&kind=" + kind)[0]["details"].(map[string]any)
}

func TestDiscovery(t *testing.T) {
	a := start(t, nil)
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			path := "/pxe/" + mac1
			if i%2 == 1 {
				path += "/plan"
			}
			if r, err := a.try("GET", path, nil, nil, ""); err != nil || r.StatusCode != 200 {
				t.Errorf("%v %v", r.Response, err)
			}
		})
	}
	work.Wait()
	a.anonymous("GET", "/pxe/"+mac2+"/plan", nil).is(t, 200, `{"mode":"inventory"}`)
	found := a.events("kind=machine.discovered")
	want := map[string]any{"bty_image_ref": nil, "boot_mode": "bty-inventory", "sanboot_drive": nil, "labels": []any{}, "target_disk_serial": nil}
	if len(found) != 2 || !reflect.DeepEqual(found[0]["details"], want) || !reflect.DeepEqual(found[1]["details"], want) {
		t.Errorf("%v", found)
	}
	m := a.machine(mac1)
	if m["boot_mode"] != "bty-inventory" || m["last_seen_ip"] != "127.0.0.1" || m["discovered_at"] == nil || m["known_disks"] != nil {
		t.Errorf("%v", m)
	}
}

func TestScripts(t *testing.T) {
	a := start(t, nil)
	a.live()
	bootstrap := a.anonymous("GET", "/pxe-bootstrap.ipxe", nil, "Host", "10.1.2.3:8081").is(t, 200, "http://10.1.2.3:8081/pxe/${mac:hexhyp}").body
	if !strings.HasPrefix(bootstrap, "#!ipxe\n") || strings.Contains(bootstrap, "net0/mac") {
		t.Error(bootstrap)
	}
	bind(a, "ipxe-exit")
	disk := a.script()
	if !strings.Contains(disk, "--drive 0x80") || !strings.Contains(disk, "|| exit") || strings.Contains(disk, "kernel") || !strings.Contains(disk, "iseq ${platform} efi && exit") {
		t.Error(disk)
	}
	put(a, mac1, `{"boot_mode":"bty-tui"}`)
	live := a.anonymous("GET", "/pxe/"+mac1, nil, "Host", "10.1.2.3:8081").is(t, 200, "set bty-base http://10.1.2.3:8081", "bty.server=${bty-base}", "bty.mac="+mac1,
		"vmlinuz?mac="+mac1, "initrd?mac="+mac1).body
	if strings.Contains(live, "quiet") || strings.Contains(live, "\nshell") || strings.Index(live, "console=ttyS0") < strings.Index(live, "console=ttyS1") {
		t.Error(live)
	}
	a.file("bty-netboot-pc-x86_64-v0.65.4.vmlinuz", nil)
	if r := a.script(); !strings.Contains(r, "bty-live-") {
		t.Error("ours are there")
	}
	for _, host := range []string{"h;shell", "h`x`", "h${x}", "h\"x", "[::1]:8080"} { // the Host header is the caller's
		r, err := a.try("GET", "/pxe/"+mac1, nil, []string{"Host", host}, "")
		if err == nil && r.StatusCode == 200 && strings.ContainsAny(strings.Split(strings.Split(r.body, "bty-base ")[1], "\n")[0], ";`${}\"") {
			t.Errorf("%s came through:\n%s", host, r.body)
		}
	}
}

func TestSerialInAScript(t *testing.T) {
	a := start(t, nil)
	a.live()
	entry := bind(a, "bty-flash-once")
	ref := entry["bty_image_ref"].(string)
	script := a.script()
	if !strings.Contains(script, "target_disk_serial: SER1") || !strings.Contains(script, ref) {
		t.Error(script)
	}
	put(a, mac1, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q,"target_disk_serial":"x\nshell\n${y}"}`, ref))
	if script := a.script(); strings.Contains(script, "\nshell") || strings.Contains(script, "${y}") {
		t.Error(script)
	}
}

func TestFlashPlan(t *testing.T) {
	a := start(t, nil)
	a.live()
	entry := bind(a, "bty-flash-once")
	plan := a.plan()
	want := map[string]any{"mode": "flash", "image": entry["src"], "target_disk_serial": "SER1", "name": "debian-x86_64.img.zst",
		"disk_image_sha": strings.Repeat("cd", 32), "format": "img.zst", "size_bytes": 5.0}
	if !reflect.DeepEqual(plan, want) {
		t.Errorf("%v, want %v", plan, want)
	}
	d := a.offered("netboot.pxe.plan")
	if d["offer_kind"] != "plan:flash:bty-flash-once" || d["plan"] != "flash" || !reflect.DeepEqual(d["withcache"], map[string]any{"configured": false, "hit": nil, "served_from": "origin"}) {
		t.Errorf("%v", d)
	}
	a.do("DELETE", "/catalog/entries?force=1&src="+entry["src"].(string), nil).is(t, 204)
	if plan := a.plan(); !reflect.DeepEqual(plan, map[string]any{"mode": "interactive", "catalog": a.url + "/catalog.toml"}) {
		t.Errorf("%v", plan)
	}
	unproven := a.do("POST", "/catalog/entries", map[string]any{"image_url": entry["src"]}).is(t, 201).object(t)
	put(a, mac1, fmt.Sprintf(`{"boot_mode":"bty-flash-always","bty_image_ref":%q,"target_disk_serial":"SER1"}`, unproven["bty_image_ref"]))
	if plan := a.plan(); plan["disk_image_sha"] != nil || plan["mode"] != "flash" {
		t.Errorf("%v", plan)
	}
}

func TestUnresolvedPlans(t *testing.T) {
	a := start(t, nil)
	a.live()
	entry := bind(a, "bty-flash-once")
	ref := entry["bty_image_ref"].(string)
	tests := []struct {
		name, body, reason, offer, plan string
	}{
		{"no serial", `{"boot_mode":"bty-flash-once","bty_image_ref":"` + ref + `"}`, "no_target_disk", "exit-fallback", "interactive"},
		{"empty serial", `{"boot_mode":"bty-flash-once","bty_image_ref":"` + ref + `","target_disk_serial":""}`, "no_target_disk", "exit-fallback", "interactive"},
		{"orphan", `{"boot_mode":"bty-flash-always","bty_image_ref":"` + someRef + `","target_disk_serial":"S"}`, "orphan_ref", "exit-fallback", "interactive"},
		{"orphan without serial", `{"boot_mode":"bty-flash-always","bty_image_ref":"` + someRef + `"}`, "orphan_ref", "exit-fallback", "interactive"},
		{"no ref", `{"boot_mode":"bty-flash-once","target_disk_serial":"S"}`, "", "unknown", "exit"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			put(a, mac1, test.body)
			script := a.script()
			if starts(script) || strings.Contains(script, "sanboot") != (test.offer == "unknown") {
				t.Error(script)
			}
			d := a.offered("netboot.pxe.offered")
			if reason, _ := d["reason"].(string); reason != test.reason || d["offer_kind"] != test.offer {
				t.Errorf("%v", d)
			}
			if plan := a.plan(); plan["mode"] != test.plan {
				t.Errorf("%v", plan)
			}
		})
	}
	if n := a.count("kind=no_target_disk") + a.count("kind=orphan_ref"); n != 0 {
		t.Error("reasons are no kinds")
	}
}

func TestArmedOnce(t *testing.T) {
	a := start(t, nil)
	a.live()
	bind(a, "bty-flash-once")
	if !starts(a.script()) {
		t.Fatal("no live environment")
	}
	a.anonymous("HEAD", "/boot/bty-live-x86_64.vmlinuz?mac="+mac1, nil).is(t, 200)
	if a.count("kind=netboot.flasher.armed") != 1 {
		t.Error("a HEAD counts as a boot")
	}
	a.boot()
	if n := a.count("kind=netboot.flasher.armed"); n != 1 {
		t.Errorf("%d armed events", n)
	}
	if e := a.events("kind=netboot.flasher.armed")[0]; !strings.Contains(e["summary"].(string), "saw_flasher_boot") || e["source_ip"] != nil || e["details"] != nil {
		t.Errorf("%v", e)
	}
	if !starts(a.script()) || a.offered("netboot.pxe.offered")["retry_after_armed_no_done"] != true {
		t.Error("armed without completion is tried again")
	}
	put(a, mac1, `{}`)
	seen := a.machine(mac1)["last_seen_at"]
	a.boot()
	if after := a.machine(mac1); after["last_seen_at"] == seen || after["cycle"].(map[string]any)["armed"] != false {
		t.Errorf("a mode that never arms: %v", after)
	}
	a.anonymous("GET", "/boot/bty-live-x86_64.vmlinuz?mac=nonsense", nil).is(t, 200, "kernel")
	a.anonymous("GET", "/boot/bty-live-x86_64.vmlinuz?mac="+mac2, nil).is(t, 200, "kernel")
	if n := len(a.do("GET", "/machines", nil).list(t)); n != 1 {
		t.Error("a fetch made a machine")
	}
}

func TestModesAlternateOrStay(t *testing.T) {
	a := start(t, nil)
	a.live()
	bind(a, "bty-flash-always")
	for range 2 {
		if !starts(a.script()) {
			t.Fatal("flash-always flashes")
		}
		a.boot()
		a.plan()
		a.report("done")
		if starts(a.script()) {
			t.Fatal("then it boots the disk")
		}
		if d := a.offered("netboot.pxe.offered"); d["sanboot_after_flash"] != true || d["offer"] != "sanboot" || d["offer_kind"] != "bty-flash-always-sanboot" || d["sanboot_drive"] != "0x80" {
			t.Errorf("%v", d)
		}
	}
	bind2 := a.machine(mac1)["bty_image_ref"].(string)
	put(a, mac1, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q,"target_disk_serial":"SER1"}`, bind2))
	if !starts(a.script()) {
		t.Fatal("a change of mode arms")
	}
	a.boot()
	a.report("done")
	for range 5 {
		if starts(a.script()) {
			t.Fatal("flash-once flashes once")
		}
	}
	put(a, mac1, `{"boot_mode":"bty-inventory"}`)
	for range 2 {
		if !starts(a.script()) {
			t.Fatal("inventory starts the live environment")
		}
		a.boot()
		if plan := a.plan(); plan["mode"] != "inventory" {
			t.Errorf("%v", plan)
		}
		a.anonymous("POST", "/pxe/"+mac1+"/inventory", jsonText(`{}`)).is(t, 204)
		if starts(a.script()) || a.offered("netboot.pxe.offered")["after_inventory"] != true {
			t.Fatal("then it boots the disk")
		}
	}
}

func TestStatus(t *testing.T) {
	a := start(t, nil)
	a.live()
	bind(a, "bty-flash-once")
	a.script()
	a.boot()
	a.anonymous("POST", "/pxe/"+mac1+"/status", map[string]any{"status": "failed", "reason": "  digest mismatch \n"}).is(t, 204)
	m := a.machine(mac1)
	if m["last_flashed_at"] != nil || m["cycle"].(map[string]any)["reason"] != "digest mismatch" {
		t.Errorf("%v", m)
	}
	if e := a.events("kind=machine.flash_failed")[0]; !reflect.DeepEqual(e["details"], map[string]any{"reason": "digest mismatch"}) {
		t.Errorf("%v", e)
	}
	if starts(a.script()) || a.plan()["mode"] != "exit" {
		t.Error("failed is not tried again")
	}
	a.report("done")
	a.anonymous("POST", "/pxe/"+mac1+"/done", nil).is(t, 204) // clients up to 0.60
	if n := a.count("kind=machine.flashed"); n != 2 || a.machine(mac1)["boot_mode"] != "bty-flash-once" {
		t.Errorf("%d machine.flashed", n)
	}
	for _, body := range []string{`{"status":"started"}`, `{}`, `{"status":null}`, `{"status":"done","x":1}`, `{"status":"failed","reason":null}`, `{"status":"failed","reason":5}`,
		`{"status":"failed","reason":"` + strings.Repeat("x", 501) + `"}`} {
		a.anonymous("POST", "/pxe/"+mac1+"/status", jsonText(body)).is(t, 422)
	}
	a.anonymous("POST", "/pxe/"+mac1+"/status", "status=ramboot.up", "Content-Type", "application/x-www-form-urlencoded").is(t, 422)
	for signal, send := range map[string]func() reply{
		"done":      func() reply { return a.anonymous("POST", "/pxe/"+mac2+"/done", nil) },
		"failed":    func() reply { return a.anonymous("POST", "/pxe/"+mac2+"/status", jsonText(`{"status":"failed"}`)) },
		"inventory": func() reply { return a.anonymous("POST", "/pxe/"+mac2+"/inventory", jsonText(`{"disks":[]}`)) },
	} {
		send().is(t, 404, "no machine record for "+mac2)
		if d := a.offered("pxe.client.orphan"); d["signal"] != signal {
			t.Errorf("%v", d)
		}
	}
	a.do("GET", "/machines/"+mac2, nil).is(t, 404)
}

func TestInventory(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil)
	post := func(body any, status int) reply {
		t.Helper()
		return a.anonymous("POST", "/pxe/"+mac1+"/inventory", body).is(t, status)
	}
	post(jsonText(`{"disks":[{"path":"/dev/sda","serial":"S1","removable":"yes","readonly":1,"type":"disk","mountpoints":[null]}],"lshw":{"b":1,"a":12345678901234567890}}`), 204)
	disks := a.do("GET", "/machines/"+mac1+"/disks.json", nil).is(t, 200)
	want := []any{map[string]any{"path": "/dev/sda", "size": nil, "vendor": nil, "model": nil, "serial": "S1", "tran": nil, "removable": true, "readonly": true}}
	if got := disks.list(t); !reflect.DeepEqual(got, want) || !reflect.DeepEqual(a.machine(mac1)["known_disks"], want) {
		t.Errorf("%v", got)
	}
	if at := disks.Header.Get("Content-Disposition"); at != `attachment; filename="52-54-00-00-00-01-disks.json"` {
		t.Error(at)
	}
	lshw := a.do("GET", "/machines/"+mac1+"/lshw.json", nil).is(t, 200)
	if strings.Contains(lshw.Header.Get("Content-Disposition"), ":") || !strings.HasPrefix(lshw.body, `{"a":`) {
		t.Errorf("%q %s", lshw.Header.Get("Content-Disposition"), lshw.body)
	}
	post(jsonText(`{"disks":[]}`), 204)
	if got := a.do("GET", "/machines/"+mac1+"/disks.json", nil).is(t, 200); got.body != "[]" {
		t.Error(got.body)
	}
	large, _ := json.Marshal(map[string]any{"lshw": map[string]string{"x": strings.Repeat("y", 5<<20)}})
	post(jsonText(large), 204)
	if d := a.events("kind=machine.inventory")[0]["details"].(map[string]any); d["lshw"] != false {
		t.Errorf("%v", d)
	}
	if again := a.do("GET", "/machines/"+mac1+"/lshw.json", nil); again.body != lshw.body {
		t.Error("what was known is gone")
	}
	many := `{"disks":[` + strings.Repeat(`{"path":"/dev/sda"},`, 64) + `{"path":"x"}]}`
	for _, test := range []struct{ body, kind, loc string }{
		{`{"disks":[],"extra":1}`, "extra_forbidden", "body extra"},
		{`{"disks":null}`, "list_type", "body disks"},
		{`{"disks":{}}`, "list_type", "body disks"},
		{`{"disks":[5]}`, "model_attributes_type", "body disks 0"},
		{`{"disks":[{}]}`, "missing", "body disks 0 path"},
		{`{"disks":[{"path":"x"},{"path":5}]}`, "string_type", "body disks 1 path"},
		{`{"disks":[{"path":"` + strings.Repeat("x", 256) + `"}]}`, "string_too_long", "body disks 0 path"},
		{`{"disks":[{"path":"x","size":5}]}`, "string_type", "body disks 0 size"},
		{`{"disks":[{"path":"x","removable":null}]}`, "bool_type", "body disks 0 removable"},
		{`{"disks":[{"path":"x","removable":2}]}`, "bool_parsing", "body disks 0 removable"},
		{`{"disks":[{"path":"x","readonly":"maybe"}]}`, "bool_parsing", "body disks 0 readonly"},
		{`{"lshw":"x"}`, "dict_type", "body lshw"},
		{many, "too_long", "body disks"},
	} {
		p := problems(t, post(jsonText(test.body), 422))[0]
		if p["type"] != test.kind || place(p) != test.loc {
			t.Errorf("%.50s: %v at %s", test.body, p["type"], place(p))
		}
	}
	for _, body := range []string{`{}`, `{"lshw":null}`, `{"lshw":[]}`, `{"lshw":[{"id":"x"}]}`} {
		post(jsonText(body), 204)
	}
	post(jsonText(`{"disks":[],"lshw":{"x":"`+strings.Repeat("y", 17<<20)+`"}}`), http.StatusRequestEntityTooLarge)
	a.alive()
}

func TestProgress(t *testing.T) {
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil)
	a.anonymous("POST", "/pxe/"+mac1+"/progress", jsonText(`{"stage":"write","bytes":50,"total":200,"rate":12.5}`)).is(t, 204)
	p := a.machine(mac1)["progress"].(map[string]any)
	if p["stage"] != "write" || p["bytes"] != 50.0 || p["total"] != 200.0 || p["rate"] != 12.5 || p["at"] == nil || p["stage_at"] == nil {
		t.Errorf("%v", p)
	}
	a.do("GET", "/ui/machines", nil).is(t, 200, "write", `value="25"`)
	a.anonymous("POST", "/pxe/"+mac1+"/progress", jsonText(`{"stage":"write","bytes":4611686018427387904,"total":1}`)).is(t, 204)
	a.do("GET", "/ui/machines", nil).is(t, 200, `value="100"`)
	for _, body := range []string{`{}`, `{"stage":""}`, `{"stage":"Write"}`, `{"stage":"a b"}`, `{"stage":5}`, `{"stage":"w","bytes":-1}`, `{"stage":"w","bytes":"1"}`, `{"stage":"w","rate":null}`,
		`{"stage":"w","total":1e300}`, `{"stage":"w","x":1}`} {
		a.anonymous("POST", "/pxe/"+mac1+"/progress", jsonText(body)).is(t, 422)
	}
	a.anonymous("POST", "/pxe/"+mac2+"/progress", jsonText(`{"stage":"write"}`)).is(t, 404)
	a.restart()
	a.eventually("the stage is known again after a restart", func() bool {
		p, _ := a.machine(mac1)["progress"].(map[string]any)
		return p["stage"] == "write"
	})
	a.script() // the machine starts over
	if p := a.machine(mac1)["progress"]; p != nil {
		t.Errorf("%v", p)
	}
}
