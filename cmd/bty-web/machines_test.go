package main

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

var someRef = strings.Repeat("ab", 32)

func put(a *appliance, mac, body string) map[string]any {
	a.Helper()
	return a.do("PUT", "/machines/"+mac, jsonText(body)).is(a, 200).object(a)
}

func TestPutReplacesEverything(t *testing.T) {
	a := start(t, nil)
	full := put(a, mac1, `{"bty_image_ref":"`+someRef+`","labels":["b","a","a"],"boot_mode":"bty-flash-once","sanboot_drive":"0x81","target_disk_serial":"S"}`)
	want := map[string]any{"mac": mac1, "bty_image_ref": someRef, "labels": []any{"a", "b"}, "boot_mode": "bty-flash-once", "sanboot_drive": "0x81", "target_disk_serial": "S",
		"discovered_at": nil, "last_seen_at": nil, "last_seen_ip": nil, "last_flashed_at": nil, "known_disks": nil, "known_disks_at": nil}
	for key, value := range want {
		if !reflect.DeepEqual(full[key], value) {
			t.Errorf("%s is %v, want %v", key, full[key], value)
		}
	}
	for _, key := range []string{"created_at", "updated_at"} { // RFC 3339, Z, microseconds
		if at, _ := full[key].(string); !strings.HasSuffix(at, "Z") || len(at) != 27 && len(at) != 20 {
			t.Errorf("%s is %v", key, full[key])
		}
	}
	wiped := put(a, mac1, `{"labels":["x"]}`)
	for key, value := range map[string]any{"bty_image_ref": nil, "boot_mode": "ipxe-exit", "sanboot_drive": nil, "target_disk_serial": nil, "created_at": full["created_at"]} {
		if !reflect.DeepEqual(wiped[key], value) {
			t.Errorf("%s is %v, want %v", key, wiped[key], value)
		}
	}
	if a.count("kind=machine.created") != 1 || a.count("kind=machine.upserted") != 1 {
		t.Error("a new machine is created, a known one upserted")
	}
	e := a.events("kind=machine.created")[0]
	if keys(e["details"]) != "boot_mode bty_image_ref labels sanboot_drive target_disk_serial" || e["actor"] != "operator" || e["source_ip"] != "127.0.0.1" ||
		e["subject_kind"] != "machine" || e["subject_id"] != mac1 || !strings.HasSuffix(e["ts"].(string), "+00:00") {
		t.Errorf("%v", e)
	}
	if got := a.do("GET", "/machines", nil).list(t); len(got) != 1 {
		t.Errorf("%d machines", len(got))
	}
	put(a, "00-00-00-00-00-0A", `{}`) // any spelling of the path, ordered by MAC
	if first := a.do("GET", "/machines", nil).list(t)[0].(map[string]any); first["mac"] != "00:00:00:00:00:0a" {
		t.Errorf("the first is %v", first["mac"])
	}
}

func TestMachineBodies(t *testing.T) {
	a := start(t, nil)
	long := func(n int) string { return strings.Repeat("x", n) }
	labels := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"l%d"`, i)
		}
		return strings.Join(list, ",")
	}
	tests := []struct {
		body      string
		kind, loc string // of the first problem, "" when it is good
	}{
		{`{}`, "", ""},
		{`{"boot_mode":"bty-tui","bty_image_ref":null,"sanboot_drive":null,"target_disk_serial":null,"labels":[]}`, "", ""},
		{`{"labels":[` + labels(16) + `]}`, "", ""},
		{`{"labels":["a b","A.b-c_d","` + long(64) + `"]}`, "", ""},
		{`{"target_disk_serial":"` + long(128) + `"}`, "", ""},
		{`{"target_disk_serial":""}`, "", ""},
		{`{"sanboot_drive":"0xFf"}`, "", ""},
		{`{"unknown":1}`, "extra_forbidden", "body unknown"},
		{`{"saw_flasher_boot":1}`, "extra_forbidden", "body saw_flasher_boot"},
		{`{"mac":"` + mac1 + `"}`, "extra_forbidden", "body mac"},
		{`{"boot_mode":"sanboot"}`, "literal_error", "body boot_mode"},
		{`{"boot_mode":"ramboot"}`, "literal_error", "body boot_mode"},
		{`{"boot_mode":null}`, "string_type", "body boot_mode"},
		{`{"boot_mode":1}`, "string_type", "body boot_mode"},
		{`{"bty_image_ref":"` + strings.ToUpper(someRef) + `"}`, "string_pattern_mismatch", "body bty_image_ref"},
		{`{"bty_image_ref":"` + someRef + `\n"}`, "string_pattern_mismatch", "body bty_image_ref"},
		{`{"bty_image_ref":""}`, "string_pattern_mismatch", "body bty_image_ref"},
		{`{"bty_image_ref":5}`, "string_type", "body bty_image_ref"},
		{`{"labels":[` + labels(17) + `]}`, "too_long", "body labels"},
		{`{"labels":null}`, "list_type", "body labels"},
		{`{"labels":"a"}`, "list_type", "body labels"},
		{`{"labels":[""]}`, "string_too_short", "body labels 0"},
		{`{"labels":["a","` + long(65) + `"]}`, "string_too_long", "body labels 1"},
		{`{"labels":["a\n"]}`, "string_pattern_mismatch", "body labels 0"},
		{`{"labels":["-a"]}`, "string_pattern_mismatch", "body labels 0"},
		{`{"labels":["é"]}`, "string_pattern_mismatch", "body labels 0"},
		{`{"labels":[1]}`, "string_type", "body labels 0"},
		{`{"sanboot_drive":"0x"}`, "string_pattern_mismatch", "body sanboot_drive"},
		{`{"sanboot_drive":"0x123"}`, "string_pattern_mismatch", "body sanboot_drive"},
		{`{"sanboot_drive":128}`, "string_type", "body sanboot_drive"},
		{`{"target_disk_serial":"` + long(129) + `"}`, "string_too_long", "body target_disk_serial"},
		{`[]`, "model_attributes_type", "body"},
		{`null`, "model_attributes_type", "body"},
		{`"x"`, "model_attributes_type", "body"},
		{`{"labels":}`, "json_invalid", "body 10"},
		{``, "json_invalid", "body 0"},
		{`{} {}`, "json_invalid", "body 3"},
		{strings.Repeat(`[`, 20000), "json_invalid", ""},
	}
	for _, test := range tests {
		r := a.do("PUT", "/machines/"+mac1, jsonText(test.body))
		if test.kind == "" {
			r.is(t, 200)
			continue
		}
		r.is(t, 422)
		problem := problems(t, r)[0]
		if problem["type"] != test.kind || test.loc != "" && place(problem) != test.loc {
			t.Errorf("%.60s: %s at %s, want %s at %s", test.body, problem["type"], place(problem), test.kind, test.loc)
		}
		for key := range problem {
			if !strings.Contains("type loc msg input ctx", key) {
				t.Errorf("%.60s: a problem has the key %s", test.body, key)
			}
		}
	}
	a.alive()
}

func problems(t testing.TB, r reply) (list []map[string]any) {
	t.Helper()
	all, ok := r.object(t)["detail"].([]any)
	if !ok || len(all) == 0 {
		t.Fatalf("no list of problems: %s", r.body)
	}
	for _, p := range all {
		list = append(list, p.(map[string]any))
	}
	return list
}

func place(problem map[string]any) string {
	var steps []string
	for _, step := range problem["loc"].([]any) {
		steps = append(steps, fmt.Sprint(step))
	}
	return strings.Join(steps, " ")
}

// The order in which a request is judged: syntax, then who asks, then its shape, then the MAC.
func TestOrderOfJudgement(t *testing.T) {
	a := start(t, nil)
	a.signIn()
	const good, badShape, noJSON = `{}`, `{"x":1}`, `{`
	tests := []struct {
		name, method, path string
		body               any
		signedIn           bool
		status             int
	}{
		{"no JSON, nobody signed in", "PUT", "/machines/" + mac1, jsonText(noJSON), false, 422},
		{"wrong shape, nobody signed in", "PUT", "/machines/" + mac1, jsonText(badShape), false, 401},
		{"bad MAC, nobody signed in", "PUT", "/machines/nonsense", jsonText(good), false, 401},
		{"bad MAC, wrong shape", "PUT", "/machines/nonsense", jsonText(badShape), true, 422},
		{"bad MAC, good body", "PUT", "/machines/nonsense", jsonText(good), true, 400},
		{"no JSON type", "PUT", "/machines/" + mac1, "{}", true, 422},
		{"no JSON type, nobody signed in", "PUT", "/machines/" + mac1, "{", false, 401},
		{"bad MAC, nobody signed in, no body", "GET", "/machines/nonsense", nil, false, 401},
		{"bad MAC", "GET", "/machines/nonsense", nil, true, 400},
		{"bad MAC, wrong shape, open route", "POST", "/pxe/nonsense/status", jsonText(badShape), false, 422},
		{"bad MAC, good body, open route", "POST", "/pxe/nonsense/status", jsonText(`{"status":"done"}`), false, 400},
		{"unknown MAC", "POST", "/pxe/" + mac2 + "/status", jsonText(`{"status":"done"}`), false, 404},
		{"wrong method before all", "POST", "/machines/nonsense", jsonText(noJSON), false, 405},
		{"unknown path before all", "POST", "/nothing", jsonText(noJSON), false, 404},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cookie := ""
			if test.signedIn {
				cookie = a.cookie
			}
			a.send(test.method, test.path, test.body, nil, cookie).is(t, test.status)
		})
	}
	for _, media := range []string{"application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"} {
		a.do("PUT", "/machines/"+mac1, "{}", "Content-Type", media).is(t, 200)
	}
	for _, media := range []string{"text/json", "text/plain", "application/x-www-form-urlencoded", "nonsense/", "application/jsonx"} {
		r := a.do("PUT", "/machines/"+mac1, "{}", "Content-Type", media).is(t, 422)
		if problems(t, r)[0]["type"] != "model_attributes_type" {
			t.Errorf("%s: %s", media, r.body)
		}
	}
	a.do("PUT", "/machines/"+mac1, jsonText(`{"labels":["`+strings.Repeat("x", 300<<10)+`"]}`)).is(t, 413, "larger than 262144 bytes", "/machines/")
	a.alive()
}

func TestMACs(t *testing.T) {
	a := start(t, nil)
	for _, mac := range []string{"52-54-00-00-00-01", "52:54:00:00:00:01", "52-54:00-00:00-01", "52%3A54%3A00%3A00%3A00%3A01"} {
		a.anonymous("GET", "/pxe/"+mac, nil).is(t, 200, mac1)
		a.do("GET", "/machines/"+mac, nil).is(t, 200, `"mac":"`+mac1+`"`)
	}
	for _, mac := range []string{"525400000001", "5254.0000.0001", "52:54:00:00:00", "52:54:00:00:00:01%20", "52:54:00:00:00:0g", "x", "52:54:00:00:00:01:02"} {
		for _, path := range []string{"/pxe/" + mac, "/pxe/" + mac + "/plan", "/machines/" + mac, "/machines/" + mac + "/lshw.json"} {
			r := a.do("GET", path, nil).is(t, 400)
			if raw := strings.ReplaceAll(mac, "%20", " "); r.body != `{"detail":"invalid MAC: '`+raw+`'"}` {
				t.Errorf("%s: %s", path, r.body)
			}
		}
		a.do("PUT", "/machines/"+mac, jsonText(`{}`)).is(t, 400)
		a.do("DELETE", "/machines/"+mac, nil).is(t, 400)
	}
	if n := len(a.do("GET", "/machines", nil).list(t)); n != 1 {
		t.Errorf("%d machines", n)
	}
}

func TestUnknownMachines(t *testing.T) {
	a := start(t, nil)
	for _, one := range []struct{ method, path string }{
		{"GET", "/machines/" + mac1}, {"DELETE", "/machines/" + mac1}, {"GET", "/machines/" + mac1 + "/lshw.json"}, {"GET", "/machines/" + mac1 + "/disks.json"},
		{"POST", "/api/v1/machines/" + mac1 + "/arm"},
	} {
		if r := a.do(one.method, one.path, nil).is(t, 404); r.body != `{"detail":"no machine record for `+mac1+`"}` {
			t.Errorf("%s %s: %s", one.method, one.path, r.body)
		}
	}
	put(a, mac1, `{}`)
	a.do("GET", "/machines/"+mac1+"/lshw.json", nil).is(t, 404, "no lshw hardware inventory for "+mac1)
	a.do("GET", "/machines/"+mac1+"/disks.json", nil).is(t, 404, "no disk inventory for "+mac1)
	a.do("POST", "/api/v1/machines/"+mac1+"/arm", nil).is(t, 409, "nothing to arm", "bty-flash-once")
	a.do("DELETE", "/machines/"+mac1, nil).is(t, 204)
	if e := a.events("kind=machine.deleted")[0]; e["details"] != nil {
		t.Errorf("%v", e)
	}
}

// An identical PUT changes nothing, an act arms, a change arms.
func TestArming(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	a.live()
	const body = `{"boot_mode":"bty-inventory"}`
	put(a, mac1, body)
	a.anonymous("GET", "/pxe/"+mac1, nil)
	a.anonymous("GET", "/boot/bty-live-x86_64.vmlinuz?mac="+mac1, nil)
	a.anonymous("POST", "/pxe/"+mac1+"/inventory", jsonText(`{}`)).is(t, 204)
	before := a.machine(mac1)
	for range 100 {
		put(a, mac1, body)
	}
	put(a, mac1, `{"boot_mode":"bty-inventory","labels":["x"],"sanboot_drive":"0x81"}`)
	after := a.machine(mac1)
	for _, key := range []string{"cycle", "known_disks_at", "known_disks", "state", "discovered_at"} {
		if !reflect.DeepEqual(before[key], after[key]) {
			t.Errorf("%s: %v became %v", key, before[key], after[key])
		}
	}
	armed := a.do("POST", "/api/v1/machines/"+mac1+"/arm", nil).is(t, 200).object(t)
	if armed["known_disks_at"] != nil || armed["known_disks"] == nil || armed["cycle"].(map[string]any)["completed"] != false {
		t.Errorf("%v", armed)
	}
	if a.count("kind=machine.armed") != 1 {
		t.Error("no event")
	}
}

// An answer that says what is wrong does not send everything back.
func TestProblemsAreBounded(t *testing.T) {
	a := start(t, nil)
	var body strings.Builder
	body.WriteString(`{"labels":"` + strings.Repeat("y", 50_000) + `"`)
	for i := range 5_000 {
		fmt.Fprintf(&body, `,"k%d":{"a":[1,2,3]}`, i)
	}
	r := a.do("PUT", "/machines/"+mac1, jsonText(body.String()+"}")).is(t, 422)
	if n := len(problems(t, r)); n > 200 || len(r.body) > 64<<10 {
		t.Errorf("%d problems in %d bytes", n, len(r.body))
	}
}
