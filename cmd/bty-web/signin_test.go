package main

import (
	"bytes"
	"mime/multipart"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func form(password string) url.Values { return url.Values{"password": {password}} }

func TestSignIn(t *testing.T) {
	a := start(t, nil)
	page := a.anonymous("GET", "/ui/login", nil).is(t, 200, `name="password"`, "Log in", "BTY_ADMIN_PASSWORD")
	if strings.Contains(page.body, "well-known default") || strings.Contains(page.body, password) {
		t.Error("the page says too much")
	}
	wrong := a.anonymous("POST", "/ui/login", form("wrong")).is(t, 200, "Invalid password", `name="password"`)
	if wrong.Header.Get("Set-Cookie") != "" {
		t.Error("a wrong password got a cookie")
	}
	for name, body := range map[string]any{"non-ASCII": form("pässwörd"), "default": form("bty-lab"), "spaces": form(" " + password)} {
		if r := a.anonymous("POST", "/ui/login", body).is(t, 200, "Invalid password"); r.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: got a cookie", name)
		}
	}
	for name, body := range map[string]any{"absent": url.Values{"x": {"y"}}, "empty": form(""), "JSON": map[string]string{"password": password}, "none": nil} {
		r := a.anonymous("POST", "/ui/login", body).is(t, 422)
		if problems, ok := r.object(t)["detail"].([]any); !ok || keys(problems[0]) != "input loc msg type" || strings.Contains(r.body, password) {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	a.anonymous("POST", "/ui/login?password="+url.QueryEscape(password), nil).is(t, 422) // never in a URL
	a.anonymous("POST", "/ui/login", form(strings.Repeat("x", 100<<10))).is(t, 413)
	good := a.anonymous("POST", "/ui/login", form(password)).is(t, 303)
	set := good.Header.Get("Set-Cookie")
	for _, want := range []string{"bty-token=", "Path=/", "Max-Age=604800", "HttpOnly", "SameSite=Strict"} {
		if !strings.Contains(set, want) {
			t.Errorf("Set-Cookie %q lacks %s", set, want)
		}
	}
	if strings.Contains(set, "Secure") || strings.Contains(set, "Domain") || good.Header.Get("Location") != "/ui/dashboard" {
		t.Errorf("%q to %q", set, good.Header.Get("Location"))
	}
	if r := a.do("GET", "/ui/login", nil).is(t, 303); r.Header.Get("Location") != "/ui/dashboard" {
		t.Errorf("to %q", r.Header.Get("Location"))
	}
	a.alive()
}

func TestMultipartSignIn(t *testing.T) {
	a := start(t, nil)
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("password", password)
	_ = w.Close()
	a.anonymous("POST", "/ui/login", &b, "Content-Type", w.FormDataContentType()).is(t, 303)
}

// A page on another port of the same host has the browser send the cookie, and changes nothing.
func TestForeignPagesChangeNothing(t *testing.T) {
	a := start(t, nil)
	foreign := []string{"Origin", "http://127.0.0.1:1"}
	a.do("PUT", "/machines/"+mac1, jsonText(`{"boot_mode":"bty-tui"}`), foreign...).is(t, 403, "a page of", "http://127.0.0.1:1")
	a.do("POST", "/ui/machines/"+mac1, url.Values{"boot_mode": {"bty-tui"}}, foreign...).is(t, 403)
	a.do("GET", "/machines/"+mac1, nil).is(t, 404)
	a.do("PUT", "/machines/"+mac1, jsonText(`{"boot_mode":"bty-tui"}`), "Origin", "http://"+a.host).is(t, 200)
}

func TestSessions(t *testing.T) {
	a := start(t, nil)
	a.do("GET", "/machines", nil).is(t, 200)
	if r := a.do("GET", "/machines", nil); r.Header.Get("Vary") != "Cookie" || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("%v", r.Header)
	}
	forged := []byte(a.cookie)
	forged[3] ^= 1
	a.send("GET", "/machines", nil, nil, string(forged)).is(t, 401)
	a.restart() // signs nobody out
	a.do("GET", "/machines", nil).is(t, 200)
	out := a.do("POST", "/ui/logout", nil).is(t, 303)
	if set := out.Header.Get("Set-Cookie"); !strings.Contains(set, "bty-token=null") || !strings.Contains(set, "Thu, 01 Jan 1970") || out.Header.Get("Location") != "/ui/login" {
		t.Errorf("%q", set)
	}
	if r := a.anonymous("POST", "/ui/logout", nil).is(t, 303); r.Header.Get("Set-Cookie") != "" {
		t.Error("who is not signed in is signed out")
	}
	if kinds := []int{a.count("kind=auth.login.succeeded"), a.count("kind=auth.logout"), a.count("kind=auth.login.failed")}; kinds[0] < 1 || kinds[1] != 1 || kinds[2] != 0 {
		t.Errorf("%v", kinds)
	}
	old := a.cookie
	if err := os.Remove(filepath.Join(a.state, "session-secret")); err != nil {
		t.Fatal(err)
	}
	a.restart() // with another key
	a.send("GET", "/machines", nil, nil, old).is(t, 401)
	if info, err := os.Stat(filepath.Join(a.state, "session-secret")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

func TestDefaultPassword(t *testing.T) {
	a := start(t, map[string]string{"BTY_ADMIN_PASSWORD": "  "})
	a.anonymous("GET", "/ui/login", nil).is(t, 200, "well-known default")
	if !strings.Contains(a.log.String(), "default password") {
		t.Error("the journal does not say it")
	}
	r := a.anonymous("POST", "/ui/login", form("bty-lab")).is(t, 303)
	a.cookie = r.Cookies()[0].Value
	a.do("GET", "/ui/machines", nil).is(t, 200, "well-known default")
}

// Nothing secret is in a page, an event or the journal.
func TestSecretsStaySecret(t *testing.T) {
	a := start(t, map[string]string{"BTY_SERVER_SESSION_SECRET": "s3cr3t-s3cr3t"})
	a.anonymous("POST", "/ui/login", form("wr0ng-guess"))
	a.do("GET", "/machines", nil)
	everything := a.log.String() + a.do("GET", "/events?limit=500", nil).body + a.do("GET", "/ui/machines", nil).body + a.anonymous("GET", "/metrics", nil).body +
		a.do("GET", "/readyz", nil).body
	for _, secret := range []string{password, "s3cr3t-s3cr3t", "wr0ng-guess", a.cookie} {
		if strings.Contains(everything, secret) {
			t.Errorf("%q is in the open", secret)
		}
	}
}

func TestStateOfThePreviousSystem(t *testing.T) {
	a := prepare(t, nil)
	old := filepath.Join(a.state, "state.db")
	if err := os.MkdirAll(a.state, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, []byte("SQLite format 3\x00 theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(old)
	a.begin()
	a.do("GET", "/ui/machines", nil).is(t, 200, "bty-lab import "+old)
	a.anonymous("GET", "/ui/login", nil).is(t, 200, "bty-lab import")
	if !strings.Contains(a.log.String(), "bty-lab import "+old) {
		t.Error("the journal does not name the command")
	}
	after, err := os.Stat(old)
	if raw, _ := os.ReadFile(old); err != nil || string(raw) != "SQLite format 3\x00 theirs" || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("it was touched: %v", err)
	}
}

// The pages load nothing from elsewhere.
func TestPagesAreLocal(t *testing.T) {
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil)
	for _, path := range []string{"/ui/machines", "/ui/machines/" + mac1} {
		r := a.do("GET", path, nil).is(t, 200, mac1)
		for _, mark := range []string{`src="http`, `href="http`, `src="//`, `href="//`, "<script>", "style="} {
			if strings.Contains(r.body, mark) {
				t.Errorf("%s has %s", path, mark)
			}
		}
		if r.Header.Get("Content-Security-Policy") == "" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v", r.Header)
		}
	}
	a.do("GET", "/ui/machines/nonsense", nil).is(t, 400)
	a.do("GET", "/ui/machines/"+mac2, nil).is(t, 404)
	a.do("POST", "/ui/machines/"+mac1+"/arm", nil).is(t, 303)
	a.do("GET", "/ui/machines?error=%3Cscript%3E", nil).is(t, 200, "&lt;script&gt;")
}
