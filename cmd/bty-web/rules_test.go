package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// image adds an image to the catalog and returns its identity.
func (a *appliance) image(url string) string {
	a.Helper()
	r := a.do("POST", "/catalog/entries", map[string]any{"image_url": url}).is(a, 201)
	return r.object(a)["bty_image_ref"].(string)
}

func (a *appliance) addRule(fields map[string]any) (id int) {
	a.Helper()
	return int(a.do("POST", "/api/v1/rules", fields).is(a, 201).object(a)["id"].(float64))
}

// discover has machines ask for the first time and report a disk.
func (a *appliance) discover(mac, serial, vendor string) {
	a.Helper()
	a.anonymous("GET", "/pxe/"+mac+"?arch=x86_64", nil).is(a, 200)
	a.anonymous("POST", "/pxe/"+mac+"/inventory", map[string]any{
		"disks": []any{map[string]any{"path": "/dev/sda", "size": "447.1G", "serial": serial, "tran": "sata"}},
		"lshw":  map[string]any{"vendor": vendor, "product": "PowerEdge R640"},
	}).is(a, 204)
}

// A rule flashes what nobody set, machine by machine: the way from discovery to the disk, with
// nobody having typed a serial.
func TestRuleFlashesDiscoveredMachines(t *testing.T) {
	files := origin(t, map[string]string{"/debian.img": "image"})
	a := start(t, nil)
	a.live()
	ref := a.image(files + "/debian.img")
	id := a.addRule(map[string]any{"name": "Dells", "vendor": "dell*", "boot_mode": "bty-flash-once", "bty_image_ref": ref, "target_pick": "only"})

	a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200, "kernel") // nothing is known of it: the inventory comes first
	m := a.machine(mac1)
	if by := m["assigned_by"].(map[string]any); m["boot_mode"] != "bty-inventory" || by["boot_mode"] != "default" || m["own"].(map[string]any)["boot_mode"] != nil {
		t.Errorf("discovered: %v %v", m["boot_mode"], by)
	}
	a.discover(mac1, "SER1", "Dell Inc.")
	m = a.machine(mac1)
	want := fmt.Sprintf("rule/%d", id)
	if by := m["assigned_by"].(map[string]any); m["boot_mode"] != "bty-flash-once" || m["bty_image_ref"] != ref || m["target_disk_serial"] != "SER1" ||
		by["boot_mode"] != want || by["bty_image_ref"] != want || by["target_disk_serial"] != want {
		t.Errorf("reported: %v %v", m, by)
	}
	a.anonymous("GET", "/pxe/"+mac1+"/plan", nil).is(t, 200, `"mode":"flash"`, `"target_disk_serial":"SER1"`)
	a.anonymous("POST", "/pxe/"+mac1+"/status", map[string]any{"status": "done"}).is(t, 204)
	a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200, "sanboot")
	a.restart()
	a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200, "sanboot")

	same := map[string]any{"name": "Dells", "vendor": "dell*", "boot_mode": "bty-flash-once", "bty_image_ref": ref, "target_pick": "only"}
	before := a.count("subject_kind=rule")
	a.do("PUT", fmt.Sprintf("/api/v1/rules/%d", id), same).is(t, 200) // unchanged: nothing happens
	a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200, "sanboot")
	if n := a.count("subject_kind=rule"); n != before {
		t.Errorf("saving a rule unchanged left %d events", n-before)
	}
	same["boot_mode"] = "bty-flash-always"
	a.do("PUT", fmt.Sprintf("/api/v1/rules/%d", id), same).is(t, 200) // changed: a new cycle
	a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200, "kernel")

	a.do("PUT", "/machines/"+mac1, map[string]any{"boot_mode": "ipxe-exit"}).is(t, 200) // its own setting wins
	a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200, "sanboot")
	if m := a.machine(mac1); m["boot_mode"] != "ipxe-exit" || m["assigned_by"].(map[string]any)["boot_mode"] != "own" {
		t.Errorf("saved: %v", m)
	}
	a.do("POST", "/api/v1/machines/525400000001/release", nil).is(t, 200, `"boot_mode":"bty-flash-always"`, want)
	a.do("DELETE", fmt.Sprintf("/api/v1/rules/%d", id), nil).is(t, 204)
	if m := a.machine(mac1); m["boot_mode"] != "bty-inventory" {
		t.Errorf("without the rule: %v", m["boot_mode"])
	}
	for kind, want := range map[string]int{"rule.created": 1, "rule.changed": 1, "rule.deleted": 1} {
		if n := a.count("kind=" + kind); n != want {
			t.Errorf("%d events %s, want %d", n, kind, want)
		}
	}
}

func TestRulesAPI(t *testing.T) {
	a := start(t, nil)
	first := a.addRule(map[string]any{"name": "first", "labels": []string{"lab"}, "boot_mode": "bty-tui"})
	second := a.addRule(map[string]any{"name": "second", "mac_prefix": "5254.00A", "disk_min": "400G", "disk_max": "1.8TiB", "target_model": "Samsung*"})
	list := func() string {
		var names []string
		for _, r := range a.do("GET", "/api/v1/rules", nil).is(t, 200).object(t)["rules"].([]any) {
			names = append(names, fmt.Sprint(r.(map[string]any)["place"], r.(map[string]any)["name"]))
		}
		return strings.Join(names, " ")
	}
	if got := list(); got != "1first 2second" {
		t.Errorf("rules %s", got)
	}
	r := a.do("GET", fmt.Sprintf("/api/v1/rules/%d", second), nil).is(t, 200, `"mac_prefix":"52:54:00:a"`, `"target_pick":"only"`, `"boot_mode":null`).object(t)
	for _, key := range []string{"id", "place", "created_at", "updated_at"} {
		delete(r, key)
	}
	a.do("PUT", fmt.Sprintf("/api/v1/rules/%d", second), r).is(t, 200) // what is given can be sent back
	a.do("PUT", "/api/v1/rules/order", map[string]any{"ids": []int{second, first}}).is(t, 200, `"place":1`)
	if got := list(); got != "1second 2first" {
		t.Errorf("rules in their new order %s", got)
	}
	a.restart()
	if got := list(); got != "1second 2first" {
		t.Errorf("rules after a restart %s", got)
	}
	for body, says := range map[string]string{
		`{"name":"x"}`:                                                          "the rule says nothing",
		`{"boot_mode":"bty-tui"}`:                                               `"name"`,
		`{"name":" ","boot_mode":"bty-tui"}`:                                    `"name"`,
		`{"name":"x","boot_mode":"fly"}`:                                        `"boot_mode"`,
		`{"name":"x","boot_mode":"bty-tui","colour":"red"}`:                     "extra_forbidden",
		`{"name":"x","boot_mode":"bty-tui","labels":["-"]}`:                     `"labels",0`,
		`{"name":"x","boot_mode":"bty-tui","labels":["a"],"not_labels":["a"]}`:  "matches no machine",
		`{"name":"x","boot_mode":"bty-tui","mac_prefix":"g"}`:                   `"mac_prefix"`,
		`{"name":"x","boot_mode":"bty-tui","mac_prefix":"52:54:00:00:00:0000"}`: "mac_prefix",
		`{"name":"x","boot_mode":"bty-tui","disk_min":"2T","disk_max":"1T"}`:    "so that no disk fits",
		`{"name":"x","target_pick":"only","target_min":"2T","target_max":"1T"}`: "so that no disk fits",
		`{"name":"x","target_pick":"best"}`:                                     `"target_pick"`,
		`{"name":"x","bty_image_ref":"12"}`:                                     `"bty_image_ref"`,
		`{"name":7}`:                                                            "string_type",
		`[]`:                                                                    "model_attributes_type",
	} {
		a.do("POST", "/api/v1/rules", jsonText(body)).is(t, 422, says)
	}
	for _, ids := range []string{`[]`, `[1]`, `[1,1]`, `[1,2,99]`, `["1"]`, `7`} {
		a.do("PUT", "/api/v1/rules/order", jsonText(`{"ids":`+ids+`}`)).is(t, 422)
	}
	for _, id := range []string{"0", "-1", "x", "1.5", "99999999999999999999"} {
		a.do("GET", "/api/v1/rules/"+id, nil).is(t, 422)
		a.do("DELETE", "/api/v1/rules/"+id, nil).is(t, 422)
	}
	a.do("GET", "/api/v1/rules/99", nil).is(t, 404, "no rule with id 99")
	a.do("PUT", "/api/v1/rules/99", map[string]any{"name": "x", "boot_mode": "bty-tui"}).is(t, 404)
	a.do("DELETE", "/api/v1/rules/99", nil).is(t, 404)
	a.do("PUT", "/api/v1/rules/default", map[string]any{"boot_mode": "ipxe-exit"}).is(t, 200, `"default":{"boot_mode":"ipxe-exit"`)
	a.anonymous("GET", "/pxe/"+mac2, nil).is(t, 200, "sanboot")
	if got := list(); got != "1second 2first" {
		t.Errorf("something was stored that was refused: %s", got)
	}
}

// What a preview says is what comes, machine by machine.
func TestPreviewOfRules(t *testing.T) {
	files := origin(t, map[string]string{"/debian.img": "image"})
	a := start(t, nil)
	a.live()
	ref := a.image(files + "/debian.img")
	a.discover(mac1, "SER1", "Dell Inc.")
	a.discover(mac2, "SER2", "HPE")
	a.do("PUT", "/machines/52:54:00:00:00:03", map[string]any{"boot_mode": "ipxe-exit"}).is(t, 200)
	flash := map[string]any{"change": "create", "name": "Dells", "vendor": "dell", "boot_mode": "bty-flash-once", "bty_image_ref": ref, "target_pick": "only"}
	preview := func(change map[string]any) (total int, text string) {
		t.Helper()
		r := a.do("POST", "/api/v1/rules/preview", change).is(t, 200)
		return int(r.object(t)["total"].(float64)), r.body
	}
	before := a.count("")
	total, text := preview(flash)
	if total != 1 || !strings.Contains(text, `"mac":"`+mac1+`"`) || !strings.Contains(text, `"to":{"rule":"flash"`) || !strings.Contains(text, `"machines":3`) {
		t.Errorf("create: %s", text)
	}
	if a.count("") != before {
		t.Error("a preview left an event")
	}
	delete(flash, "change")
	id := a.addRule(flash)
	if n, text := preview(map[string]any{"change": "delete", "id": id}); n != 1 {
		t.Errorf("delete: %s", text)
	}
	if n, text := preview(map[string]any{"change": "edit", "id": id, "name": "other name", "vendor": "dell", "boot_mode": "bty-flash-once", "bty_image_ref": ref, "target_pick": "largest"}); n != 0 {
		t.Errorf("an edit that changes no boot: %s", text)
	}
	if n, text := preview(map[string]any{"change": "default", "boot_mode": "ipxe-exit"}); n != 1 || !strings.Contains(text, mac2) {
		t.Errorf("default: %s", text)
	}
	if n, _ := preview(map[string]any{"change": "order", "ids": []int{id}}); n != 0 {
		t.Error("order")
	}
	a.do("POST", "/api/v1/rules/preview", map[string]any{"change": "delete"}).is(t, 422, "id is missing")
	a.do("POST", "/api/v1/rules/preview", map[string]any{"change": "delete", "id": 99}).is(t, 404)
	a.do("POST", "/api/v1/machines/"+mac1+"/preview", map[string]any{"boot_mode": "ipxe-exit"}).is(t, 200, `"total":1`, `"to":{"rule":"exit"`)
	a.do("POST", "/api/v1/machines/"+mac1+"/preview", map[string]any{"boot_mode": "bty-flash-once", "bty_image_ref": ref, "target_disk_serial": "SER1"}).is(t, 200, `"total":0`)
}

func TestExplain(t *testing.T) {
	files := origin(t, map[string]string{"/debian.img": "image"})
	a := start(t, nil)
	a.live()
	ref := a.image(files + "/debian.img")
	other := a.addRule(map[string]any{"name": "not for it", "labels": []string{"lab"}, "boot_mode": "bty-tui"})
	rule := a.addRule(map[string]any{"name": "Dells", "vendor": "dell", "boot_mode": "bty-flash-once", "bty_image_ref": ref, "target_pick": "only"})
	late := a.addRule(map[string]any{"name": "late", "boot_mode": "ipxe-exit"})
	a.discover(mac1, "SER1", "Dell Inc.")
	events := a.count("")
	e := a.do("GET", "/api/v1/machines/5254.0000.0001/explain", nil).is(t, 200).object(t)
	if e["rule"] != "flash" || e["known"] != true || e["asker"] != "firmware" || e["plan"] != nil || !strings.HasPrefix(e["script"].(string), "#!ipxe") {
		t.Errorf("%v", e)
	}
	for i, want := range []struct {
		id             int
		matches, asked bool
		input, decided string
	}{{other, false, true, "label", "[]"}, {rule, true, true, "", "[boot_mode bty_image_ref target_disk]"}, {late, true, false, "", "[]"}} {
		v := e["rules"].([]any)[i].(map[string]any)
		if v["rule"] != float64(want.id) || v["matches"] != want.matches || v["asked"] != want.asked || v["input"] != want.input || fmt.Sprint(v["decided"]) != want.decided {
			t.Errorf("rule %d: %v", want.id, v)
		}
	}
	live := a.do("GET", "/api/v1/machines/"+mac1+"/explain?asker=live", nil).is(t, 200).object(t)
	if live["plan"].(map[string]any)["mode"] != "flash" || live["script"] != nil {
		t.Errorf("%v", live)
	}
	script := a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200)
	if script.body != e["script"] {
		t.Errorf("explained:\n%s\nserved:\n%s", e["script"], script.body)
	}
	trace := a.events("kind=netboot.pxe.offered&limit=1")[0]["details"].(map[string]any)["trace"]
	explained, _ := json.Marshal(e["trace"])
	stored, _ := json.Marshal(trace)
	if string(stored) != string(explained) || len(stored) > 512 || !strings.Contains(string(stored), fmt.Sprintf(`[%d,"label"],%d`, other, rule)) {
		t.Errorf("stored %s, explained %s", stored, explained)
	}
	plan := a.anonymous("GET", "/pxe/"+mac1+"/plan", nil).is(t, 200)
	if got, want := plan.object(t), live["plan"]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("explained %v, served %v", want, got)
	}

	nobody := a.do("GET", "/api/v1/machines/"+mac2+"/explain", nil).is(t, 200, `"known":false`, "late").object(t)
	if nobody["rule"] != "exit" || nobody["assigned_by"].(map[string]any)["boot_mode"] != fmt.Sprintf("rule/%d", late) {
		t.Errorf("%v", nobody)
	}
	a.do("GET", "/machines/"+mac2, nil).is(t, 404)
	a.do("GET", "/api/v1/machines/"+mac2+"/explain?asker=me", nil).is(t, 422)
	a.do("GET", "/api/v1/machines/x/explain", nil).is(t, 400)
	a.anonymous("GET", "/api/v1/machines/"+mac1+"/explain", nil).is(t, 401)
	if n := a.count("") - events; n != 2 {
		t.Errorf("%d events; the two answers that were served leave one each", n)
	}
}

func TestBulk(t *testing.T) {
	files := origin(t, map[string]string{"/debian.img": "image"})
	a := start(t, nil)
	ref := a.image(files + "/debian.img")
	a.discover(mac1, "SER1", "Dell Inc.")
	a.discover(mac2, "", "Dell Inc.")
	const mac3 = "52:54:00:00:00:03"
	a.do("PUT", "/machines/"+mac3, map[string]any{"labels": []string{"old"}}).is(t, 200)
	bulk := func(path string, body map[string]any) string {
		t.Helper()
		return a.do("POST", path, body).is(t, 200).body
	}
	set := map[string]any{"action": "set", "query": "", "boot_mode": "bty-flash-once", "bty_image_ref": ref, "target_pick": "only", "add_labels": []string{"rack 1"}, "remove_labels": []string{"old"}}
	before := a.count("")
	text := bulk("/api/v1/bulk/preview", set)
	for _, want := range []string{`"changed":1,"unchanged":0,"refused":2`, "/dev/sda has no serial", "has not reported its disks", `"total":1`, `"to":{"rule":"no-live-environment"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the preview does not say %s: %s", want, text)
		}
	}
	if a.count("") != before || a.machine(mac1)["boot_mode"] != "bty-inventory" {
		t.Error("a preview changed something")
	}
	done := bulk("/api/v1/bulk", set)
	if want := strings.Split(text, `,"preview"`)[0]; !strings.HasPrefix(done, want) {
		t.Errorf("previewed %s\ndone %s", want, done)
	}
	if m := a.machine(mac1); m["boot_mode"] != "bty-flash-once" || m["target_disk_serial"] != "SER1" || fmt.Sprint(m["labels"]) != "[rack 1]" {
		t.Errorf("%v", m)
	}
	if m := a.machine(mac3); fmt.Sprint(m["labels"]) != "[old]" {
		t.Errorf("a machine that was refused was changed: %v", m)
	}
	if text := bulk("/api/v1/bulk", set); !strings.Contains(text, `"changed":0,"unchanged":1`) {
		t.Errorf("again: %s", text)
	}
	text = bulk("/api/v1/bulk", map[string]any{"action": "arm", "macs": []string{"5254.0000.0001", mac3, "52:54:00:00:00:99", mac1}})
	for _, want := range []string{`"changed":1,"unchanged":0,"refused":2`, "which has nothing to arm", "no record of it any more"} {
		if !strings.Contains(text, want) {
			t.Errorf("arm does not say %s: %s", want, text)
		}
	}
	bulk("/api/v1/bulk", map[string]any{"action": "release", "query": "?label=" + url.QueryEscape("rack 1")})
	if m := a.machine(mac1); m["own"].(map[string]any)["boot_mode"] != nil || fmt.Sprint(m["labels"]) != "[rack 1]" {
		t.Errorf("released: %v", m)
	}
	forget := map[string]any{"action": "delete", "query": "q=52:54"}
	forget["fingerprint"] = a.do("POST", "/api/v1/bulk/preview", forget).is(t, 200).object(t)["fingerprint"]
	a.do("PUT", "/machines/52:54:00:00:00:04", map[string]any{"boot_mode": "ipxe-exit"}).is(t, 200)
	a.do("POST", "/api/v1/bulk", forget).is(t, 409, "no longer has the machines that you were shown")
	a.do("DELETE", "/machines/52:54:00:00:00:04", nil)
	if text := bulk("/api/v1/bulk", forget); !strings.Contains(text, `"changed":3`) {
		t.Errorf("delete: %s", text)
	}
	if n := len(a.do("GET", "/machines", nil).list(t)); n != 0 {
		t.Errorf("%d machines are left", n)
	}
	for body, says := range map[string]string{
		`{"action":"set","macs":["` + mac1 + `"]}`:                                       "set changes nothing",
		`{"action":"arm"}`:                                                               "no machine is selected",
		`{"action":"arm","macs":["x"]}`:                                                  "no MAC",
		`{"action":"fly","query":""}`:                                                    `"action"`,
		`{"action":"arm","query":"state=odd"}`:                                           "state=odd",
		`{"action":"delete","query":"lable=rack"}`:                                       "lable", // nobody means all machines by it
		`{"action":"delete","query":"label="}`:                                           "label has no value",
		`{"action":"delete","query":"q=a&q=b"}`:                                          "q 2 times",
		`{"action":"set","query":"","bty_image_ref":"` + strings.Repeat("0", 63) + `1"}`: "the catalog has no image",
		`{"action":"set","query":"","target_min":"2T","target_max":"1T"}`:                "no disk fits",
		`{"action":"set","query":"","add_labels":["` + strings.Repeat("x", 65) + `"]}`:   "add_labels",
	} {
		a.do("POST", "/api/v1/bulk", jsonText(body)).is(t, 422, says)
		a.do("POST", "/api/v1/bulk/preview", jsonText(body)).is(t, 422, says)
	}
}

// A boot over real HTTP, as the timeline shows it.
func TestTimeline(t *testing.T) {
	a := start(t, nil)
	a.live()
	a.anonymous("GET", "/pxe/"+mac1+"?via=http", nil).is(t, 200)
	a.anonymous("GET", "/boot/bty-live-x86_64.vmlinuz?mac="+mac1, nil).is(t, 200)
	a.anonymous("GET", "/boot/bty-live-x86_64.initrd?mac="+mac1, nil).is(t, 200)
	line := a.do("GET", "/api/v1/machines/525400000001/timeline", nil).is(t, 200, `"where":"Waiting for: Hardware reported.`).object(t)
	var stages []string
	for _, s := range line["stages"].([]any) {
		s := s.(map[string]any)
		stages = append(stages, fmt.Sprint(s["stage"], "=", s["state"]))
	}
	if got := strings.Join(stages, " "); got != "nbp=reached script=reached kernel=reached initrd=reached inventory=current next=ahead" {
		t.Errorf("stages %s", got)
	}
	if took := line["stages"].([]any)[3].(map[string]any)["took_seconds"]; took == nil {
		t.Error("how long the initrd took is not known")
	}
	a.do("GET", "/api/v1/machines/"+mac2+"/timeline", nil).is(t, 404)
	a.anonymous("GET", "/api/v1/machines/"+mac1+"/timeline", nil).is(t, 401)
}
