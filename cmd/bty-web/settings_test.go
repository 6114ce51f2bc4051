package main

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// edit sends the form of one key and returns where it leads.
func (a *appliance) edit(section, key, value string) string {
	a.Helper()
	return a.do("POST", "/ui/settings/config/edit", url.Values{"section": {section}, "key": {key}, "value": {value}}).is(a, 303).Header.Get("Location")
}

func TestSettingsForms(t *testing.T) {
	a := start(t, nil)
	for _, tt := range []struct {
		form   string
		fields url.Values
		status int
		to     string
		says   string // the page that it leads to
	}{
		{"upstream", url.Values{"netboot_repo": {"me/fork"}, "netboot_tag": {"v1"}, "catalog_url": {"https://h/c.toml"}}, 303, "/ui/settings?saved=upstream", `value="me/fork"`},
		{"upstream", url.Values{"netboot_repo": {"nope"}}, 303, "/ui/settings?error=", "give OWNER/NAME"},
		{"upstream", url.Values{}, 303, "/ui/settings?saved=upstream", `placeholder="safl/bty"`},
		{"backup", url.Values{"backup_enabled": {"1"}, "backup_cadence": {"daily"}, "backup_retention_count": {"12"}}, 303, "/ui/settings?saved=backup#backup-schedule", `value="daily" selected`},
		{"backup", url.Values{"backup_cadence": {"daily"}, "backup_retention_count": {"0"}}, 422, "", ""},
		{"backup", url.Values{"backup_cadence": {"hourly"}, "backup_retention_count": {"1"}}, 422, "", ""},
		{"backup", nil, 422, "", ""},
		{"display", url.Values{"display_timezone": {"Asia/Tokyo"}}, 303, "/ui/settings?saved=display#display", "times in JST"},
		{"display", url.Values{"display_timezone": {"Mars/Base"}}, 303, "/ui/settings?error=", "IANA"},
		{"display", url.Values{"display_timezone": {"<script>"}}, 303, "/ui/settings?error=", "&lt;script&gt;"},
		{"events", url.Values{"events_keep_days": {"30"}}, 303, "/ui/settings?saved=events#events", `value="30"`},
		{"events", url.Values{"events_keep_days": {"-1"}}, 303, "/ui/settings?error=", "whole number"},
		{"stored/remove", url.Values{"name": {"events.keep_days"}}, 303, "/ui/settings?saved=forgotten", `placeholder="365"`},
		{"stored/remove", url.Values{"name": {"auth.session_epoch"}}, 303, "/ui/settings?error=", "not the name of a stored setting"},
	} {
		r := a.do("POST", "/ui/settings/"+tt.form, tt.fields).is(t, tt.status)
		if tt.status != 303 {
			continue
		}
		to := r.Header.Get("Location")
		if to != tt.to && !(strings.HasSuffix(tt.to, "error=") && strings.HasPrefix(to, tt.to)) {
			t.Errorf("%s %v leads to %s, want %s", tt.form, tt.fields, to, tt.to)
		}
		page, _, _ := strings.Cut(to, "#")
		a.do("GET", page, nil).is(t, 200, tt.says, "data-flash")
	}
	if e := a.events("kind=settings.display.updated"); len(e) != 1 || e[0]["subject_id"] != "display" || e[0]["source_ip"] != "127.0.0.1" {
		t.Errorf("%v", e)
	}
	a.restart() // what is stored stays
	a.do("GET", "/ui/settings", nil).is(t, 200, `value="daily" selected`, "times in JST")
}

func TestConfigEdit(t *testing.T) {
	a := prepare(t, map[string]string{"BTY_LOG_FORMAT": "text"})
	if err := os.MkdirAll(filepath.Dir(a.configFile()), 0o755); err != nil {
		t.Fatal(err)
	}
	a.config("# of the lab\n[server]\ntrusted_proxy = '192.0.2.1' # rack 1\n")
	a.begin()
	for _, tt := range []struct{ section, key, value, to, says string }{
		{"server", "trusted_proxy", "127.0.0.1", "saved=config", "Saved in the configuration file"},
		{"withcache", "url", "http://cache:3000", "saved=config", `value="http://cache:3000"`},
		{"boot", "max_attempts", "9", "saved=config", "systemctl restart bty-web"},
		{"sever", "port", "1", "error=unknown+section", "[sever] is not a section"},
		{"server", "prot", "1", "error=unknown+key", "server.prot is not a setting"},
		{"", "", "", "error=unknown+section", "is not a section"},
		{strings.Repeat("x", 40000), "<b>", "1", "error=unknown+section", "xxx"},
		{"boot", "max_attempts", "many", "error=invalid+value+for+boot.max_attempts", "must be a whole number from 1 to "},
		{"server", "trusted_proxy", "(off)", "error=invalid+value+for+server.trusted_proxy", "address of the reverse proxy"},
		{"log", "format", "json", "error=env+override+for+log.format", "BTY_LOG_FORMAT"},
		{"admin", "password", "stolen", "error=invalid+value+for+admin.password", "Account page"},
		{"paths", "state_dir", "/", "error=invalid+value+for+paths.state_dir", "Another folder is another database"},
		{"server", "session_secret", "s3cr3t-s3cr3t", "saved=config", ""},
	} {
		to := a.edit(tt.section, tt.key, tt.value)
		if to != "/ui/settings?"+tt.to {
			t.Errorf("%.20s.%s leads to %s, want %s", tt.section, tt.key, to, tt.to)
		}
		if tt.key == "session_secret" {
			a.cookie = "" // it signs everybody out
		}
		a.do("GET", to, nil).is(t, 200, tt.says)
	}
	want := "# of the lab\n[server]\ntrusted_proxy = \"127.0.0.1\" # rack 1\nsession_secret = \"s3cr3t-s3cr3t\"\n\n[withcache]\nurl = \"http://cache:3000\"\n\n[boot]\nmax_attempts = 9\n"
	if got, err := os.ReadFile(a.configFile()); err != nil || string(got) != want {
		t.Errorf("%s %v, want\n%s", got, err, want)
	}
	// In force at once, and after a restart.
	for range 2 {
		a.anonymous("GET", "/pxe/"+mac1, nil, "X-Forwarded-For", "192.0.2.7").is(t, 200)
		if got := a.machine(mac1)["last_seen_ip"]; got != "192.0.2.7" {
			t.Errorf("last seen at %v", got)
		}
		a.restart()
	}
	if to := a.edit("server", "session_secret", ""); to != "/ui/settings?saved=config" {
		t.Errorf("%s", to)
	}
	a.cookie = ""
	everything := a.do("GET", "/events?limit=500", nil).body + a.do("GET", "/ui/settings", nil).body + a.log.String()
	for _, secret := range []string{"s3cr3t", "stolen", password} {
		if strings.Contains(everything, secret) {
			t.Errorf("%s is told", secret)
		}
	}
	edits := a.events("kind=settings.config.updated&limit=500")
	if n := len(edits); n != 5 {
		t.Errorf("%d edits", n)
	}
	last := edits[0]["details"].(map[string]any)
	if edits[0]["subject_id"] != "server.session_secret" || keys(last) != "key new old path section" || last["old"] != "(set)" || last["new"] != nil || last["path"] != a.configFile() {
		t.Errorf("%v", edits[0])
	}
	if n := a.count("kind=settings.config.failed"); n != 9 {
		t.Errorf("%d failures", n)
	}
}

// A page says of every key where it comes from, and never what a secret is.
func TestSettingsPage(t *testing.T) {
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, "bty.session-secret"), []byte("cr3dential"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := prepare(t, map[string]string{"CREDENTIALS_DIRECTORY": credentials})
	if err := os.MkdirAll(filepath.Dir(a.configFile()), 0o755); err != nil {
		t.Fatal(err)
	}
	a.config("\n\n[boot]\nmax_attempts = 7\n")
	a.begin()
	r := a.do("GET", "/ui/settings", nil).is(t, 200, "variable BTY_ADMIN_PASSWORD", "credential bty.session-secret", a.configFile()+":4", `value="7"`,
		`id="tftp.port"`, `placeholder="69"`, `placeholder="`+a.state+`/boot"`)
	for _, secret := range []string{password, "cr3dential"} {
		if strings.Contains(r.body, secret) {
			t.Errorf("the page has %s", secret)
		}
	}
	if n := strings.Count(r.body, `class="setting"`); n != strings.Count(r.body, `<label for="f-`) || n < 25 {
		t.Errorf("%d settings", n)
	}
}

func TestAccountPassword(t *testing.T) {
	a := start(t, map[string]string{"BTY_ADMIN_PASSWORD": ""})
	a.vars["BTY_ADMIN_PASSWORD"] = "bty-lab" // what the tests sign in with
	a.do("GET", "/ui/account", nil).is(t, 200, "the well-known default is in force")
	change := func(current, next, again string) string {
		r := a.do("POST", "/ui/account/password", url.Values{"current": {current}, "new": {next}, "again": {again}}).is(t, 303)
		for _, c := range r.Cookies() {
			a.cookie = c.Value
		}
		return r.Header.Get("Location")
	}
	const next = "ein längeres 密码"
	for name, tt := range map[string][4]string{
		"wrong current": {"guess", next, next, "current%20password%20is%20wrong"},
		"two ways":      {"bty-lab", next, next + "x", "typed%20in%20two%20ways"},
		"default":       {"bty-lab", "bty-lab", "bty-lab", "well-known"},
		"short":         {"bty-lab", "1234567", "1234567", "from%208%20to"},
		"nothing":       {"", "", "", "wrong"},
	} {
		if to := change(tt[0], tt[1], tt[2]); !strings.HasPrefix(to, "/ui/account?error=") || !strings.Contains(to, tt[3]) {
			t.Errorf("%s: %s", name, to)
		}
	}
	old := a.cookie
	delete(a.vars, "BTY_ADMIN_PASSWORD")
	a.restart()
	if to := change("bty-lab", next, next); to != "/ui/account?saved=password" {
		t.Fatalf("%s", to)
	}
	a.send("GET", "/machines", nil, nil, old).is(t, 401)
	a.do("GET", "/machines", nil).is(t, 200)
	a.restart()
	a.do("GET", "/machines", nil).is(t, 200)
	a.anonymous("POST", "/ui/login", form("bty-lab")).is(t, 200, "Invalid password")
	a.anonymous("POST", "/ui/login", form(next)).is(t, 303)
	kept, err := os.ReadFile(a.configFile())
	if err != nil || !strings.Contains(string(kept), `password = "$argon2id$v=19$`) {
		t.Errorf("%s %v", kept, err)
	}
	if everything := a.do("GET", "/events?limit=500", nil).body + a.log.String() + string(kept); strings.Contains(everything, next) || strings.Contains(a.log.String(), "argon2id") {
		t.Error("the password is told")
	}
}

func TestPasswordThatIsSetElsewhere(t *testing.T) {
	a := start(t, nil)
	a.do("GET", "/ui/account", nil).is(t, 200, "variable BTY_ADMIN_PASSWORD", "hash-password")
	r := a.do("POST", "/ui/account/password", url.Values{"current": {password}, "new": {"new password"}, "again": {"new password"}}).is(t, 303)
	if to, _ := url.QueryUnescape(r.Header.Get("Location")); !strings.Contains(to, "comes from the variable BTY_ADMIN_PASSWORD") {
		t.Errorf("%s", to)
	}
	a.do("GET", "/machines", nil).is(t, 200)
}

func TestSignOutEverywhere(t *testing.T) {
	a := start(t, nil)
	a.do("GET", "/ui/account/sign-out", nil).is(t, 200, `action="/ui/account/sign-out"`)
	old := a.cookie
	if to := a.do("POST", "/ui/account/sign-out", nil).is(t, 303).Header.Get("Location"); to != "/ui/login?everywhere=1" {
		t.Errorf("%s", to)
	}
	a.anonymous("GET", "/ui/login?everywhere=1", nil).is(t, 200, "Everybody is signed out")
	a.send("GET", "/machines", nil, nil, old).is(t, 401)
	a.cookie = ""
	a.do("GET", "/machines", nil).is(t, 200)
	a.restart()
	a.do("GET", "/machines", nil).is(t, 200)
	a.send("GET", "/machines", nil, nil, old).is(t, 401)
	if n := a.count("kind=auth.sessions.ended"); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestAccountTokens(t *testing.T) {
	a := start(t, nil)
	a.do("GET", "/ui/account", nil).is(t, 200, "No program has a token")
	page := a.do("POST", "/ui/account/tokens", url.Values{"name": {"ci <b>"}, "scope": {"write"}, "days": {"90"}}).is(t, 200, "ci &lt;b&gt;", "shown this once")
	_, rest, _ := strings.Cut(page.body, `id="secret">`)
	secret, _, _ := strings.Cut(rest, "<")
	a.anonymous("GET", "/machines", nil, bearer(secret)...).is(t, 200)
	list := a.do("GET", "/ui/account", nil).is(t, 200, "ci &lt;b&gt;", "127.0.0.1")
	if strings.Contains(list.body, secret) {
		t.Error("the secret is shown again")
	}
	for _, fields := range []url.Values{{}, {"name": {"ci <b>"}, "scope": {"read"}, "days": {""}}, {"name": {"x"}, "scope": {"all"}}, {"name": {"x"}, "scope": {"read"}, "days": {"-1"}}} {
		if to := a.do("POST", "/ui/account/tokens", fields).is(t, 303).Header.Get("Location"); !strings.HasPrefix(to, "/ui/account?error=") {
			t.Errorf("%v leads to %s", fields, to)
		}
	}
	id := a.do("GET", "/api/v1/tokens", nil).object(t)["tokens"].([]any)[0].(map[string]any)["id"].(string)
	a.do("GET", "/ui/account/tokens/"+id+"/revoke", nil).is(t, 200, "Revoke")
	a.do("GET", "/ui/account/tokens/nothing/revoke", nil).is(t, 404)
	if to := a.do("POST", "/ui/account/tokens/"+id+"/revoke", nil).is(t, 303).Header.Get("Location"); to != "/ui/account?saved=revoked" {
		t.Errorf("%s", to)
	}
	a.anonymous("GET", "/machines", nil, bearer(secret)...).is(t, 401)
}
