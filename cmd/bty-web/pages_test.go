package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// leads checks where a form led to: the page and, unescaped, what its query says.
func (r reply) leads(t testing.TB, path string, says ...string) {
	t.Helper()
	r.is(t, 303)
	to, err := url.Parse(r.Header.Get("Location"))
	if err != nil || to.Path != path {
		t.Errorf("%s leads to %q, want %s", r.Request.URL, r.Header.Get("Location"), path)
		return
	}
	for _, want := range says {
		if !strings.Contains(to.Query().Encode()+" "+to.Query().Get("error"), want) {
			t.Errorf("%s leads to %q, which does not say %q", r.Request.URL, r.Header.Get("Location"), want)
		}
	}
}

func TestAssignmentForm(t *testing.T) {
	a := start(t, nil)
	src := origin(t, map[string]string{"/a.img.zst": "image"}) + "/a.img.zst"
	ref := a.do("POST", "/catalog/entries", map[string]any{"image_url": src}).is(t, 201).object(t)["bty_image_ref"].(string)
	a.anonymous("GET", "/pxe/"+mac1, nil)
	const here = "/ui/machines/" + mac1
	save := func(fields url.Values) reply { return a.do("POST", here, fields) }

	save(url.Values{"boot_mode": {"bty-flash-once"}, "bty_image_ref": {ref}}).leads(t, here, "bty-flash-once", "target disk")
	save(url.Values{"labels": {".bad"}}).leads(t, here, "validation failed: labels.0")
	save(url.Values{"boot_mode": {"nonsense"}}).leads(t, here, "validation failed: boot_mode")
	save(url.Values{"sanboot_drive": {"80"}, "bty_image_ref": {"xyz"}}).leads(t, here, "sanboot_drive", "bty_image_ref")
	if m := a.machine(mac1); m["boot_mode"] != "bty-inventory" {
		t.Errorf("a form that was refused changed %v", m)
	}
	save(url.Values{"boot_mode": {"bty-flash-once"}, "bty_image_ref": {ref}, "target_disk_serial": {" SER1 "}, "labels": {" b, A ,,a, b "}, "sanboot_drive": {""}}).
		leads(t, "/ui/machines", "saved=")
	if m := a.machine(mac1); m["boot_mode"] != "bty-flash-once" || m["bty_image_ref"] != ref || m["target_disk_serial"] != "SER1" || len(m["labels"].([]any)) != 2 || m["sanboot_drive"] != nil {
		t.Errorf("%v", m)
	}
	page := a.do("GET", here, nil).is(t, 200, `value="SER1"`, "A, b", "a.img.zst")
	if !strings.Contains(page.body, `value="bty-flash-once" checked`) {
		t.Error("the form does not show the boot mode that is set")
	}
	// The same again changes no fact and arms nothing.
	a.do("POST", here+"/arm", nil).leads(t, here, "saved=armed")
	armed := a.count("kind=machine.armed")
	save(url.Values{"boot_mode": {"bty-flash-once"}, "bty_image_ref": {ref}, "target_disk_serial": {"SER1"}, "labels": {"A, b"}}).leads(t, "/ui/machines")
	if n := a.count("kind=machine.armed"); n != armed {
		t.Error("saving armed it")
	}
	// Handed to the rules, of which there is none: it reports its hardware, and saving that again keeps it.
	for range 2 {
		save(url.Values{"boot_mode": {"by-rule"}}).leads(t, "/ui/machines", "saved=")
		page = a.do("GET", here, nil).is(t, 200, `value="by-rule" checked`)
		if m := a.machine(mac1); m["boot_mode"] != "bty-inventory" || strings.Count(page.body, " checked") != 1 {
			t.Errorf("%v", m)
		}
	}
	a.do("POST", "/ui/machines/nonsense", url.Values{}).is(t, 400)
	a.do("POST", here, url.Values{"labels": {strings.Repeat("x,", 70<<10)}}).is(t, 413)
	a.alive()
}

func TestAddAndForgetMachines(t *testing.T) {
	a := start(t, nil)
	a.do("GET", "/ui/machines", nil).is(t, 200, "No machine has asked yet")
	for spelling, mac := range map[string]string{"525400000011": "52:54:00:00:00:11", "5254.0000.0012": "52:54:00:00:00:12", " 52-54-00-00-00-13 ": "52:54:00:00:00:13", "52:54:00:00:00:AA": "52:54:00:00:00:aa"} {
		a.do("POST", "/ui/machines", url.Values{"mac": {spelling}}).leads(t, "/ui/machines/"+mac, "saved=added")
	}
	for _, bad := range []string{"", "nonsense", "52:54:00:00:00", "525400000011ff"} {
		a.do("POST", "/ui/machines", url.Values{"mac": {bad}}).leads(t, "/ui/machines", "is no MAC", "5254.0012.3456")
	}
	const known = "52:54:00:00:00:11"
	a.do("PUT", "/machines/"+known, jsonText(`{"boot_mode":"bty-tui","labels":["keep"]}`)).is(t, 200)
	a.do("POST", "/ui/machines", url.Values{"mac": {known}}).leads(t, "/ui/machines/"+known, "saved=known")
	if m := a.machine(known); m["boot_mode"] != "bty-tui" || len(m["labels"].([]any)) != 1 {
		t.Errorf("adding a known MAC changed it: %v", m)
	}
	a.do("GET", "/ui/machines/"+known+"?saved=known", nil).is(t, 200, "known already")
	a.do("GET", "/ui/machines/"+known+"/delete", nil).is(t, 200, "Forget "+known, "Cancel")
	a.do("POST", "/ui/machines/"+known+"/delete", nil).leads(t, "/ui/machines", "deleted=")
	a.do("POST", "/ui/machines/"+known+"/delete", nil).leads(t, "/ui/machines", "missing=")
	a.do("GET", "/ui/machines?deleted="+known, nil).is(t, 200, known+" is forgotten")
	if r := a.do("GET", "/ui/machines?deleted=%3Cscript%3E&saved=x", nil).is(t, 200); strings.Contains(r.body, "forgotten.") || strings.Contains(r.body, "is saved") {
		t.Error("a link that somebody made up is believed")
	}
}

// A browser gets a page, a program JSON, a script of a page an answer that it can tell from a page.
func TestErrorsAndExpiredSessions(t *testing.T) {
	a := start(t, nil)
	const html = "text/html,application/xhtml+xml,*/*;q=0.8"
	for path, status := range map[string]int{"/ui/machines/nonsense": 400, "/ui/machines/" + mac2: 404, "/ui/nothing": 404, "/ui/machines/" + mac2 + "/row": 404} {
		r := a.do("GET", path, nil, "Accept", html).is(t, status, "<!doctype html>", "Log out")
		if r.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %v", path, r.Header)
		}
		a.do("GET", path, nil).is(t, status, `{"detail":`)
		a.do("GET", path, nil, "Accept", "*/*", "HX-Request", "true").is(t, status, `{"detail":`)
	}
	a.do("PUT", "/ui/machines", nil, "Accept", html).is(t, 405, "<!doctype html>")
	a.do("GET", "/machines/"+mac2, nil, "Accept", html).is(t, 404, `{"detail":`) // no page
	a.anonymous("GET", "/ui/nothing", nil, "Accept", html).is(t, 404, "Log in")
	a.anonymous("POST", "/ui/login", url.Values{}, "Accept", html).is(t, 422, "<!doctype html>", "password")

	a.anonymous("GET", "/ui/machines?q=a%26b&page=2", nil, "Accept", html).leads(t, "/ui/login", url.Values{"next": {"/ui/machines?q=a%26b&page=2"}}.Encode())
	a.anonymous("POST", "/ui/machines/"+mac1, nil, "Accept", html).leads(t, "/ui/login", "expired=1")
	a.anonymous("GET", "/ui/login?expired=1", nil).is(t, 200, "nothing was saved")
	a.anonymous("GET", "/ui/machines/"+mac1+"/row", nil, "HX-Request", "true").is(t, 401, `{"detail":"login required"}`)
	a.anonymous("GET", "/ui/session", nil).is(t, 401)
	a.anonymous("GET", "/ui/login?next=%2Fui%2Fmachines%3Fpage%3D2", nil).is(t, 200, `name="next" value="/ui/machines?page=2"`)
	a.anonymous("POST", "/ui/login", url.Values{"password": {password}, "next": {"/ui/machines?page=2"}}).leads(t, "/ui/machines", "page=2")
	for _, evil := range []string{"//evil.example/ui/", "https://evil.example/", "/ui/\\evil"} {
		a.anonymous("POST", "/ui/login", url.Values{"password": {password}, "next": {evil}}).leads(t, "/ui/dashboard")
	}
	a.anonymous("POST", "/ui/login", url.Values{"password": {"wrong"}, "next": {"/ui/events"}}).is(t, 200, "Invalid password", `value="/ui/events"`)
}

func TestStaticFiles(t *testing.T) {
	a := start(t, nil)
	page := a.anonymous("GET", "/ui/login", nil).body
	found := 0
	for part := range strings.SplitSeq(page, `"/static/`) {
		path, _, ok := strings.Cut(part, `"`)
		if !ok || strings.HasPrefix(part, "<!") {
			continue
		}
		found++
		r := a.anonymous("GET", "/static/"+path, nil).is(t, 200)
		if !strings.Contains(r.Header.Get("Cache-Control"), "immutable") || r.Header.Get("ETag") == "" {
			t.Errorf("%s: %v", path, r.Header)
		}
		a.anonymous("GET", "/static/"+path, nil, "If-None-Match", r.Header.Get("ETag")).is(t, 304)
		packed := a.anonymous("GET", "/static/"+path, nil, "Accept-Encoding", "gzip")
		if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("ETag") == r.Header.Get("ETag") {
			t.Errorf("%s: %v", path, packed.Header)
		}
		name, _, _ := strings.Cut(path, "?")
		if old := a.anonymous("GET", "/static/"+name+"?v=old", nil).is(t, 200); old.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s of another release: %v", name, old.Header)
		}
		if head := a.anonymous("HEAD", "/static/"+name, nil).is(t, 200); head.ContentLength != int64(len(r.body)) {
			t.Errorf("%s: HEAD says %d bytes, GET sends %d", name, head.ContentLength, len(r.body))
		}
	}
	if found < 8 {
		t.Errorf("the page loads only %d files", found)
	}
	for _, path := range []string{"/static/", "/static/nothing", "/static/../bty.css", "/static/vendor", "/static/%2e%2e/ui.go"} {
		a.anonymous("GET", path, nil).is(t, 404)
	}
}

func TestLists(t *testing.T) {
	a := start(t, nil)
	for i := range 30 {
		a.do("POST", "/ui/machines", url.Values{"mac": {"5254000000" + string("0123456789abcdef"[i/16]) + string("0123456789abcdef"[i%16])}})
	}
	for query, says := range map[string]string{
		"":                                   "1-25 of 30",
		"?page=2":                            "26-30 of 30",
		"?page=99":                           "26-30 of 30",
		"?per_page=100&sort=mac&dir=desc":    "1-30 of 30",
		"?q=52:54:00:00:00:1":                "1-14 of 14",
		"?q=525400000005":                    "1-1 of 1",
		"?filter=assigned":                   "Nothing matches",
		"?filter=failed":                     "Nothing matches",
		"?filter=discovered":                 "1-25 of 30",
		"?filter=nonsense&sort=x&per_page=1": "1-25 of 30",
		"?sort=last_seen_at&dir=desc":        `aria-sort="descending"`,
	} {
		a.do("GET", "/ui/machines"+query, nil).is(t, 200, says)
	}
}

// Nothing is lost between a page and its stream: the page says as of which event it is, and the
// stream goes on from there.
func TestStreamGoesOnFromThePage(t *testing.T) {
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil)
	page := a.do("GET", "/ui/machines", nil).is(t, 200).body
	_, asOf, _ := strings.Cut(page, `data-as-of="`)
	asOf, _, _ = strings.Cut(asOf, `"`)
	if want := fmt.Sprint(a.events("limit=1")[0]["id"]); asOf != want {
		t.Fatalf("the page is as of event %q, the newest is %s", asOf, want)
	}
	a.anonymous("GET", "/pxe/"+mac2, nil) // between the page and the stream
	request, err := http.NewRequestWithContext(t.Context(), "GET", a.url+"/api/v1/stream?after="+asOf, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.AddCookie(&http.Cookie{Name: "bty-token", Value: a.cookie})
	answer, err := a.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if data, isData := strings.CutPrefix(lines.Text(), "data: "); isData {
			if !strings.Contains(data, mac2) || !strings.Contains(data, "machine.discovered") {
				t.Errorf("the stream begins with %s", data)
			}
			return
		}
	}
	t.Error("the stream says nothing")
}
