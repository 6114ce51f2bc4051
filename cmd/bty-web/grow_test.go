package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// grows is what a plan says of growing.
func (a *appliance) grows() bool {
	a.Helper()
	said, isThere := a.plan()["grow"]
	if isThere && said != true {
		a.Errorf("a plan says grow: %v; want true, or no such key", said)
	}
	return isThere
}

// A machine says whether its last partition grows, where it does not its image does, and else the setting.
// Saying so starts no cycle.
func TestGrowOfMachineAndImage(t *testing.T) {
	for _, setting := range []bool{false, true} {
		a := start(t, map[string]string{"BTY_FLASH_GROW": fmt.Sprint(setting), "BTY_BOOT_MAX_ATTEMPTS": "1000"})
		a.live()
		entry := bind(a, "bty-flash-always")
		ref := entry["bty_image_ref"].(string)
		at := "/api/v1/images/" + ref
		set := func(own any) {
			a.do("PUT", "/machines/"+mac1, map[string]any{"boot_mode": "bty-flash-always", "bty_image_ref": ref, "target_disk_serial": "SER1", "grow": own}).is(t, 200)
		}
		a.boot()
		for _, own := range []any{nil, true, false} {
			for _, image := range []any{nil, true, false} {
				want := setting
				if image != nil {
					want = image == true
				}
				if own != nil {
					want = own == true
				}
				set(own)
				a.do("PUT", at, map[string]any{"grow": image}).is(t, 200)
				if a.grows() != want || a.machine(mac1)["grow"] != own || a.do("GET", at, nil).object(t)["grow"] != image {
					t.Errorf("machine %v, image %v, setting %v: %v; want %v", own, image, setting, a.plan(), want)
				}
			}
		}
		if cycle := a.machine(mac1)["cycle"].(map[string]any); cycle["attempts"] != 9.0 { // one for each plan
			t.Errorf("a new cycle: %v", cycle)
		}
	}
}

// A wizard is told what it begins with, and whether the image that is chosen there may change it.
func TestGrowOfWizards(t *testing.T) {
	a := start(t, map[string]string{"BTY_FLASH_GROW": "true"})
	for own, want := range map[any][2]any{nil: {true, nil}, true: {true, true}, false: {nil, true}} {
		a.do("PUT", "/machines/"+mac1, map[string]any{"boot_mode": "bty-tui", "grow": own}).is(t, 200)
		if plan := a.plan(); plan["mode"] != "interactive" || plan["grow"] != want[0] || plan["grow_set"] != want[1] {
			t.Errorf("%v: %v", own, plan)
		}
	}
}

// Clients that know no such key change nothing about it; null takes it away, and what is no truth is refused.
func TestGrowOfOldClients(t *testing.T) {
	a := start(t, nil)
	a.live()
	entry := bind(a, "bty-flash-always")
	at := "/api/v1/images/" + entry["bty_image_ref"].(string)
	body := func(more string) string {
		return fmt.Sprintf(`{"boot_mode":"bty-flash-always","bty_image_ref":%q,"target_disk_serial":"SER1"%s}`, entry["bty_image_ref"], more)
	}
	for _, said := range []string{"true", "false"} {
		put(a, mac1, body(`,"grow":`+said))
		put(a, mac1, body(""))
		a.do("POST", "/ui/machines/"+mac1, url.Values{"boot_mode": {"bty-flash-always"}, "bty_image_ref": {entry["bty_image_ref"].(string)}, "target_disk_serial": {"SER1"}}).is(t, 303)
		a.do("POST", "/api/v1/bulk", map[string]any{"action": "release", "query": ""}).is(t, 200, `"changed":1`)
		a.do("PUT", at, jsonText(`{"grow":`+said+`}`)).is(t, 200)
		a.do("PUT", at, jsonText(`{"description":"other"}`)).is(t, 200)
		if got, image := fmt.Sprint(a.machine(mac1)["grow"]), fmt.Sprint(a.do("GET", at, nil).object(t)["grow"]); got != said || image != said {
			t.Errorf("of %s a machine keeps %s and an image %s", said, got, image)
		}
	}
	for _, bad := range []string{`"maybe"`, `2`, `[]`} {
		if r := a.do("PUT", "/machines/"+mac1, jsonText(body(`,"grow":`+bad))).is(t, 422); !strings.Contains(r.body, `"grow"`) {
			t.Errorf("%s: %s", bad, r.body)
		}
		a.do("PUT", at, jsonText(`{"grow":`+bad+`}`)).is(t, 422)
	}
	put(a, mac1, body(`,"grow":null`))
	a.do("PUT", at, jsonText(`{"grow":null}`)).is(t, 200)
	if a.machine(mac1)["grow"] != nil || a.do("GET", at, nil).object(t)["grow"] != nil {
		t.Errorf("null does not take it away: %v", a.machine(mac1))
	}
	if e := a.events("subject_kind=machine&kind=machine.upserted&limit=1")[0]["details"].(map[string]any); e["grow"] != nil {
		t.Errorf("%v", e)
	}
	if e := a.events("kind=catalog.entry.changed&limit=1")[0]; fmt.Sprint(e["details"].(map[string]any)["changed"]) != "map[grow:map[new:<nil> old:false]]" {
		t.Errorf("%v", e)
	}
}

// The pages show what is said and who decided, take it, and say beforehand what it changes.
func TestGrowOnPages(t *testing.T) {
	a := start(t, nil)
	a.live()
	entry := bind(a, "bty-flash-always")
	ref := entry["bty_image_ref"].(string)
	machine, image := "/ui/machines/"+mac1, "/ui/images/"+ref
	shows := func(page string, texts ...string) {
		t.Helper()
		body := a.do("GET", page, nil).is(t, 200).body
		for _, text := range texts {
			if !strings.Contains(body, text) {
				t.Errorf("%s lacks %s", page, text)
			}
		}
	}
	form := func(grow string) url.Values {
		return url.Values{"boot_mode": {"bty-flash-always"}, "bty_image_ref": {ref}, "target_disk_serial": {"SER1"}, "grow": {grow}}
	}
	shows(machine, `<option value="" selected>as its image says, else the setting for all</option>`, `left as the image has it<span class="sub">the setting for all`)
	shows(image, `<option value="" selected>as the setting for all says</option>`)
	a.do("POST", image, url.Values{"grow": {"yes"}}).is(t, 303)
	shows(image, `<option value="yes" selected>yes</option>`)
	shows(machine, `grown to the end of the disk<span class="sub">set for its image`)
	if preview := a.do("POST", machine+"/preview", form("no")).is(t, 200).body; !strings.Contains(preview, "1 machine boots otherwise") || strings.Count(preview, "its last partition grown") != 1 ||
		!strings.Contains(preview, `<input type="hidden" name="grow" value="no">`) {
		t.Errorf("%s", preview)
	}
	if !a.grows() {
		t.Error("a preview has changed the plan")
	}
	a.do("POST", machine, form("no")).is(t, 303)
	shows(machine, `<option value="no" selected>no</option>`, `left as the image has it<span class="sub">set for this machine`)
	if a.grows() {
		t.Error("a machine that says no is to grow")
	}
	a.do("POST", machine, form("")).is(t, 303)
	a.do("POST", image, url.Values{"grow": {""}}).is(t, 303)
	if a.grows() || a.machine(mac1)["grow"] != nil {
		t.Errorf("%v", a.machine(mac1))
	}
	if at := a.do("POST", image, url.Values{"grow": {"kept"}}).is(t, 303).Header.Get("Location"); !strings.Contains(at, "error") {
		t.Errorf("%s", at)
	}
	if at := a.do("POST", machine, form("perhaps")).is(t, 303).Header.Get("Location"); !strings.Contains(at, "error") {
		t.Errorf("%s", at)
	}
}

// A catalog.toml says it for its images, and the one that is served does as well.
func TestGrowInCatalog(t *testing.T) {
	a := start(t, nil)
	src := origin(t, nil)
	entry := func(name, more string) string {
		return fmt.Sprintf("[[images]]\nname = %q\nsrc = %q\nsha256 = %q\n%s\n", name, src+"/"+name, strings.Repeat("ab", 32), more)
	}
	a.upload("catalog.toml", "version = 1\n"+entry("a.img", "grow = true")+entry("b.img", "grow = false")+entry("c.img", "unknown = 1")+entry("d.img", `grow = "later"`)).is(t, 303)
	served := a.do("GET", "/catalog.toml", nil).is(t, 200).body
	for name, want := range map[string]string{"a.img": "grow = true", "b.img": "grow = false", "c.img": ""} {
		_, of, found := strings.Cut(served, fmt.Sprintf("name = %q", name))
		of, _, _ = strings.Cut(of, "[[images]]")
		if !found || want != "" && !strings.Contains(of, want) || want == "" && strings.Contains(of, "grow") {
			t.Errorf("%s: %s", name, served)
		}
	}
	if strings.Contains(served, "d.img") {
		t.Errorf("what is to be done with d.img was guessed:\n%s", served)
	}
}
