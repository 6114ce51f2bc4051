package contract

import (
	"fmt"
	"strings"
	"testing"
)

const (
	plainText = "text/plain; charset=utf-8"
	jsonType  = "application/json"
	htmlType  = "text/html; charset=utf-8"
)

const machineKeys = "mac bty_image_ref labels discovered_at last_seen_at last_seen_ip boot_mode sanboot_drive last_flashed_at known_disks " +
	"known_disks_at target_disk_serial created_at updated_at"

// TestSection01_Routes asks the routes of the table once, as somebody who may.
func TestSection01_Routes(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	kernel := c.Live("vmlinuz")
	entry := c.Image("routes-amd64.img.zst")
	for _, route := range []struct {
		method, path string
		body         any
		status       int
		media, keys  string // keys of the object, or of the first of the list
	}{
		{"GET", "/", nil, 303, "", ""},
		{"GET", "/healthz", nil, 200, jsonType, "status"},
		{"GET", "/version", nil, 200, jsonType, "version"},
		{"GET", "/pxe-bootstrap.ipxe", nil, 200, plainText, ""},
		{"GET", "/pxe/" + mac, nil, 200, plainText, ""},
		{"GET", "/pxe/" + mac + "/plan", nil, 200, jsonType, "mode"},
		{"POST", "/pxe/" + mac + "/inventory", JSON(`{"disks":[{"path":"/dev/sda"}],"lshw":{"id":"x"}}`), 204, "", ""},
		{"POST", "/pxe/" + mac + "/status", JSON(`{"status":"failed","reason":"x"}`), 204, "", ""},
		{"GET", "/boot/" + kernel, nil, 200, "", ""},
		{"HEAD", "/boot/" + kernel, nil, 200, "", ""},
		{"PUT", "/boot/contract.bin", Text{"", "content"}, 200, jsonType, "name size_bytes path"},
		{"GET", "/boot/releases", nil, 200, jsonType, "boot_root max_parallel fetches"},
		{"GET", "/images", nil, 200, jsonType, "name format size_bytes url ref sha_short cached arch"},
		{"GET", "/catalog.toml", nil, 200, "application/toml", ""},
		{"GET", "/catalog/entries", nil, 200, jsonType, "bty_image_ref src resolved_src disk_image_sha name sha_url format size_bytes description added_at"},
		{"GET", "/machines", nil, 200, jsonType, machineKeys},
		{"GET", "/machines/" + mac, nil, 200, jsonType, machineKeys},
		{"PUT", "/machines/" + mac, JSON(`{"boot_mode":"bty-inventory"}`), 200, jsonType, machineKeys},
		{"GET", "/machines/" + mac + "/lshw.json", nil, 200, jsonType, "id"},
		{"GET", "/machines/" + mac + "/disks.json", nil, 200, jsonType, "path size vendor model serial tran removable readonly"},
		{"GET", "/events", nil, 200, jsonType, "events"},
		{"GET", "/workers/backups", nil, 200, jsonType, "backups_root max_parallel backups"},
		{"GET", "/ui", nil, 303, "", ""},
		{"GET", "/ui/login", nil, 303, "", ""},
		{"GET", "/ui/dashboard", nil, 200, htmlType, ""},
		{"GET", "/ui/machines", nil, 200, htmlType, ""},
		{"GET", "/ui/machines/" + mac, nil, 200, htmlType, ""},
		{"GET", "/ui/images", nil, 200, htmlType, ""},
		{"GET", "/ui/netboot", nil, 200, htmlType, ""},
		{"GET", "/ui/backups", nil, 200, htmlType, ""},
		{"GET", "/ui/events", nil, 200, htmlType, ""},
		{"GET", "/ui/settings", nil, 200, htmlType, ""},
		{"GET", "/ui/account", nil, 200, htmlType, ""},
		{"POST", "/ui/events/acknowledge", FormOf("ids", "1", "acknowledged", "1"), 200, jsonType, "updated acknowledged"},
		{"DELETE", "/catalog/entries?src=" + entry["src"].(string), nil, 204, "", ""},
		{"DELETE", "/machines/" + mac, nil, 204, "", ""},
	} {
		t.Run(route.method+" "+strings.SplitN(route.path, "?", 2)[0], func(t *testing.T) {
			answer := on(t).Do(route.method, route.path, route.body).Is(route.status)
			if media := answer.Header.Get("Content-Type"); route.media != "" && media != route.media {
				t.Errorf("Content-Type %q, want %q", media, route.media)
			}
			if route.status == 204 && answer.Body != "" {
				t.Errorf("204 with %q", answer.Body)
			}
			if route.keys != "" {
				v := answer.Value()
				if list, ok := v.([]any); ok && len(list) > 0 {
					v = list[len(list)-1]
				}
				c.Keys(route.path, v, route.keys)
			}
		})
	}
}

// TestSection01_WhoMay asks the routes that need a session without one.
func TestSection01_WhoMay(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	for _, route := range []struct{ method, path string }{
		{"PUT", "/boot/x.bin"}, {"GET", "/boot/releases"}, {"POST", "/boot/releases"}, {"DELETE", "/boot/releases/v1"},
		{"GET", "/catalog/entries"}, {"POST", "/catalog/entries"}, {"DELETE", "/catalog/entries?src=x"}, {"POST", "/catalog/import?source=x"},
		{"GET", "/machines"}, {"GET", "/machines/" + mac}, {"PUT", "/machines/" + mac}, {"DELETE", "/machines/" + mac},
		{"GET", "/machines/" + mac + "/lshw.json"}, {"GET", "/machines/" + mac + "/disks.json"},
		{"GET", "/events"}, {"POST", "/events/1/ack"}, {"GET", "/events/machines"}, {"GET", "/events/workers"},
		{"GET", "/workers/backups"}, {"POST", "/workers/backups"}, {"DELETE", "/workers/backups/x"},
		{"POST", "/ui/catalog/upload"}, {"POST", "/ui/catalog/fetch-release"},
	} {
		t.Run(route.method+" "+route.path, func(t *testing.T) {
			for _, cookie := range []string{"", "null", "forged"} {
				answer := on(t).send(route.method, route.path, JSON(`{}`), nil, cookie)
				answer.Is(401)
				if answer.Body != `{"detail":"login required"}` || answer.Header.Get("WWW-Authenticate") != "" {
					t.Errorf("%v %s", answer.Header, answer.Body)
				}
			}
		})
	}
	for _, route := range []struct{ method, path string }{
		{"GET", "/ui/dashboard"}, {"GET", "/ui/machines"}, {"GET", "/ui/images"}, {"GET", "/ui/netboot"}, {"GET", "/ui/backups"}, {"GET", "/ui/events"},
		{"GET", "/ui/settings"}, {"GET", "/ui/account"}, {"GET", "/ui/machines/" + mac}, {"POST", "/ui/machines/" + mac}, {"POST", "/ui/machines/" + mac + "/delete"},
		{"POST", "/ui/catalog/entries"}, {"POST", "/ui/catalog/entries/check"}, {"POST", "/ui/events/acknowledge"},
		{"GET", "/ui/backups/x/download"}, {"DELETE", "/ui/backups/x"}, {"POST", "/ui/netboot/fetch-release"},
		{"POST", "/ui/settings/upstream"}, {"POST", "/ui/settings/backup"}, {"POST", "/ui/settings/display"}, {"POST", "/ui/settings/config/edit"},
	} {
		t.Run(route.method+" "+route.path, func(t *testing.T) {
			for _, cookie := range []string{"", "null", "forged"} {
				on(t).send(route.method, route.path, FormOf("x", "y"), nil, cookie).Leads("/ui/login*") // ours may add where to go on
			}
		})
	}
}

// TestSection01_IntentBodies is the table of MachineUpsert.
func TestSection01_IntentBodies(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	ref := strings.Repeat("ab", 32)
	for _, body := range []string{
		`{}`, `{"bty_image_ref":null,"sanboot_drive":null,"target_disk_serial":null}`, `{"bty_image_ref":"` + ref + `"}`, // no such image: not checked
		`{"labels":[` + labels(16) + `]}`, `{"labels":["a b","A.b-c_d","` + strings.Repeat("x", 64) + `","x","x","X"]}`,
		`{"sanboot_drive":"0xFf"}`, `{"sanboot_drive":"0x8"}`, `{"target_disk_serial":"` + strings.Repeat("é", 128) + `"}`, `{"target_disk_serial":""}`,
		`{"boot_mode":"ipxe-exit"}`, `{"boot_mode":"bty-inventory"}`, `{"boot_mode":"bty-tui"}`, `{"boot_mode":"bty-flash-once"}`, `{"boot_mode":"bty-flash-always"}`,
	} {
		c.Put(mac, body)
	}
	if serial := c.Put(mac, `{"target_disk_serial":""}`)["target_disk_serial"]; serial != "" {
		differs(t, `"" and null mean the same disk, none: it is answered as null`)
		if serial != nil {
			t.Errorf("%v", serial)
		}
	}
	if got := fmt.Sprint(c.Put(mac, `{"labels":["b","a","b","B"]}`)["labels"]); got != "[B a b]" {
		t.Errorf("labels are %s", got)
	}
	for _, bad := range []struct{ body, kind, place string }{
		{`[]`, "model_attributes_type", "body"}, {`null`, "*", "body"}, {`"x"`, "model_attributes_type", "body"},
		{`{"unknown":1}`, "extra_forbidden", "body unknown"}, {`{"mac":"x"}`, "extra_forbidden", "body mac"}, {`{"saw_flasher_boot":0}`, "extra_forbidden", "body saw_flasher_boot"},
		{`{"bty_image_ref":"` + strings.ToUpper(ref) + `"}`, "string_pattern_mismatch", "body bty_image_ref"}, {`{"bty_image_ref":""}`, "string_pattern_mismatch", "body bty_image_ref"},
		{`{"bty_image_ref":5}`, "string_type", "body bty_image_ref"}, {`{"bty_image_ref":"` + ref + `\n"}`, "string_pattern_mismatch", "body bty_image_ref"},
		{`{"labels":null}`, "list_type", "body labels"}, {`{"labels":"a"}`, "list_type", "body labels"}, {`{"labels":[1]}`, "string_type", "body labels 0"},
		{`{"labels":[` + labels(17) + `]}`, "too_long", "body labels"}, {`{"labels":[""]}`, "*", "body labels 0"}, {`{"labels":["a",".b"]}`, "string_pattern_mismatch", "body labels 1"},
		{`{"labels":["` + strings.Repeat("x", 65) + `"]}`, "string_too_long", "body labels 0"}, {`{"labels":["a\n"]}`, "string_pattern_mismatch", "body labels 0"},
		{`{"boot_mode":null}`, "*", "body boot_mode"}, {`{"boot_mode":"sanboot"}`, "literal_error", "body boot_mode"}, {`{"boot_mode":"IPXE-EXIT"}`, "literal_error", "body boot_mode"},
		{`{"sanboot_drive":"0x"}`, "string_pattern_mismatch", "body sanboot_drive"}, {`{"sanboot_drive":"0x123"}`, "string_pattern_mismatch", "body sanboot_drive"},
		{`{"sanboot_drive":128}`, "string_type", "body sanboot_drive"}, {`{"target_disk_serial":"` + strings.Repeat("é", 129) + `"}`, "string_too_long", "body target_disk_serial"},
		{`{"target_disk_serial":1}`, "string_type", "body target_disk_serial"},
	} {
		refused(c.Do("PUT", "/machines/"+mac, JSON(bad.body)), bad.kind, bad.place)
	}
	differs(t, "ramboot is out of scope: the mode is unknown input")
	c.Do("PUT", "/machines/"+mac, JSON(`{"boot_mode":"ramboot"}`)).Problem("literal_error", "body boot_mode")
}

// refused checks a problem; the kind * is any.
func refused(a Answer, kind, place string) {
	a.c.Helper()
	if kind != "*" {
		a.Problem(kind, place)
		return
	}
	a.Is(422, `"loc":["body"`)
}

func labels(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"l%d"`, i)
	}
	return strings.Join(list, ",")
}

// TestSection01_ReportBodies is the tables of InventoryPost, InventoryDisk and PxeStatus.
func TestSection01_ReportBodies(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	text := func(n int) string { return strings.Repeat("x", n) }
	disks := func(n int) string {
		return `{"disks":[` + strings.TrimSuffix(strings.Repeat(`{"path":"/dev/sda"},`, n), ",") + `]}`
	}
	for _, body := range []string{`{}`, `{"disks":[]}`, `{"lshw":null}`, `{"lshw":{}}`, `{"lshw":[]}`, disks(64),
		`{"disks":[{"path":"` + text(255) + `","size":"` + text(32) + `","vendor":"` + text(64) + `","model":"` + text(128) + `","serial":"` + text(128) + `","tran":"` + text(32) + `"}]}`,
		`{"disks":[{"path":"x","size":null,"vendor":null,"model":null,"serial":null,"tran":null,"type":"disk","mountpoints":[null]}]}`} {
		c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(body)).Is(204)
	}
	for _, word := range []string{`true`, `1`, `1.0`, `"TRUE"`, `"yes"`, `"on"`, `"1"`, `"t"`, `"Y"`} {
		c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{"disks":[{"path":"x","removable":`+word+`}]}`)).Is(204)
		if disk := obj(first(c.Machine(mac)["known_disks"])); disk["removable"] != true || disk["readonly"] != false {
			t.Errorf("%s is %v", word, disk["removable"])
		}
	}
	for _, bad := range []struct{ body, kind, place string }{
		{`{"disks":null}`, "list_type", "body disks"}, {disks(65), "too_long", "body disks"}, {`{"x":1}`, "extra_forbidden", "body x"}, {`{"lshw":"x"}`, "*", "body lshw"},
		{`{"disks":[5]}`, "*", "body disks 0"}, {`{"disks":[{}]}`, "missing", "body disks 0 path"}, {`{"disks":[{"path":null}]}`, "string_type", "body disks 0 path"},
		{`{"disks":[{"path":"` + text(256) + `"}]}`, "string_too_long", "body disks 0 path"}, {`{"disks":[{"path":"x","vendor":"` + text(65) + `"}]}`, "string_too_long", "body disks 0 vendor"},
		{`{"disks":[{"path":"x","removable":null}]}`, "bool_type", "body disks 0 removable"}, {`{"disks":[{"path":"x","removable":2}]}`, "bool_parsing", "body disks 0 removable"},
		{`{"disks":[{"path":"x","readonly":"maybe"}]}`, "bool_parsing", "body disks 0 readonly"}, {`{"disks":[{"path":"x","serial":5}]}`, "string_type", "body disks 0 serial"},
	} {
		refused(c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(bad.body)), bad.kind, bad.place)
	}
	for _, bad := range []struct{ body, kind, place string }{
		{`{}`, "missing", "body status"}, {`{"status":"started"}`, "literal_error", "body status"}, {`{"status":null}`, "*", "body status"},
		{`{"status":"failed","reason":null}`, "string_type", "body reason"}, {`{"status":"failed","reason":"` + text(501) + `"}`, "string_too_long", "body reason"},
		{`{"status":"done","x":1}`, "extra_forbidden", "body x"},
	} {
		refused(c.Anonymous("POST", "/pxe/"+mac+"/status", JSON(bad.body)), bad.kind, bad.place)
	}
	c.Anonymous("POST", "/pxe/"+mac+"/status", JSON(`{"status":"failed","reason":"`+text(500)+`"}`)).Is(204)
}

// TestSection01_CatalogBodies is the table of CatalogEntryAdd.
func TestSection01_CatalogBodies(t *testing.T) {
	c := on(t)
	for _, url := range []string{"HTTP://h/x", "ftp://h/x", "http:///x", "http://h/a b", "file:///x", "oras://h", "oras:///x", "x", "", "http://h/x\\n"} {
		c.Do("POST", "/catalog/entries", JSON(`{"image_url":"`+url+`"}`)).Problem("string_pattern_mismatch", "body image_url")
	}
	for _, bad := range []struct{ body, kind, place string }{
		{`{}`, "missing", "body image_url"}, {`{"image_url":null}`, "string_type", "body image_url"}, {`{"image_url":5}`, "string_type", "body image_url"},
		{`{"image_url":"http://h/x","sha_url":"oras://h/x:t"}`, "string_pattern_mismatch", "body sha_url"}, {`{"image_url":"http://h/x","ref":"x"}`, "string_pattern_mismatch", "body ref"},
		{`{"image_url":"http://h/x","x":1}`, "extra_forbidden", "body x"},
	} {
		c.Do("POST", "/catalog/entries", JSON(bad.body)).Problem(bad.kind, bad.place)
	}
	c.Do("DELETE", "/catalog/entries", nil).Problem("missing", "query src")
}
