package contract

import (
	"strings"
	"testing"
)

// stored uploads a boot file of ten bytes.
func (c Caller) stored(name string) string {
	c.Helper()
	got := c.Do("PUT", "/boot/"+name, Text{"text/html", "0123456789"}).Is(200).Object()
	if got["name"] != name || got["size_bytes"] != 10.0 || !strings.HasPrefix(got["path"].(string), "/") || !strings.HasSuffix(got["path"].(string), "/"+name) {
		c.Errorf("%v", got)
	}
	return "/boot/" + name
}

func TestSection08_Files(t *testing.T) {
	c := on(t)
	path := c.stored("contract-ranges.bin")
	for _, method := range []string{"GET", "HEAD"} {
		answer := c.Anonymous(method, path, nil).Is(200)
		for key, want := range map[string]string{"Content-Length": "10", "Accept-Ranges": "bytes", "Content-Disposition": `attachment; filename="contract-ranges.bin"`} {
			if got := answer.Header.Get(key); got != want {
				t.Errorf("%s: %s %q, want %q", method, key, got, want)
			}
		}
		etag := answer.Header.Get("ETag")
		if !strings.HasPrefix(etag, `"`) || answer.Header.Get("Last-Modified") == "" {
			t.Errorf("%s: %v", method, answer.Header)
		}
		if want := map[string]string{"GET": "0123456789", "HEAD": ""}[method]; answer.Body != want {
			t.Errorf("%s: %q", method, answer.Body)
		}
		c.Anonymous(method, path, nil, "If-None-Match", etag).Is(200)
		c.Anonymous(method, path, nil, "If-Modified-Since", answer.Header.Get("Last-Modified")).Is(200)
	}
}

func TestSection08_Ranges(t *testing.T) {
	c := on(t)
	path := c.stored("contract-ranges.bin")
	whole := c.Anonymous("GET", path, nil)
	for _, test := range []struct{ asked, body, says string }{
		{"bytes=0-3", "0123", "bytes 0-3/10"}, {"bytes=4-", "456789", "bytes 4-9/10"}, {"bytes=-2", "89", "bytes 8-9/10"}, {"bytes=8-99", "89", "bytes 8-9/10"}, {"bytes=-99", "0123456789", "bytes 0-9/10"},
	} {
		answer := c.Anonymous("GET", path, nil, "Range", test.asked).Is(206)
		if answer.Body != test.body || answer.Header.Get("Content-Range") != test.says {
			t.Errorf("%s: %q, Content-Range %q", test.asked, answer.Body, answer.Header.Get("Content-Range"))
		}
	}
	many := c.Anonymous("GET", path, nil, "Range", "bytes=0-1,4-5").Is(206, "01", "45", "Content-Range: bytes 0-1/10", "Content-Range: bytes 4-5/10")
	if !strings.HasPrefix(many.Header.Get("Content-Type"), "multipart/byteranges; boundary=") {
		t.Errorf("%v", many.Header)
	}
	for _, asked := range []string{"bytes=10-", "bytes=99-100"} {
		if answer := c.Anonymous("GET", path, nil, "Range", asked).Is(416); answer.Header.Get("Content-Range") != "bytes */10" {
			t.Errorf("%s: %v", asked, answer.Header)
		}
	}
	for validator, want := range map[string]int{whole.Header.Get("ETag"): 206, `"other"`: 200, whole.Header.Get("Last-Modified"): 206, "Mon, 01 Jan 1990 00:00:00 GMT": 200} {
		c.Anonymous("GET", path, nil, "Range", "bytes=0-1", "If-Range", validator).Is(want)
	}
}

func TestSection08_Names(t *testing.T) {
	c := on(t)
	for _, name := range []string{"..%5csecret", "a%5cb", "%00", "a%00b"} {
		c.Anonymous("GET", "/boot/"+name, nil).Detail(400, "invalid name '")
		c.Do("PUT", "/boot/"+name, Text{"", "x"}).Detail(400, "invalid name '")
	}
	for _, name := range []string{"a%2Fb", "%2e%2e%2fbty.db", "%2Fetc%2Fpasswd", "..%2f..%2fetc%2fpasswd"} {
		c.Anonymous("GET", "/boot/"+name, nil).Is(404)
		c.Do("PUT", "/boot/"+name, Text{"", "x"}).Is(404)
	}
	c.Anonymous("GET", "/boot/nothing-here.bin", nil).Detail(404, "no such file: nothing-here.bin")
	if head := c.Anonymous("HEAD", "/boot/nothing-here.bin", nil).Is(404); head.Body != "" {
		t.Errorf("%q", head.Body)
	}
	c.Anonymous("GET", "/boot/", nil).Is(404)
}

func TestSection08_Upload(t *testing.T) {
	c := on(t)
	path := c.stored("contract-put.bin")
	c.Do("PUT", path, Text{"application/json", `{"not":"read as JSON`}).Is(200)
	c.Anonymous("GET", path, nil).Is(200, `{"not":"read as JSON`)
	if c.Do("PUT", path, nil).Is(200).Object()["size_bytes"] != 0.0 {
		t.Error("an empty file is a file")
	}
}

func TestSection08_Releases(t *testing.T) {
	c := on(t)
	got := c.Do("GET", "/boot/releases", nil).Is(200).Object()
	if got["max_parallel"] != 1.0 || !strings.HasPrefix(got["boot_root"].(string), "/") {
		t.Errorf("%v", got)
	}
	if _, isList := got["fetches"].([]any); !isList {
		t.Errorf("%v", got)
	}
	for _, bad := range []struct{ body, kind, place string }{
		{`{"tag":""}`, "string_too_short", "body tag"}, {`{"tag":"a b"}`, "string_pattern_mismatch", "body tag"}, {`{"tag":"../x"}`, "string_pattern_mismatch", "body tag"},
		{`{"tag":null}`, "string_type", "body tag"}, {`{"tag":5}`, "string_type", "body tag"}, {`{"x":1}`, "extra_forbidden", "body x"},
	} {
		c.Do("POST", "/boot/releases", JSON(bad.body)).Problem(bad.kind, bad.place)
	}
	c.Do("DELETE", "/boot/releases/v0.0.0-nobody", nil).Detail(404, "no active release fetch for tag 'v0.0.0-nobody'")
	c.Do("DELETE", "/boot/releases/a%20b", nil).Is(422)
}

// A fetch that cannot succeed: no such release, or no way to it.
func TestSection08_FetchThatFails(t *testing.T) {
	c := on(t)
	tag := "v0.0.0-" + strings.ReplaceAll(c.FreshMAC(), ":", "")
	state := c.Do("POST", "/boot/releases", JSON(`{"tag":"`+tag+`"}`)).Is(202).Object()
	c.Keys("ReleaseFetchState", state, "tag status bytes_done bytes_total artifact started_at finished_at error base_url artifacts")
	if artifacts := items(state["artifacts"]); len(artifacts) != 4 || state["tag"] != tag {
		t.Errorf("%v", state)
	} else {
		for i, suffix := range []string{".vmlinuz", ".initrd", ".squashfs", ".sha256"} {
			c.Keys("an artifact", artifacts[i], "name status bytes_done bytes_total error started_at finished_at")
			if name, _ := obj(artifacts[i])["name"].(string); !strings.HasPrefix(name, "bty-netboot-pc-x86_64-v") || !strings.HasSuffix(name, suffix) {
				t.Errorf("artifact %d is %v", i, name)
			}
		}
	}
	c.Do("DELETE", "/boot/releases/"+tag, nil).Is(200)
	c.Eventually("the fetch has ended", func() bool {
		for _, v := range items(c.Do("GET", "/boot/releases", nil).Is(200).Object()["fetches"]) {
			if f := obj(v); f["tag"] == tag {
				state = f
			}
		}
		return state["status"] == "failed" || state["status"] == "cancelled"
	})
	for _, v := range items(state["artifacts"]) {
		if status := obj(v)["status"]; status != "failed" && status != "cancelled" {
			t.Errorf("an artifact of a fetch that ended is %v", status)
		}
	}
	if len(c.Events("kind", "netboot.artifacts.fetch.requested", "subject_id", tag)) != 1 || len(c.Events("kind", "netboot.artifacts.fetch.cancelled", "subject_id", tag)) == 0 {
		t.Error("a fetch that was asked for and cancelled is in the events")
	}
}

func TestSection08_Backups(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{"disks":[{"path":"/dev/sda"}],"lshw":{"id":"x"}}`)).Is(204)
	for _, bad := range []struct{ body, kind, place string }{
		{`{"trigger":"x"}`, "literal_error", "body trigger"}, {`{"trigger":null}`, "*", "body trigger"}, {`{"x":1}`, "extra_forbidden", "body x"},
	} {
		refused(c.Do("POST", "/workers/backups", JSON(bad.body)), bad.kind, bad.place)
	}
	c.Do("POST", "/workers/backups", nil).Is(422) // the body is required
	state := c.backup()
	id := state["backup_id"].(string)
	if state["machines"].(float64) < 1 || state["trigger"] != "manual" || !strings.Contains(state["dest_path"].(string), id) || state["error"] != nil && state["error"] != "" {
		t.Errorf("%v", state)
	}
	var kinds []string
	for _, e := range c.Events("subject_kind", "backup", "subject_id", id) {
		kinds = append([]string{e["kind"].(string)}, kinds...)
	}
	if got := strings.Join(kinds, " "); got != "backup.create.requested backup.create.started backup.created" {
		t.Errorf("%s", got)
	}
	download := c.Do("GET", "/ui/backups/"+id+"/download", nil).Is(200)
	if at := download.Header.Get("Content-Disposition"); !strings.HasPrefix(at, "attachment") || !strings.Contains(at, id+".json") {
		t.Errorf("%q", at)
	}
	bundle := download.Object()
	if bundle["bty_export_version"] != 3.0 || bundle["exported_at"] == nil || bundle["exported_by_bty_version"] == nil || !strings.Contains(download.Body, "\n") {
		t.Errorf("%.300s", download.Body)
	}
	found := false
	for _, v := range items(bundle["machines"]) {
		if m := obj(v); m["mac"] == mac {
			found = true
			c.Keys("a machine of the bundle", m, "mac known_disks known_disks_at hw_lshw hw_lshw_at")
			if obj(first(m["known_disks"]))["path"] != "/dev/sda" || obj(m["hw_lshw"])["id"] != "x" {
				t.Errorf("%v", m)
			}
		}
	}
	if !found {
		t.Errorf("the bundle lacks %s", mac)
	}
	gone := c.Do("DELETE", "/ui/backups/"+id, nil).Is(200).Object()
	c.Keys("a deleted backup", gone, "backup_id machines bytes_on_disk")
	c.Do("GET", "/ui/backups/"+id+"/download", nil).Is(404)
	c.Do("DELETE", "/ui/backups/"+id, nil).Is(404)
	c.Do("DELETE", "/workers/backups/nobody", nil).Detail(404, "no active backup for id 'nobody'")
	if c.Do("DELETE", "/workers/backups/"+id, nil).Is(200).Object()["status"] != "completed" {
		t.Error("a job that has ended stays what it is")
	}
}

// backup makes one and waits until it is there.
func (c Caller) backup() map[string]any {
	c.Helper()
	state := c.Do("POST", "/workers/backups", JSON(`{}`)).Is(202).Object()
	c.Keys("BackupState", state, "backup_id status started_at finished_at machines bytes_done dest_path trigger error")
	id, _ := state["backup_id"].(string)
	c.Eventually("backup "+id+" is completed", func() bool {
		for _, v := range items(c.Do("GET", "/workers/backups", nil).Is(200).Object()["backups"]) {
			if b := obj(v); b["backup_id"] == id {
				state = b
			}
		}
		if state["status"] == "failed" {
			c.Fatalf("%v", state)
		}
		return state["status"] == "completed"
	})
	return state
}
