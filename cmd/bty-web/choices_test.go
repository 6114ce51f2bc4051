package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// choices are the words of plans that a machine, its image and a setting decide, each with the setting
// and what the pages say of it.
var choices = map[string]struct{ variable, no, yes, previewed string }{
	"grow":   {"BTY_FLASH_GROW", "left as the image has it", "grown to the end of the disk", "its last partition grown"},
	"verify": {"BTY_FLASH_VERIFY", "no", "before the flash counts as done", "the disk read back"},
}

// eachChoice runs a test for each of them.
func eachChoice(t *testing.T, test func(t *testing.T, word string)) {
	for word := range choices {
		t.Run(word, func(t *testing.T) { test(t, word) })
	}
}

// wants is what a plan says of such a word. Where it says nothing, it does not have the word.
func (a *appliance) wants(word string) bool {
	a.Helper()
	said, isThere := a.plan()[word]
	if isThere && said != true {
		a.Errorf("a plan says %s: %v; want true, or no such key", word, said)
	}
	return isThere
}

// chosen is what a machine and its image say.
func (a *appliance) chosen(word, image string) (own, ofImage any) {
	a.Helper()
	return a.machine(mac1)[word], a.do("GET", image, nil).is(a, 200).object(a)[word]
}

// What a machine says counts, where it says nothing what its image says, and else the setting. Saying so
// starts no cycle.
func TestChoicesOfMachineAndImage(t *testing.T) {
	eachChoice(t, func(t *testing.T, word string) {
		for _, setting := range []bool{false, true} {
			a := start(t, map[string]string{choices[word].variable: fmt.Sprint(setting), "BTY_BOOT_MAX_ATTEMPTS": "1000"})
			a.live()
			ref := bind(a, "bty-flash-always")["bty_image_ref"].(string)
			at := "/api/v1/images/" + ref
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
					a.do("PUT", "/machines/"+mac1, map[string]any{"boot_mode": "bty-flash-always", "bty_image_ref": ref, "target_disk_serial": "SER1", word: own}).is(t, 200)
					a.do("PUT", at, map[string]any{word: image}).is(t, 200)
					if gotOwn, gotImage := a.chosen(word, at); a.wants(word) != want || gotOwn != own || gotImage != image {
						t.Errorf("machine %v, image %v, setting %v: %v, %v and %v; want %v", own, image, setting, a.plan(), gotOwn, gotImage, want)
					}
				}
			}
			if cycle := a.machine(mac1)["cycle"].(map[string]any); cycle["attempts"] != 9.0 { // one for each plan
				t.Errorf("a new cycle: %v", cycle)
			}
		}
	})
}

// A wizard is told what it begins with, and whether the image that is chosen there may change it.
func TestChoicesOfWizards(t *testing.T) {
	eachChoice(t, func(t *testing.T, word string) {
		a := start(t, map[string]string{choices[word].variable: "true"})
		for own, want := range map[any][2]any{nil: {true, nil}, true: {true, true}, false: {nil, true}} {
			a.do("PUT", "/machines/"+mac1, map[string]any{"boot_mode": "bty-tui", word: own}).is(t, 200)
			if plan := a.plan(); plan["mode"] != "interactive" || plan[word] != want[0] || plan[word+"_set"] != want[1] {
				t.Errorf("%v: %v", own, plan)
			}
		}
	})
}

// Clients that know no such key change nothing about it, nor do the form of an earlier page and rules that
// get the machine back; null takes it away, and what is no truth is refused.
func TestChoicesOfOldClients(t *testing.T) {
	eachChoice(t, func(t *testing.T, word string) {
		a := start(t, nil)
		a.live()
		ref := bind(a, "bty-flash-always")["bty_image_ref"].(string)
		at := "/api/v1/images/" + ref
		body := func(said string) jsonText {
			more := ""
			if said != "" {
				more = fmt.Sprintf(`,%q:%s`, word, said)
			}
			return jsonText(fmt.Sprintf(`{"boot_mode":"bty-flash-always","bty_image_ref":%q,"target_disk_serial":"SER1"%s}`, ref, more))
		}
		for said, is := range map[string]any{"true": true, "false": false} {
			a.do("PUT", "/machines/"+mac1, body(said)).is(t, 200)
			a.do("PUT", "/machines/"+mac1, body("")).is(t, 200)
			a.do("POST", "/ui/machines/"+mac1, url.Values{"boot_mode": {"bty-flash-always"}, "bty_image_ref": {ref}, "target_disk_serial": {"SER1"}}).is(t, 303)
			a.do("POST", "/api/v1/bulk", map[string]any{"action": "release", "query": ""}).is(t, 200, `"changed":1`)
			a.do("PUT", at, map[string]any{word: is}).is(t, 200)
			a.do("PUT", at, map[string]any{"description": "of " + said}).is(t, 200)
			if own, image := a.chosen(word, at); own != is || image != is {
				t.Errorf("of %s a machine keeps %v and an image %v", said, own, image)
			}
		}
		for _, bad := range []string{`"maybe"`, `2`, `[]`} {
			a.do("PUT", "/machines/"+mac1, body(bad)).is(t, 422, word)
			a.do("PUT", at, jsonText(fmt.Sprintf(`{%q:%s}`, word, bad))).is(t, 422, word)
		}
		a.do("PUT", at, map[string]any{word: false}).is(t, 200)
		a.do("PUT", "/machines/"+mac1, body("null")).is(t, 200)
		a.do("PUT", at, map[string]any{word: nil}).is(t, 200)
		if own, image := a.chosen(word, at); own != nil || image != nil {
			t.Errorf("null does not take it away: %v, %v", own, image)
		}
		if e := a.events("kind=catalog.entry.changed&limit=1")[0]; fmt.Sprint(e["details"].(map[string]any)["changed"]) != "map["+word+":map[new:<nil> old:false]]" {
			t.Errorf("%v", e)
		}
		a.do("PUT", "/machines/"+mac1, body("false")).is(t, 200)
		if e := a.events("kind=machine.upserted&limit=1")[0]["details"].(map[string]any); e[word] != false {
			t.Errorf("%v", e)
		}
	})
}

// The pages show what is said and who decided, take it, and say beforehand what it changes.
func TestChoicesOnPages(t *testing.T) {
	eachChoice(t, func(t *testing.T, word string) {
		says := choices[word]
		a := start(t, nil)
		a.live()
		ref := bind(a, "bty-flash-always")["bty_image_ref"].(string)
		machine, image, at := "/ui/machines/"+mac1, "/ui/images/"+ref, "/api/v1/images/"+ref
		shows := func(page string, texts ...string) {
			t.Helper()
			body := a.do("GET", page, nil).is(t, 200).body
			for _, text := range texts {
				if !strings.Contains(body, text) {
					t.Errorf("%s lacks %s", page, text)
				}
			}
		}
		selects := func(page, option string) {
			t.Helper()
			_, of, _ := strings.Cut(a.do("GET", page, nil).is(t, 200).body, `name="`+word+`"`)
			of, _, _ = strings.Cut(of, "</select>")
			if !strings.Contains(of, option) {
				t.Errorf("%s lacks %s: %s", page, option, of)
			}
		}
		form := func(said string) url.Values {
			return url.Values{"boot_mode": {"bty-flash-always"}, "bty_image_ref": {ref}, "target_disk_serial": {"SER1"}, word: {said}}
		}
		selects(machine, `<option value="" selected>as its image says, else the setting for all</option>`)
		selects(image, `<option value="" selected>as the setting for all says</option>`)
		shows(machine, says.no+`<span class="sub">the setting for all`)
		a.do("POST", image, url.Values{word: {"yes"}}).is(t, 303)
		selects(image, `<option value="yes" selected>yes</option>`)
		shows(machine, says.yes+`<span class="sub">set for its image`)
		preview := a.do("POST", machine+"/preview", form("no")).is(t, 200).body
		if !strings.Contains(preview, "1 machine boots otherwise") || strings.Count(preview, says.previewed) != 1 || !strings.Contains(preview, `<input type="hidden" name="`+word+`" value="no">`) {
			t.Errorf("%s", preview)
		}
		if !a.wants(word) {
			t.Error("a preview has changed the plan")
		}
		a.do("POST", machine, form("no")).is(t, 303)
		selects(machine, `<option value="no" selected>no</option>`)
		shows(machine, says.no+`<span class="sub">set for this machine`)
		if a.wants(word) {
			t.Error("a machine that says no is asked to")
		}
		a.do("POST", machine, form("")).is(t, 303)
		a.do("POST", image, url.Values{word: {""}}).is(t, 303)
		if own, ofImage := a.chosen(word, at); a.wants(word) || own != nil || ofImage != nil {
			t.Errorf("%v, %v", own, ofImage)
		}
		for _, bad := range []string{"kept", "perhaps"} {
			for page, fields := range map[string]url.Values{machine: form(bad), image: {word: {bad}}} {
				if to := a.do("POST", page, fields).is(t, 303).Header.Get("Location"); !strings.Contains(to, "error") {
					t.Errorf("%s: %s", bad, to)
				}
			}
		}
	})
}

// A catalog.toml says it for its images, and the one that is served does as well.
func TestChoicesInCatalog(t *testing.T) {
	eachChoice(t, func(t *testing.T, word string) {
		a := start(t, nil)
		src := origin(t, nil)
		entry := func(name, more string) string {
			return fmt.Sprintf("[[images]]\nname = %q\nsrc = %q\nsha256 = %q\n%s\n", name, src+"/"+name, strings.Repeat("ab", 32), more)
		}
		a.upload("catalog.toml", "version = 1\n"+entry("a.img", word+" = true")+entry("b.img", word+" = false")+entry("c.img", "unknown = 1")+entry("d.img", word+` = "later"`)).is(t, 303)
		served := a.do("GET", "/catalog.toml", nil).is(t, 200).body
		for name, want := range map[string]string{"a.img": word + " = true", "b.img": word + " = false", "c.img": ""} {
			_, of, found := strings.Cut(served, fmt.Sprintf("name = %q", name))
			of, _, _ = strings.Cut(of, "[[images]]")
			if !found || want != "" && !strings.Contains(of, want) || want == "" && strings.Contains(of, word) {
				t.Errorf("%s: %s", name, served)
			}
		}
		if strings.Contains(served, "d.img") {
			t.Errorf("what is to be done with d.img was guessed:\n%s", served)
		}
	})
}
