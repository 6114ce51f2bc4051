package main

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// hiddenOf reads the hidden fields of the form that posts to a path.
func hiddenOf(t testing.TB, page, action string) url.Values {
	t.Helper()
	_, form, found := strings.Cut(page, `action="`+action+`"`)
	if !found {
		t.Fatalf("no form posts to %s: %.2000s", action, page)
	}
	form, _, _ = strings.Cut(form, "</form>")
	v := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(form, -1) {
		v.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return v
}

// A rule from the empty list to the flash and away again, without a script: what would change is
// shown before each change, and the change is what was shown.
func TestRulesPages(t *testing.T) {
	files := origin(t, map[string]string{"/debian.img": "image"})
	a := start(t, nil)
	a.live()
	ref := a.image(files + "/debian.img")
	a.discover(mac1, "SER1", "Dell Inc.")
	a.do("GET", "/ui/rules", nil).is(t, 200, "No rules yet", "Make the first rule", `aria-current="page"`)
	a.do("GET", "/ui/rules/new", nil).is(t, 200, "Show what would change")
	typed := url.Values{"change": {"create"}, "name": {"Dells & more"}, "vendor": {"dell*"}, "labels": {""}, "boot_mode": {"bty-flash-once"}, "bty_image_ref": {ref}, "target_pick": {"only"}, "mac_prefix": {"zz"}}
	a.do("POST", "/ui/rules/preview", typed).is(t, 422, "mac_prefix", `value="Dells &amp; more"`, `value="dell*"`, "selected>the only one")
	for _, wrong := range []struct{ id, name, says string }{{"", " ", "has no name"}, {"", "a\nb", "String should match pattern"}, {"1.9", "x", "whole number"}, {"NaN", "x", "whole number"}} {
		change := map[bool]string{true: "create", false: "edit"}[wrong.id == ""]
		a.do("POST", "/ui/rules/apply", url.Values{"change": {change}, "id": {wrong.id}, "name": {wrong.name}, "boot_mode": {"ipxe-exit"}}).is(t, 422, wrong.says)
	}
	typed.Set("mac_prefix", "5254.00")
	shown := a.do("POST", "/ui/rules/preview", typed).is(t, 200, "1 machine boots otherwise", mac1, "debian.img", "SER1", "Edit again")
	if n := len(a.do("GET", "/api/v1/rules", nil).object(t)["rules"].([]any)); n != 0 {
		t.Error("showing what would change stored a rule")
	}
	back := regexp.MustCompile(`href="(/ui/rules/new\?[^"]*)"`).FindStringSubmatch(shown.body)
	a.do("GET", html.UnescapeString(back[1]), nil).is(t, 200, `value="Dells &amp; more"`, `value="5254.00"`)
	saved := a.do("POST", "/ui/rules/apply", hiddenOf(t, shown.body, "/ui/rules/apply")).is(t, 303)
	a.do("GET", saved.Header.Get("Location"), nil).is(t, 200, "The rule is added", "Dells &amp; more", "vendor dell*", "MAC 52:54:00", "bty-flash-once, debian.img, on the only disk", "1 machine")
	a.do("GET", "/ui/machines/"+mac1, nil).is(t, 200, `by rule <a href="/ui/rules/1">Dells &amp; more</a>`, "Let rules decide", "Script for its firmware", "it matches", `&#34;mode&#34;: &#34;flash&#34;`)

	second := a.do("POST", "/ui/rules/preview", url.Values{"change": {"create"}, "name": {"all exit"}, "boot_mode": {"ipxe-exit"}}).is(t, 200, "No machine's next boot changes")
	a.do("POST", "/ui/rules/apply", hiddenOf(t, second.body, "/ui/rules/apply")).is(t, 303)
	moved := a.do("POST", "/ui/rules/preview", url.Values{"change": {"order"}, "ids": {"2,1"}}).is(t, 200, "1 machine boots otherwise", "ipxe-exit")
	r := a.do("POST", "/ui/rules/apply", hiddenOf(t, moved.body, "/ui/rules/apply")).is(t, 303)
	a.do("GET", r.Header.Get("Location"), nil).is(t, 200, "The order is saved")
	if m := a.machine(mac1); m["boot_mode"] != "ipxe-exit" {
		t.Errorf("%v", m["boot_mode"])
	}
	a.do("GET", "/ui/rules/2", nil).is(t, 200, "Rule: all exit", "Delete")
	gone := a.do("POST", "/ui/rules/preview", url.Values{"change": {"delete"}, "id": {"2"}}).is(t, 200, "Delete the rule", "1 machine boots otherwise")
	a.do("POST", "/ui/rules/apply", hiddenOf(t, gone.body, "/ui/rules/apply")).is(t, 303)
	a.do("GET", "/ui/rules/2", nil, "Accept", "text/html").is(t, 404, "no rule with id 2")
	def := a.do("POST", "/ui/rules/preview", url.Values{"change": {"default"}, "boot_mode": {"bty-tui"}}).is(t, 200, "No machine's next boot changes")
	a.do("POST", "/ui/rules/apply", hiddenOf(t, def.body, "/ui/rules/apply")).is(t, 303)
	a.do("GET", "/ui/rules/default", nil).is(t, 200, `value="bty-tui" selected`)

	// Its own setting, and back.
	a.do("POST", "/ui/machines/"+mac1, url.Values{"boot_mode": {"bty-inventory"}}).is(t, 303)
	a.do("GET", "/ui/machines/"+mac1, nil).is(t, 200, "set for this machine")
	asked := a.do("POST", "/ui/machines/"+mac1+"/preview", url.Values{"boot_mode": {"by-rule"}, "labels": {"lab"}}).is(t, 200, "1 machine boots otherwise", "bty-flash-once")
	a.do("POST", "/ui/machines/"+mac1, hiddenOf(t, asked.body, "/ui/machines/"+mac1)).is(t, 303)
	if m := a.machine(mac1); m["boot_mode"] != "bty-flash-once" || m["own"].(map[string]any)["boot_mode"] != nil || m["labels"].([]any)[0] != "lab" {
		t.Errorf("%v", m)
	}
	// A mode of its own, the disk by the rule: allowed here, refused where no rule knows one.
	a.do("POST", "/ui/machines/"+mac1, url.Values{"boot_mode": {"bty-flash-always"}}).is(t, 303)
	if m := a.machine(mac1); m["target_disk_serial"] != "SER1" || m["boot_mode"] != "bty-flash-always" {
		t.Errorf("%v", m)
	}
	refused := a.do("POST", "/ui/machines/"+mac2, url.Values{"boot_mode": {"bty-flash-always"}}).is(t, 303)
	if where := refused.Header.Get("Location"); !strings.Contains(where, "error=boot%20mode%20bty-flash-always") {
		t.Errorf("to %s", where)
	}
	a.anonymous("GET", "/ui/rules", nil).is(t, 303)
	a.anonymous("POST", "/ui/rules/apply", url.Values{"change": {"delete"}, "id": {"1"}}).is(t, 303)
	if n := len(a.do("GET", "/api/v1/rules", nil).object(t)["rules"].([]any)); n != 1 {
		t.Errorf("%d rules", n)
	}
}

func TestBulkPages(t *testing.T) {
	files := origin(t, map[string]string{"/debian.img": "image"})
	a := start(t, nil)
	ref := a.image(files + "/debian.img")
	a.discover(mac1, "SER1", "Dell Inc.")
	a.discover(mac2, "", "Dell Inc.")
	a.do("GET", "/ui/machines", nil).is(t, 200, `name="mac" value="`+mac1+`"`, "Act on all 2 of this list", `action="/ui/bulk"`)
	a.do("GET", "/ui/bulk?mac="+mac1+"&mac="+mac2, nil).is(t, 200, "2 machines", "Show what would happen", mac2)
	set := url.Values{"mac": {mac1, mac2}, "action": {"set"}, "boot_mode": {"bty-flash-once"}, "bty_image_ref": {ref}, "target_pick": {"only"}, "add_labels": {"rack 1, rack 1"}}
	shown := a.do("POST", "/ui/bulk/preview", set).is(t, 200, "Change 1 machine?", "Do it for 1 machine", "has no serial", "debian.img", "rack 1")
	done := a.do("POST", "/ui/bulk", hiddenOf(t, shown.body, "/ui/bulk")).is(t, 200, "1 machine changed, 0 unchanged, 1 refused", "Back to the machines")
	if !strings.Contains(done.body, "refused") || a.machine(mac1)["target_disk_serial"] != "SER1" {
		t.Errorf("%v", a.machine(mac1))
	}
	a.do("POST", "/ui/bulk/preview", url.Values{"mac": {mac1}, "action": {"set"}}).is(t, 422, "set changes nothing", `value="`+mac1+`"`)
	a.do("POST", "/ui/bulk/preview", url.Values{"mac": {mac1}, "action": {"fly"}}).is(t, 422, "action")
	none := a.do("GET", "/ui/bulk", nil).is(t, 303)
	a.do("GET", none.Header.Get("Location"), nil).is(t, 200, "no machine is selected")
	all := a.do("POST", "/ui/bulk/preview", url.Values{"all": {"1"}, "q": {"rack"}, "action": {"release"}}).is(t, 200, "Let rules decide for 1 machine?")
	a.do("POST", "/ui/bulk", hiddenOf(t, all.body, "/ui/bulk")).is(t, 200, "1 machine changed")
	says(t, a.do("POST", "/ui/bulk/preview", url.Values{"all": {"1"}, "filter": {"discoverd"}, "action": {"delete"}}).is(t, 303).Header.Get("Location"), "is%20no%20filter")
	forget := a.do("POST", "/ui/bulk/preview", url.Values{"all": {"1"}, "filter": {"discovered"}, "action": {"delete"}}).is(t, 200, "Forget 2 machines?", "btn-danger")
	a.discover("52:54:00:00:00:77", "", "Dell Inc.") // which nobody was shown
	a.do("POST", "/ui/bulk", hiddenOf(t, forget.body, "/ui/bulk")).is(t, 422, "no longer has the machines that you were shown", "3 machines")
	a.do("DELETE", "/machines/52:54:00:00:00:77", nil).is(t, 204)
	a.do("POST", "/ui/bulk", hiddenOf(t, forget.body, "/ui/bulk")).is(t, 200, "2 machines changed", "/ui/machines?filter=discovered")
	if n := len(a.do("GET", "/machines", nil).list(t)); n != 0 {
		t.Errorf("%d machines are left", n)
	}
}

func TestTimelineOnThePage(t *testing.T) {
	a := start(t, nil)
	a.live()
	a.do("PUT", "/machines/"+mac2, map[string]any{}).is(t, 200)
	a.do("GET", "/ui/machines/"+mac2, nil).is(t, 200, "Last boot", "has not asked what to boot yet")
	a.anonymous("GET", "/pxe/"+mac1+"?via=tftp", nil).is(t, 200)
	a.anonymous("GET", "/boot/bty-live-x86_64.vmlinuz?mac="+mac1, nil).is(t, 200)
	a.do("GET", "/ui/machines/"+mac1, nil).is(t, 200, "Last boot", "Waiting for: Initrd", `<li class="current" aria-current="step">`, "by TFTP")
}
