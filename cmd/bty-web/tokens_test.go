package main

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/web"
)

// token makes an API token and returns its ID and its secret.
func (a *appliance) token(name, scope string) (id, secret string) {
	a.Helper()
	made := a.do("POST", "/api/v1/tokens", map[string]any{"name": name, "scope": scope}).is(a, 201).object(a)
	return made["id"].(string), made["secret"].(string)
}

func bearer(secret string) []string { return []string{"Authorization", "Bearer " + secret} }

func TestTokens(t *testing.T) {
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil)
	readID, reader := a.token("monitoring", "read")
	_, writer := a.token("ci", "write")
	if !strings.HasPrefix(reader, "bty_") || len(reader) != 56 {
		t.Fatalf("%q", reader)
	}
	a.anonymous("GET", "/machines", nil, bearer(reader)...).is(t, 200, mac1)
	a.anonymous("GET", "/events?limit=1", nil, bearer(reader)...).is(t, 200)
	a.anonymous("GET", "/machines", nil, bearer(writer)...).is(t, 200, mac1)
	a.anonymous("PUT", "/machines/"+mac1, jsonText(`{"labels":["a"]}`), bearer(reader)...).is(t, 403, `the API token \"monitoring\" may only read`)
	a.anonymous("PUT", "/machines/"+mac1, jsonText(`{"labels":["a"]}`), bearer(writer)...).is(t, 200)
	a.anonymous("PUT", "/boot/x.bin", "content", bearer(reader)...).is(t, 403)
	a.anonymous("PUT", "/boot/x.bin", "content", bearer(writer)...).is(t, 200)
	if e := a.events("kind=machine.upserted")[0]; e["by"] != "token ci" || e["actor"] != "operator" {
		t.Errorf("%v", e)
	}
	// The order of what is looked at stays: JSON, then who it is, then the rest.
	a.anonymous("PUT", "/machines/"+mac1, jsonText(`{`), bearer(reader)...).is(t, 422, "json_invalid")
	a.anonymous("PUT", "/machines/"+mac1, jsonText(`{"x":1}`), bearer("bty_forged")...).is(t, 401)
	a.anonymous("GET", "/pxe/"+mac1, nil, bearer("bty_forged")...).is(t, 200) // boot routes are open
	// What a reverse proxy asked for is no token: people are led to the sign-in page.
	a.anonymous("GET", "/ui/machines", nil, "Authorization", "Basic eDp5").is(t, 303)
	// Pages and what decides who gets in are for people.
	for _, path := range []string{"/ui/machines", "/ui/session", "/api/v1/tokens"} {
		a.anonymous("GET", path, nil, bearer(writer)...).is(t, 403, "sign in with the password")
	}
	a.anonymous("POST", "/api/v1/tokens", map[string]any{"name": "more"}, bearer(writer)...).is(t, 403)
	a.anonymous("DELETE", "/api/v1/tokens/"+readID, nil, bearer(writer)...).is(t, 403)
	// A database has tokens in it.
	a.anonymous("POST", "/api/v1/restore", "content", bearer(writer)...).is(t, 403, "sign in with the password")
	a.anonymous("POST", "/api/v1/backups/2026-11-25T21-00-00Z/restore", nil, bearer(writer)...).is(t, 403)
	a.anonymous("GET", "/api/v1/tokens", nil).is(t, 401, `{"detail":"login required"}`)

	list := a.do("GET", "/api/v1/tokens", nil).is(t, 200)
	tokens := list.object(t)["tokens"].([]any)
	if got := keys(tokens[0]); got != "created_at expires_at id last_used_at last_used_ip name scope" {
		t.Errorf("keys %s", got)
	}
	first := tokens[0].(map[string]any)
	if first["name"] != "monitoring" || first["last_used_ip"] != "127.0.0.1" || first["last_used_at"] == nil || first["expires_at"] != nil {
		t.Errorf("%v", first)
	}
	a.restart()
	a.anonymous("GET", "/machines", nil, bearer(reader)...).is(t, 200)
	a.do("DELETE", "/api/v1/tokens/"+readID, nil).is(t, 204)
	a.do("DELETE", "/api/v1/tokens/"+readID, nil).is(t, 404)
	a.anonymous("GET", "/machines", nil, bearer(reader)...).is(t, 401, "may have been revoked")

	db, err := os.ReadFile(filepath.Join(a.state, "bty.db"))
	if err != nil {
		t.Fatal(err)
	}
	everything := string(db) + a.log.String() + list.body + a.do("GET", "/events?limit=500", nil).body
	for _, secret := range []string{reader, writer} {
		if strings.Contains(everything, secret) {
			t.Error("a secret is kept or told")
		}
	}
}

func TestTokenRequests(t *testing.T) {
	a := start(t, nil)
	soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for _, tt := range []struct {
		body   string
		status int
		says   string
	}{
		{`{"name":"a","expires_at":"` + soon + `"}`, 201, `"scope":"read"`},
		{`{"name":"b","expires_at":null,"scope":"write"}`, 201, `"expires_at":null`},
		{`{"name":"a"}`, 409, "revoke it first"},
		{`{}`, 422, "missing"},
		{`{"name":""}`, 422, "string_too_short"},
		{`{"name":"` + strings.Repeat("x", 65) + `"}`, 422, "string_too_long"},
		{`{"name":"c","scope":"admin"}`, 422, "literal_error"},
		{`{"name":"c","expires_at":"tomorrow"}`, 422, "datetime_parsing"},
		{`{"name":"c","expires_at":"2001-01-01T00:00:00Z"}`, 422, "expired already"},
		{`{"name":"c","more":1}`, 422, "extra_forbidden"},
		{`{"name":"c\u0000"}`, 422, "printable"},
		{`[]`, 422, "model_attributes_type"},
	} {
		a.do("POST", "/api/v1/tokens", jsonText(tt.body)).is(t, tt.status, tt.says)
	}
	a.do("DELETE", "/api/v1/tokens/%00", nil).is(t, 404)
	a.do("DELETE", "/api/v1/tokens/"+strings.Repeat("x", 1000), nil).is(t, 404)
	a.alive()
}

// No route that changes something lets a token pass that may only read.
func TestReadTokenChangesNothing(t *testing.T) {
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil)
	_, reader := a.token("reader", "read")
	checked := 0
	for _, pattern := range web.Patterns(web.Config{}) {
		method, path, _ := strings.Cut(pattern, " ")
		if method == "GET" || open[pattern] != "" {
			continue
		}
		path = strings.NewReplacer("{mac}", mac1, "{id}", "1", "{name}", "x.bin", "{tag}", "v1", "{$}", "", "{path...}", "x").Replace(path)
		if r := a.anonymous(method, path, jsonText(`{}`), bearer(reader)...); r.StatusCode != 403 {
			t.Errorf("%s: %d %.200s", pattern, r.StatusCode, r.body)
		}
		checked++
	}
	if checked < 8 {
		t.Errorf("only %d routes", checked)
	}
}

// What the documentation shows works: curl with a token, for the API and for the stream.
func TestCurlWithToken(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is missing: apt-get install curl")
	}
	a := start(t, nil)
	_, reader := a.token("curl", "read")
	out, err := exec.Command(curl, "-sS", "--max-time", "10", "-H", "Authorization: Bearer "+reader, a.url+"/machines").CombinedOutput()
	if err != nil || string(out) != "[]" {
		t.Errorf("%v %s", err, out)
	}
	out, _ = exec.Command(curl, "-sS", "-i", "--max-time", "1", "-H", "Authorization: Bearer "+reader, a.url+"/api/v1/stream").CombinedOutput()
	if !strings.Contains(string(out), "200 OK") || !strings.Contains(string(out), "text/event-stream") {
		t.Errorf("%s", out)
	}
}

func TestTooManyAttempts(t *testing.T) {
	a := start(t, map[string]string{"BTY_SERVER_TRUSTED_PROXY": "127.0.0.1"})
	guess := func(from, password string) reply {
		return a.anonymous("POST", "/ui/login", url.Values{"password": {password}}, "X-Forwarded-For", from)
	}
	var last reply
	for i := range 30 {
		if last = guess("192.0.2.1", fmt.Sprint("guess ", i)); last.StatusCode != 200 {
			break
		}
	}
	last.is(t, 429, "Too many attempts", "try again in", `name="password"`)
	if seconds := last.Header.Get("Retry-After"); seconds == "" || seconds == "0" {
		t.Errorf("Retry-After %q", seconds)
	}
	guess("192.0.2.1", password).is(t, 429)
	guess("192.0.2.2", password).is(t, 303) // nobody else is concerned
	for range 5 {
		guess("192.0.2.1", "again").is(t, 429)
	}
	if n := a.count("kind=auth.login.limited"); n != 1 {
		t.Errorf("%d events", n)
	}
	if e := a.events("kind=auth.login.limited"); len(e) > 0 && e[0]["source_ip"] != "192.0.2.1" {
		t.Errorf("%v", e)
	}
	a.alive()
}

// The password may be kept as a hash, in a credential, and in any script there is.
func TestKeptPasswords(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := hashPassword(environment{stdin: strings.NewReader("pässwörd 密码\n"), stdout: &out})
	if err != nil || !strings.HasPrefix(out.String(), "$argon2id$v=19$") {
		t.Fatalf("%s %v", &out, err)
	}
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, "bty.admin-password"), []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	a := start(t, map[string]string{"BTY_ADMIN_PASSWORD": "", "CREDENTIALS_DIRECTORY": credentials})
	a.anonymous("POST", "/ui/login", form("pässwörd 密码")).is(t, 303)
	a.anonymous("POST", "/ui/login", form(strings.TrimSpace(out.String()))).is(t, 200, "Invalid password")
	a.anonymous("POST", "/ui/login", form("pässwörd")).is(t, 200, "Invalid password")
	if err := hashPassword(environment{stdin: strings.NewReader("\n"), stdout: &out}); err == nil {
		t.Error("no password has a hash")
	}
}
