package contract

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func TestSection03_Discovery(t *testing.T) {
	c := on(t)
	byScript, byPlan := c.FreshMAC(), c.FreshMAC()
	c.Script(byScript)
	c.Plan(byPlan)
	for _, mac := range []string{byScript, byPlan} {
		m := c.Machine(mac)
		for key, want := range map[string]any{"mac": mac, "boot_mode": "bty-inventory", "bty_image_ref": nil, "sanboot_drive": nil, "target_disk_serial": nil,
			"last_flashed_at": nil, "known_disks": nil, "known_disks_at": nil, "labels": []any{}} {
			if !reflect.DeepEqual(m[key], want) {
				t.Errorf("%s is %v, want %v", key, m[key], want)
			}
		}
		if m["discovered_at"] == nil || m["last_seen_at"] == nil || m["last_seen_ip"] == nil || m["created_at"] == nil {
			t.Errorf("%v", m)
		}
	}
}

func TestSection03_ContactsAreNoted(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	if m := c.Put(mac, `{}`); m["discovered_at"] != nil || m["last_seen_at"] != nil || m["last_seen_ip"] != nil {
		t.Errorf("a machine that was only entered was seen: %v", m)
	}
	last := ""
	kernel := c.Live("vmlinuz")
	for name, contact := range map[string]func(){
		"script":    func() { c.Script(mac) },
		"plan":      func() { c.Plan(mac) },
		"boot file": func() { c.Anonymous("GET", "/boot/"+kernel+"?mac="+mac, nil).Is(200) },
		"inventory": func() { c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{}`)).Is(204) },
		"status":    func() { c.Report(mac, "failed") },
	} {
		contact()
		m := c.Machine(mac)
		if seen := fmt.Sprint(m["last_seen_at"]); seen == last || m["last_seen_ip"] == nil {
			t.Errorf("%s: last seen %s as before, from %v", name, seen, m["last_seen_ip"])
		} else {
			last = seen
		}
	}
	if m := c.Machine(mac); m["discovered_at"] == nil {
		t.Error("the first contact of a machine that was entered discovers it")
	}
	if len(c.Of(mac, "machine.discovered")) != 0 {
		t.Error("and is no event")
	}
	unknown := c.FreshMAC()
	c.Anonymous("GET", "/boot/"+kernel+"?mac="+unknown, nil).Is(200)
	c.Do("GET", "/machines/"+unknown, nil).Is(404)
}

func TestSection03_Put(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	made := c.Put(mac, `{"labels":["x"],"sanboot_drive":"0x81"}`)
	if again := c.Put(mac, `{"labels":["y"]}`); again["created_at"] != made["created_at"] || fmt.Sprint(again["labels"]) != "[y]" || again["sanboot_drive"] != nil {
		t.Errorf("%v", again)
	}
	if len(c.Of(mac, "machine.created")) != 1 || len(c.Of(mac, "machine.upserted")) != 1 {
		t.Error("the first PUT creates, the second upserts")
	}
	c.Do("DELETE", "/machines/"+mac, nil).Is(204)
	c.Do("DELETE", "/machines/"+mac, nil).Detail(404, "no machine record for "+mac)
	if e := c.Of(mac, "machine.deleted"); len(e) != 1 || e[0]["details"] != nil || e[0]["actor"] != "operator" {
		t.Errorf("%v", e)
	}
	if back := c.Put(mac, `{}`); len(items(back["labels"])) != 0 {
		t.Errorf("labels came back: %v", back["labels"])
	}
}

func TestSection03_ListIsOrdered(t *testing.T) {
	c := on(t)
	for range 3 {
		c.Put(c.FreshMAC(), `{}`)
	}
	last := ""
	for _, m := range c.Do("GET", "/machines", nil).List() {
		if mac := obj(m)["mac"].(string); mac <= last {
			t.Errorf("%s after %s", mac, last)
		} else {
			last = mac
		}
	}
}

// TestSection03_Decisions is the table of 3.6, row by row, as a black box.
func TestSection03_Decisions(t *testing.T) {
	type row struct {
		name  string
		setup func(c Caller, mac string) map[string]any // returns the image's entry, if there is one
		live  bool                                      // the script starts a live environment
		drive string                                    // the disk that it boots, "" if it does not
		kind  string                                    // offer_kind
		extra map[string]any                            // what the details hold beside
	}
	flash := func(mode string, steps ...func(c Caller, mac string)) func(Caller, string) map[string]any {
		return func(c Caller, mac string) map[string]any {
			entry := c.Bind(mac, mode)
			for _, step := range steps {
				step(c, mac)
			}
			return entry
		}
	}
	put := func(body string, steps ...func(c Caller, mac string)) func(Caller, string) map[string]any {
		return func(c Caller, mac string) map[string]any {
			c.Put(mac, body)
			for _, step := range steps {
				step(c, mac)
			}
			return nil
		}
	}
	script := func(c Caller, mac string) { c.Script(mac) }
	boot := func(c Caller, mac string) { c.Boot(mac) }
	done := func(c Caller, mac string) { c.Report(mac, "done") }
	inventory := func(c Caller, mac string) {
		c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{"disks":[]}`)).Is(204)
	}
	orphan := strings.Repeat("0f", 32)
	for _, row := range []row{
		{"tui", put(`{"boot_mode":"bty-tui"}`), true, "", "bty-tui", map[string]any{"offer": "bty-tui"}},
		{"tui armed by nothing", put(`{"boot_mode":"bty-tui"}`, script, boot), true, "", "bty-tui", nil},
		{"inventory", put(`{"boot_mode":"bty-inventory"}`), true, "", "bty-inventory", map[string]any{"offer": "bty-inventory"}},
		{"inventory armed", put(`{"boot_mode":"bty-inventory"}`, script, boot), true, "", "bty-inventory", map[string]any{"retry_after_armed_no_post": true}},
		{"inventory armed and inventoried", put(`{"boot_mode":"bty-inventory","sanboot_drive":"0x82"}`, script, boot, inventory), false, "0x82", "bty-inventory-sanboot",
			map[string]any{"offer": "sanboot", "sanboot_drive": "0x82", "after_inventory": true}},
		{"ipxe-exit", put(`{}`), false, "0x80", "ipxe-exit", map[string]any{"offer": "sanboot", "sanboot_drive": "0x80"}},
		{"ipxe-exit with a drive", put(`{"sanboot_drive":"0x81"}`), false, "0x81", "ipxe-exit", map[string]any{"sanboot_drive": "0x81"}},
		{"flash-once", flash("bty-flash-once"), true, "", "bty-flash-once", map[string]any{"offer": "bty-flash-once", "target_disk_serial": "SER1"}},
		{"flash-once armed", flash("bty-flash-once", script, boot), true, "", "bty-flash-once", map[string]any{"retry_after_armed_no_done": true}},
		{"flash-once flashed", flash("bty-flash-once", script, boot, done), false, "0x80", "bty-flash-once-sanboot", map[string]any{"offer": "sanboot", "sanboot_drive": "0x80", "sanboot_after_flash": true}},
		{"flash-once flashed, again", flash("bty-flash-once", script, boot, done, script, script), false, "0x80", "bty-flash-once-sanboot", map[string]any{"sanboot_after_flash": true}},
		{"flash-always", flash("bty-flash-always"), true, "", "bty-flash-always", map[string]any{"offer": "bty-flash-always"}},
		{"flash-always armed", flash("bty-flash-always", script, boot), true, "", "bty-flash-always", map[string]any{"retry_after_armed_no_done": true}},
		{"flash-always flashed", flash("bty-flash-always", script, boot, done), false, "0x80", "bty-flash-always-sanboot", map[string]any{"sanboot_after_flash": true}},
		{"flash-always flashed, next", flash("bty-flash-always", script, boot, done, script), true, "", "bty-flash-always", nil},
		{"no serial", func(c Caller, mac string) map[string]any {
			entry := c.Image("x.img")
			c.Put(mac, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q}`, entry["bty_image_ref"]))
			return nil
		}, false, "", "exit-fallback", map[string]any{"offer": "exit-fallback", "reason": "no_target_disk", "boot_mode": "bty-flash-once"}},
		{"orphan", put(`{"boot_mode":"bty-flash-always","bty_image_ref":"` + orphan + `","target_disk_serial":"S"}`), false, "", "exit-fallback",
			map[string]any{"offer": "exit-fallback", "reason": "orphan_ref", "bty_image_ref": orphan}},
		{"orphan without serial", put(`{"boot_mode":"bty-flash-always","bty_image_ref":"` + orphan + `"}`), false, "", "exit-fallback", map[string]any{"reason": "orphan_ref"}},
		{"no ref", put(`{"boot_mode":"bty-flash-once","target_disk_serial":"S","sanboot_drive":"0x85"}`), false, "0x80", "unknown", map[string]any{"offer": "unknown"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := on(t)
			c.Live("vmlinuz")
			mac := c.FreshMAC()
			entry := row.setup(c, mac)
			before := len(c.Of(mac, "netboot.pxe.offered"))
			got := c.Script(mac)
			if Starts(got) != row.live {
				t.Errorf("starts the live environment: %v\n%s", !row.live, got)
			}
			if row.drive != "" && !strings.Contains(got, "--drive "+row.drive) || row.drive == "" && strings.Contains(got, "sanboot ") {
				t.Errorf("want the disk %q\n%s", row.drive, got)
			}
			if after := len(c.Of(mac, "netboot.pxe.offered")); after != before+1 {
				t.Errorf("%d offers recorded for one", after-before)
			}
			details := c.Offered(mac)
			if details["offer_kind"] != row.kind || details["boot_mode"] != c.Machine(mac)["boot_mode"] {
				t.Errorf("offer_kind %v, want %s: %v", details["offer_kind"], row.kind, details)
			}
			if entry != nil && row.live && (details["bty_image_ref"] != entry["bty_image_ref"] || details["image_name"] != entry["name"]) {
				t.Errorf("the image is not named: %v", details)
			}
			for key, want := range row.extra {
				if !reflect.DeepEqual(details[key], want) {
					t.Errorf("%s is %v, want %v", key, details[key], want)
				}
			}
		})
	}
}

// TestSection03_StickySignals is the weakness of 3.6 that is mended here.
func TestSection03_StickySignals(t *testing.T) {
	c := on(t)
	differs(t, "a completion counts only if it is newer than the start of the cycle, and a reported failure is a state of its own")
	mac := c.FreshMAC()
	c.Bind(mac, "bty-flash-always")
	cycle := func() {
		c.Script(mac)
		c.Boot(mac)
	}
	cycle()
	c.Report(mac, "done")
	c.Script(mac) // boots the disk; the next cycle begins
	cycle()
	if !Starts(c.Script(mac)) {
		t.Error("the completion of the cycle before booted a half-written disk")
	}
	c.Boot(mac)
	c.Report(mac, "failed")
	if Starts(c.Script(mac)) || c.Plan(mac)["mode"] != "exit" {
		t.Error("a failed machine is left to its disk until it is armed")
	}
	c.Do("POST", "/api/v1/machines/"+mac+"/arm", nil).Is(200)
	if !Starts(c.Script(mac)) {
		t.Error("armed, it is flashed")
	}
}

func TestSection03_ArmingIsAnAct(t *testing.T) {
	c := on(t)
	differs(t, "arming is an act or a change, never a side effect of saving")
	mac := c.FreshMAC()
	c.Bind(mac, "bty-flash-once")
	c.Script(mac)
	c.Boot(mac)
	c.Report(mac, "done")
	same := c.Machine(mac)
	body := fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q,"target_disk_serial":"SER1"}`, same["bty_image_ref"])
	for range 100 {
		if got := c.Put(mac, body); got["last_flashed_at"] != same["last_flashed_at"] {
			t.Fatal("an identical PUT changed a fact")
		}
	}
	if Starts(c.Script(mac)) {
		t.Error("an identical PUT armed")
	}
}

// TestSection03_DiscoveryUnderLoad: many first contacts at once make one machine and one event.
func TestSection03_DiscoveryUnderLoad(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	var work sync.WaitGroup
	for i := range 16 {
		work.Go(func() {
			path := "/pxe/" + mac
			if i%2 == 1 {
				path += "/plan"
			}
			if answer, err := c.try("GET", path, nil, nil, ""); err != nil || answer.StatusCode != 200 {
				t.Errorf("%v %s", err, answer.Body)
			}
		})
	}
	work.Wait()
	if n := len(c.Of(mac, "machine.discovered")); n != 1 {
		t.Errorf("%d discoveries", n)
	}
}

func TestSection03_Form(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	entry := c.Image("form.img")
	c.Do("POST", "/ui/machines/"+mac, FormOf("bty_image_ref", entry["bty_image_ref"].(string), "labels", " b, A ,,a, b ", "boot_mode", "bty-flash-once",
		"sanboot_drive", "", "target_disk_serial", "S1")).Leads("/ui/machines*")
	m := c.Machine(mac)
	if m["boot_mode"] != "bty-flash-once" || m["bty_image_ref"] != entry["bty_image_ref"] || m["target_disk_serial"] != "S1" || m["sanboot_drive"] != nil || fmt.Sprint(m["labels"]) != "[A b]" {
		t.Errorf("%v", m)
	}
	c.Do("POST", "/ui/machines/"+mac, FormOf("boot_mode", "bty-flash-once", "bty_image_ref", entry["bty_image_ref"].(string))).Leads("/ui/machines/" + mac + "?error=*")
	c.Do("POST", "/ui/machines/"+mac, FormOf("labels", ".bad")).Leads("/ui/machines/" + mac + "?error=*")
	if got := c.Machine(mac)["boot_mode"]; got != "bty-flash-once" {
		t.Errorf("a refused form changed the mode to %v", got)
	}
	c.Do("POST", "/ui/machines/"+mac, FormOf("labels", "x")).Leads("/ui/machines*")
	if m := c.Machine(mac); m["boot_mode"] != "ipxe-exit" || m["bty_image_ref"] != nil {
		t.Errorf("the form replaces everything: %v", m)
	}
	c.Do("POST", "/ui/machines/"+mac+"/delete", nil).Leads("/ui/machines?deleted=*")
	c.Do("POST", "/ui/machines/"+mac+"/delete", nil).Leads("/ui/machines?missing=*")
	c.Do("POST", "/ui/machines/nonsense/delete", nil).Is(400)
	c.Do("POST", "/ui/machines/nonsense", FormOf()).Is(400)
}
