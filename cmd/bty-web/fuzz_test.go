package main

import (
	"strings"
	"testing"
)

// FuzzBodies sends JSON to every route that takes it: whatever comes, the answer is never ours to
// be sorry for, and the server goes on.
func FuzzBodies(f *testing.F) {
	routes := []struct{ method, path string }{
		{"PUT", "/machines/" + mac1}, {"POST", "/pxe/" + mac1 + "/inventory"}, {"POST", "/pxe/" + mac1 + "/status"}, {"POST", "/pxe/" + mac1 + "/progress"},
		{"POST", "/catalog/entries"}, {"POST", "/ui/login"},
	}
	for i, body := range []string{
		`{"bty_image_ref":null,"labels":["a b"],"boot_mode":"bty-flash-once","sanboot_drive":"0x80","target_disk_serial":"S"}`,
		`{"disks":[{"path":"/dev/sda","size":"1G","removable":"yes","readonly":1.0}],"lshw":{"id":"x","children":[[{}]]}}`,
		`{"status":"failed","reason":"\u0000\ud800 x"}`,
		`{"stage":"write","bytes":1e18,"total":0.5,"rate":-0}`,
		`{"image_url":"http://127.0.0.1:1/x.img","ref":"` + strings.Repeat("0", 64) + `"}`,
		"password=x",
	} {
		f.Add(uint8(i), []byte(body))
	}
	for _, body := range []string{``, `null`, `[]`, `{"":{}}`, `{"labels":[[[[]]]]}`, `{"disks":[null]}`, "\xff\xfe", `{"a":1,"a":2}`, `1e999`, `{"lshw":{"\ud800":"\udfff"}}`} {
		for i := range routes {
			f.Add(uint8(i), []byte(body))
		}
	}
	a := start(f, nil)
	a.signIn()
	a.anonymous("GET", "/pxe/"+mac1, nil)
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		route := routes[int(which)%len(routes)]
		if route.path == "/catalog/entries" && strings.Contains(string(body), "://") && !strings.Contains(string(body), "127.0.0.1:1/") {
			return // it would ask hosts out there
		}
		header := []string{"Content-Type", "application/json"}
		if route.path == "/ui/login" {
			header[1] = "application/x-www-form-urlencoded"
		}
		r, err := a.try(route.method, route.path, string(body), header, a.cookie)
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode >= 500 || r.StatusCode < 200 {
			t.Errorf("%s %s with %q: %d %s\n%s", route.method, route.path, body, r.StatusCode, r.body, a.log)
		}
		for _, path := range []string{"/machines/" + mac1, "/machines/" + mac1 + "/disks.json", "/events?limit=3"} {
			if r, err := a.try("GET", path, nil, nil, a.cookie); err != nil || r.StatusCode >= 500 {
				t.Errorf("after %q: %s: %v %s", body, path, err, r.body)
			}
		}
	})
}

// FuzzPaths asks for anything below /boot: nothing outside the folder comes back.
func FuzzPaths(f *testing.F) {
	for _, path := range []string{"a.bin", "..", "%2e%2e%2fsecret", "..%5csecret", "%00", "//", "a.bin/", "./a.bin", "%2Fetc%2Fpasswd", strings.Repeat("%41", 500), "a.bin?mac=" + mac1, "a%"} {
		f.Add(path)
	}
	a := start(f, nil)
	a.file("a.bin", []byte("content"))
	f.Fuzz(func(t *testing.T, path string) {
		r, err := a.try("GET", "/boot/"+path, nil, nil, "")
		if err != nil {
			return // the client would not send it
		}
		if r.StatusCode >= 500 || r.StatusCode >= 300 && r.StatusCode < 400 && !strings.HasSuffix(r.Request.URL.EscapedPath(), "/") {
			t.Errorf("%q: %d %s", path, r.StatusCode, r.body)
		}
		if r.StatusCode == 200 && r.body != "content" && !strings.HasPrefix(r.body, "#!ipxe") && !strings.HasSuffix(path, ".efi") && !strings.HasSuffix(path, "pxe") {
			t.Errorf("%q: %.100s", path, r.body)
		}
	})
}
