package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"bty/internal/web"
)

const machineKeys = "assigned_by boot_mode bty_image_ref created_at cycle discovered_at grow kernel_words known_disks known_disks_at labels last_flashed_at last_seen_at last_seen_ip " +
	"mac own product progress sanboot_drive state target_disk_serial updated_at vendor verify"

// TestRoutes asks every route once and looks at status, type and the keys of the JSON.
func TestRoutes(t *testing.T) {
	a := start(t, nil)
	a.live()
	images := origin(t, map[string]string{"/a.img.zst": "image"})
	src := images + "/a.img.zst"
	a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200)
	const plain, jsonType, html = "text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8"
	tests := []struct {
		method, path string
		body         any
		status       int
		media        string
		keys         string // of the object, or of the first of the list
	}{
		{"GET", "/", nil, 303, "", ""},
		{"GET", "/healthz", nil, 200, jsonType, "status"},
		{"GET", "/readyz", nil, 200, jsonType, "status"},
		{"GET", "/version", nil, 200, jsonType, "version"},
		{"GET", "/metrics", nil, 200, "text/plain", ""},
		{"GET", "/pxe-bootstrap.ipxe", nil, 200, plain, ""},
		{"GET", "/pxe/" + mac1, nil, 200, plain, ""},
		{"GET", "/pxe/" + mac1 + "/plan", nil, 200, jsonType, "mode"},
		{"POST", "/pxe/" + mac1 + "/inventory", jsonText(`{"disks":[{"path":"/dev/sda"}],"lshw":{"id":"x"}}`), 204, "", ""},
		{"POST", "/pxe/" + mac1 + "/progress", jsonText(`{"stage":"write","bytes":1,"total":2,"rate":0.5}`), 204, "", ""},
		{"POST", "/pxe/" + mac1 + "/status", jsonText(`{"status":"failed","reason":"x"}`), 204, "", ""},
		{"POST", "/pxe/" + mac1 + "/done", nil, 204, "", ""},
		{"PUT", "/boot/new.bin", "content", 200, jsonType, "name path size_bytes"},
		{"GET", "/boot/new.bin", nil, 200, "application/octet-stream", ""},
		{"HEAD", "/boot/new.bin", nil, 200, "application/octet-stream", ""},
		{"POST", "/catalog/entries", map[string]any{"image_url": src}, 201, jsonType, "added_at bty_image_ref disk_image_sha format name sha_url size_bytes src"},
		{"GET", "/catalog/entries", nil, 200, jsonType, "added_at bty_image_ref description disk_image_sha format name resolved_src sha_url size_bytes src"},
		{"GET", "/images", nil, 200, jsonType, "arch cached format name ref sha_short size_bytes url"},
		{"GET", "/catalog.toml", nil, 200, "application/toml", ""},
		{"DELETE", "/catalog/entries?src=" + src, nil, 204, "", ""},
		{"GET", "/machines", nil, 200, jsonType, machineKeys},
		{"GET", "/machines/" + mac1, nil, 200, jsonType, machineKeys},
		{"PUT", "/machines/" + mac1, jsonText(`{"boot_mode":"bty-inventory"}`), 200, jsonType, machineKeys},
		{"POST", "/api/v1/machines/" + mac1 + "/arm", nil, 200, jsonType, machineKeys},
		{"GET", "/machines/" + mac1 + "/lshw.json", nil, 200, jsonType, "id"},
		{"GET", "/machines/" + mac1 + "/disks.json", nil, 200, jsonType, "model path readonly removable serial size tran vendor"},
		{"GET", "/events", nil, 200, jsonType, "events"},
		{"POST", "/events/1/ack", nil, 200, jsonType, "acknowledged id"},
		{"DELETE", "/machines/" + mac1, nil, 204, "", ""},
		{"GET", "/static/bty.css", nil, 200, "text/css; charset=utf-8", ""},
		{"HEAD", "/static/bty.css", nil, 200, "text/css; charset=utf-8", ""},
		{"GET", "/ui", nil, 303, "", ""},
		{"GET", "/ui/dashboard", nil, 200, html, ""},
		{"GET", "/ui/session", nil, 204, "", ""},
		{"GET", "/ui/machines", nil, 200, html, ""},
		{"GET", "/ui/login", nil, 303, "", ""},
		{"GET", "/images/x", nil, 404, jsonType, "detail"},
		{"HEAD", "/images/x", nil, 404, jsonType, ""},
		{"GET", "/nothing", nil, 404, jsonType, "detail"},
	}
	for _, test := range tests {
		r := a.do(test.method, test.path, test.body).is(t, test.status)
		if media := r.Header.Get("Content-Type"); test.status < 300 && !strings.HasPrefix(media, test.media) || test.media == jsonType && media != jsonType {
			t.Errorf("%s %s: Content-Type %q, want %q", test.method, test.path, media, test.media)
		}
		if test.status == 204 && (r.body != "" || r.Header.Get("Content-Type") != "") {
			t.Errorf("%s %s: 204 with %q", test.method, test.path, r.body)
		}
		if test.keys != "" {
			v := r.json(t)
			if list, ok := v.([]any); ok && len(list) > 0 {
				v = list[0]
			}
			if got := keys(v); got != test.keys {
				t.Errorf("%s %s: keys\n%s, want\n%s", test.method, test.path, got, test.keys)
			}
		}
		if strings.HasSuffix(r.body, "\n") && test.media == jsonType || strings.Contains(r.body, `": `) && test.media == jsonType {
			t.Errorf("%s %s: not compact: %q", test.method, test.path, r.body)
		}
		if r.Header.Get("Date") == "" {
			t.Errorf("%s %s: no Date", test.method, test.path)
		}
	}
	if loc := a.anonymous("GET", "/", nil).Header.Get("Location"); loc != "/ui/login" {
		t.Errorf("/ leads to %q", loc)
	}
	a.alive()
}

// open are the routes that anybody on the LAN may use, and why. All others must refuse.
var open = map[string]string{
	"GET /pxe-bootstrap.ipxe":   "firmware and iPXE cannot sign in",
	"GET /pxe/{mac}":            "iPXE cannot sign in",
	"GET /boot/{name}":          "firmware and iPXE cannot sign in",
	"GET /pxe/{mac}/plan":       "a live environment knows no password",
	"POST /pxe/{mac}/inventory": "a live environment knows no password",
	"POST /pxe/{mac}/status":    "a live environment knows no password",
	"POST /pxe/{mac}/progress":  "a live environment knows no password",
	"POST /pxe/{mac}/log":       "a live environment knows no password",
	"POST /pxe/{mac}/done":      "a live environment knows no password",
	"GET /images":               "the wizard and the sticks read it",
	"GET /catalog.toml":         "the wizard and the sticks read it",
	"GET /healthz":              "service managers and load balancers ask",
	"GET /readyz":               "service managers and load balancers ask",
	"GET /version":              "clients ask before they sign in; it says no secret",
	"GET /metrics":              "monitoring reads it; figures only",
	"GET /openapi.json":         "says what the routes are, nothing of this server",
	"GET /{$}":                  "leads to the sign-in page",
	"GET /ui":                   "leads to the sign-in page",
	"GET /ui/login":             "is the sign-in page",
	"POST /ui/login":            "signs in",
	"POST /ui/logout":           "signs out",
	"GET /static/{path...}":     "the sign-in page looks like something",
}

func TestAnonymousCallersAreRefused(t *testing.T) {
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil)
	patterns := web.Patterns(web.Config{})
	for pattern := range open {
		if !slices.Contains(patterns, pattern) {
			t.Errorf("%s is no route", pattern)
		}
	}
	refused := 0
	for _, pattern := range patterns {
		if open[pattern] != "" {
			continue
		}
		method, path, _ := strings.Cut(pattern, " ")
		path = strings.NewReplacer("{mac}", mac1, "{id}", "1", "{name}", "x.bin", "{$}", "").Replace(path)
		for _, cookie := range []string{"", "null", "forged", strings.Repeat("A", 54)} {
			r := a.send(method, path, jsonText(`{}`), nil, cookie)
			toLogin := r.StatusCode == http.StatusSeeOther && strings.HasPrefix(r.Header.Get("Location"), "/ui/login?") && strings.HasPrefix(path, "/ui/")
			if r.StatusCode != http.StatusUnauthorized && !toLogin {
				t.Errorf("%s with cookie %q: status %d: %.200s", pattern, cookie, r.StatusCode, r.body)
			}
			if r.StatusCode == http.StatusUnauthorized && (r.body != `{"detail":"login required"}` || r.Header.Get("WWW-Authenticate") != "") {
				t.Errorf("%s: %s", pattern, r.body)
			}
		}
		refused++
	}
	if refused < 15 {
		t.Errorf("only %d of %d routes refuse anonymous callers", refused, len(patterns))
	}
	if got := a.boots(); len(got) != 0 {
		t.Errorf("an anonymous caller put %v", got)
	}
	if n := a.count("actor=operator"); n != 1 { // the sign-in
		t.Errorf("%d events of an operator", n)
	}
}

func TestMethodsAndPaths(t *testing.T) {
	a := start(t, nil)
	a.file("a.bin", []byte("x"))
	for _, path := range []string{"/", "/healthz", "/version", "/images", "/catalog.toml", "/pxe-bootstrap.ipxe", "/pxe/" + mac1, "/pxe/" + mac1 + "/plan",
		"/machines", "/machines/" + mac1, "/events", "/ui/login", "/ui/machines"} {
		r := a.anonymous("HEAD", path, nil).is(t, 405)
		if r.Header.Get("Date") == "" || !strings.Contains(r.Header.Get("Allow"), "GET") || strings.Contains(r.Header.Get("Allow"), "HEAD") {
			t.Errorf("HEAD %s: %v", path, r.Header)
		}
	}
	if n := a.count("kind=machine.discovered"); n != 0 {
		t.Error("a HEAD on /pxe made a machine")
	}
	allow := []struct{ method, path, allow string }{
		{"POST", "/healthz", "GET"}, {"PATCH", "/machines/" + mac1, "GET, PUT, DELETE"}, {"HEAD", "/machines/" + mac1, "GET, PUT, DELETE"},
		{"GET", "/pxe/" + mac1 + "/status", "POST"}, {"DELETE", "/boot/a.bin", "GET, PUT"}, {"OPTIONS", "/catalog/entries", "GET, POST, DELETE"},
		{"HEAD", "/pxe/" + mac1 + "/inventory", "POST"}, {"PUT", "/", "GET"},
	}
	for _, test := range allow {
		r := a.anonymous(test.method, test.path, nil).is(t, 405)
		if r.Header.Get("Allow") != test.allow || test.method != "HEAD" && r.body != `{"detail":"Method Not Allowed"}` {
			t.Errorf("%s %s: Allow %q: %s", test.method, test.path, r.Header.Get("Allow"), r.body)
		}
	}
	for path, to := range map[string]string{"/healthz/": "/healthz", "/machines/?x=1": "/machines?x=1", "/ui/": "/ui", "/pxe/" + mac1 + "/": "/pxe/" + mac1,
		"/machines/a%20b/": "/machines/a%20b"} {
		r := a.anonymous("GET", path, nil, "Host", "bty.example:81").is(t, 307)
		if got := r.Header.Get("Location"); got != "http://bty.example:81"+to {
			t.Errorf("%s leads to %q", path, got)
		}
	}
	for _, path := range []string{"/x", "/pxe", "/pxe/", "/boot", "/boot/", "/machines/a/b", "/ui/nothing", "/static/../healthz/x", "/machines/../healthz", "/static/nothing", "/healthz%2F", "/boot/a.bin%2F"} {
		a.anonymous("GET", path, nil).is(t, 404)
	}
	// A boot path is never redirected: firmware does not follow.
	a.anonymous("GET", "//boot/a.bin", nil).is(t, 200)
	a.anonymous("GET", "/boot//a.bin", nil).is(t, 200)
	a.anonymous("GET", "//pxe-bootstrap.ipxe", nil).is(t, 200, "#!ipxe")
	a.alive()
}
