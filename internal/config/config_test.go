package config

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tree writes files below a new folder and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// env is a Getenv; @ in a value stands for root.
func env(root string, vars map[string]string) func(string) string {
	return func(name string) string { return strings.ReplaceAll(vars[name], "@", root) }
}

func TestLayersMergePerKey(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/conf.d/10.toml":       "[server]\nport = 1001\nhost = '10'\ntrusted_proxy = '192.0.2.10'\n[withcache]\nurl = 'http://ten'\n",
		"etc/conf.d/20.toml":       "[server]\nhost = '20'\n",
		"etc/conf.d/note.txt":      "not TOML [",
		"etc/bty.toml":             "[server]\ntrusted_proxy = '192.0.2.1'\n[boot]\nmax_attempts = 7\n",
		"dir/a.toml":               "[boot]\nmax_attempts = 8\n",
		"one.toml":                 "nbdmux.url = 'http://file'\n",
		"state/bty.toml":           "nbdmux = { url = 'http://state' }\n",
		"creds/bty.admin-password": "hunter2\n",
	})
	c, warnings, err := Load(Source{Etc: root + "/etc", Getenv: env(root, map[string]string{
		"BTY_CONFIG_DIR": "@/dir", "BTY_CONFIG_FILE": "@/one.toml", "BTY_PATHS_STATE_DIR": "@/state",
		"BTY_SERVER_PORT": " 9000 ", "BTY_WITHCACHE_URL": "", "CREDENTIALS_DIRECTORY": "@/creds", "BTY_DISPLAY_TZ": "UTC",
	})})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	for _, tt := range []struct{ key, got, want, origin string }{
		{"server.port", Keys()[2].Value(c), "9000", "variable BTY_SERVER_PORT"},
		{"server.host", c.Server.Host, "20", root + "/etc/conf.d/20.toml:2"},
		{"server.trusted_proxy", c.Server.TrustedProxy, "192.0.2.1", root + "/etc/bty.toml:2"},
		{"withcache.url", c.Withcache.URL, "http://ten", root + "/etc/conf.d/10.toml:6"},
		{"nbdmux.url", c.Nbdmux.URL, "http://state", root + "/state/bty.toml:1"},
		{"admin.password", c.Admin.Password, "hunter2", "credential bty.admin-password"},
		{"paths.boot_dir", c.Paths.BootDir, root + "/state/boot", "default"},
		{"paths.catalog_file", c.Paths.CatalogFile, root + "/state/catalog.toml", "default"},
		{"tftp.mode", c.TFTP.Mode, TFTPMultiPort, "default"},
		{"seed", c.Seed.DisplayTZ + c.Seed.RambootOverlaySize, "UTC10G", "default"},
	} {
		if tt.got != tt.want || c.Origin(tt.key).String() != tt.origin {
			t.Errorf("%s = %q from %s, want %q from %s", tt.key, tt.got, c.Origin(tt.key), tt.want, tt.origin)
		}
	}
	if c.Boot.MaxAttempts != 8 {
		t.Errorf("boot.max_attempts = %d", c.Boot.MaxAttempts)
	}
	if !c.Origin("tftp.mode").IsDefault() || c.Origin("server.port").IsDefault() {
		t.Error("IsDefault")
	}
}

// A credential that cannot be used never stops the start, and never opens the pages.
func TestCredentialsThatCannotBeUsed(t *testing.T) {
	for name, tt := range map[string]struct {
		files         map[string]string
		locked        bool
		password, say string
	}{
		"missing":    {map[string]string{"creds/other": ""}, false, "of-the-file", ""},
		"empty":      {map[string]string{"creds/bty.admin-password": "\n"}, false, "of-the-file", "credential bty.admin-password is empty, so it counts as not set; write admin.password to /etc/credstore/bty.admin-password"},
		"unreadable": {map[string]string{"creds/bty.admin-password/x": ""}, true, "", "credential bty.admin-password cannot be read (is a directory), so no value of admin.password is right; write it to /etc/credstore/bty.admin-password"},
		"huge":       {map[string]string{"creds/bty.admin-password": strings.Repeat("x", maxFile+1)}, true, "", "cannot be read (larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.files["etc/bty.toml"] = "[admin]\npassword = 'of-the-file'\n"
			root := tree(t, tt.files)
			load := func() (string, []string) {
				c, warnings, err := Load(Source{Etc: root + "/etc", Getenv: env(root, map[string]string{"CREDENTIALS_DIRECTORY": "@/creds"})})
				if err != nil {
					t.Fatal(err)
				}
				return c.Admin.Password, warnings
			}
			got, warnings := load()
			if said := strings.Join(warnings, "\n"); said == "" != (tt.say == "") || !strings.Contains(said, tt.say) {
				t.Errorf("warnings: %q", warnings)
			}
			if again, _ := load(); !tt.locked && got != tt.password || tt.locked && (len(got) < 20 || again == got) {
				t.Errorf("the password is %q", got)
			}
		})
	}
}

// In a container a credential is a secret of Podman, and the advice is about that.
func TestWhereACredentialIsKept(t *testing.T) {
	for dir, want := range map[string]string{
		"/run/credentials/bty-web.service": "/etc/credstore/bty.admin-password (root",
		"/run/secrets":                     "secret that is mounted at /run/secrets/bty.admin-password",
	} {
		if got := keptAt(dir, "bty.admin-password"); !strings.Contains(got, want) {
			t.Errorf("%s: %s", dir, got)
		}
	}
}

func TestConfigFlagStandsAlone(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/bty.toml": "[server]\nhost = 'etc'\n",
		"a.toml":       "[server]\nport = 1\n",
		"b.toml":       "[server]\nport = 2\n",
	})
	c, warnings, err := Load(Source{Etc: root + "/etc", Paths: []string{root + "/a.toml", root + "/b.toml", root + "/c.toml"},
		Getenv: env(root, map[string]string{"BTY_CONFIG_FILE": "@/etc/bty.toml"})})
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.Port != 2 || c.Server.Host != "0.0.0.0" {
		t.Errorf("port %d, host %s", c.Server.Port, c.Server.Host)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "c.toml does not exist") {
		t.Errorf("warnings %q", warnings)
	}
}

func TestDefaults(t *testing.T) {
	c, warnings, err := Load(Source{Etc: t.TempDir(), Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err, warnings)
	}
	if c.Server.Port != 8080 || c.Admin.Password != "bty-lab" || c.Tuning.MaxUploadBytes != 214748364800 ||
		c.Paths.BootDir != "/var/lib/bty/boot" || c.ReportSocket() != "/run/bty/report.sock" || c.TFTP.Port != 69 {
		t.Errorf("%+v", c)
	}
}

func TestSystemdStateDirectory(t *testing.T) {
	root := tree(t, map[string]string{"s/bty.toml": "[tftp]\nport = 6969\n"})
	c, _, err := Load(Source{Etc: t.TempDir(), Getenv: env(root, map[string]string{"STATE_DIRECTORY": "@/s:@/t"})})
	if err != nil {
		t.Fatal(err)
	}
	if c.Paths.StateDir != root+"/s" || c.TFTP.Port != 6969 {
		t.Errorf("state dir %s, port %d", c.Paths.StateDir, c.TFTP.Port)
	}
}

func TestLegacyCatalogNames(t *testing.T) {
	root := tree(t, map[string]string{"old/catalog.toml": ""})
	for _, tt := range []struct {
		vars map[string]string
		want string
	}{
		{map[string]string{"BTY_CATALOG_FILE": "/x/y.toml", "BTY_STATE_DIR": "@/old"}, "/x/y.toml"},
		{map[string]string{"BTY_STATE_DIR": "@/old"}, root + "/old/catalog.toml"},
		{map[string]string{"BTY_STATE_DIR": "@/none"}, "/var/lib/bty/catalog.toml"},
	} {
		c, _, err := Load(Source{Etc: root, Getenv: env(root, tt.vars)})
		if err != nil || c.Paths.CatalogFile != tt.want {
			t.Errorf("%v: %v, %v", tt.vars, c.Paths.CatalogFile, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		vars       map[string]string
		want       string // of the whole message, after "configuration: "
	}{
		{"garbage in a variable", "", map[string]string{"BTY_SERVER_PORT": "80a"},
			`variable BTY_SERVER_PORT: "80a" is not a whole number; set server.port to one, or unset the variable`},
		{"port 0", "", map[string]string{"BTY_SERVER_PORT": "0"}, "variable BTY_SERVER_PORT: server.port is 0; it must be from 1 to 65535"},
		{"mode", "[tftp]\nmode = 'both'\n", nil, `@/f.toml:2: tftp.mode is "both"; it must be one of ["multi-port" "single-port"]`},
		{"string for int", "[server]\n\nport = '80'\n", nil, "@/f.toml:3: server.port must be a whole number, without quotes"},
		{"int for string", "[admin]\npassword = 123456\n", nil, "@/f.toml:2: admin.password must be a string: put it in quotes"},
		{"malformed", "[admin]\npassword = s3cret\n", nil, "@/f.toml:2:12: not valid TOML ("},
		{"twice", "[admin]\npassword='a'\npassword='b'\n", nil, "@/f.toml:3:1: not valid TOML ("},
		{"proxy", "[server]\ntrusted_proxy = 'proxy.lan'\n", nil, `@/f.toml:2: server.trusted_proxy is "proxy.lan"; set the address`},
		{"release", "[netboot]\nrelease_url = 'http://u:secret@h/{tag}'\n", nil, `@/f.toml:2: netboot.release_url must be an http://, https:// or file:// URL without a user name`},
		{"cache", "[withcache]\nurl = 'none'\n", nil, `@/f.toml:2: withcache.url must be an http:// or https:// URL`},
		{"hash", "[admin]\npassword = '$argon2id$s3cret'\n", nil, `@/f.toml:2: admin.password looks like an argon2 hash and is not usable here`},
		{"NUL", "[server]\nhost = \"\\u0000\"\n", nil, "@/f.toml:2: server.host must not contain a NUL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := tree(t, map[string]string{"f.toml": tt.file})
			_, _, err := Load(Source{Paths: []string{root + "/f.toml"}, Getenv: env(root, tt.vars)})
			if err == nil {
				t.Fatal("accepted")
			}
			want := "configuration: " + strings.ReplaceAll(tt.want, "@", root)
			if !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %s\nwant %s", err, want)
			}
			for _, secret := range []string{"s3cret", "123456"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the message shows the secret: %s", err)
				}
			}
			if code := err.(*Error).ExitCode(); code != 2 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestUnreadableAndOversizedFiles(t *testing.T) {
	root := tree(t, map[string]string{"big.toml": strings.Repeat("#", maxFile+1), "d.toml/x": ""})
	_, _, err := Load(Source{Paths: []string{root + "/big.toml"}, Getenv: env("", nil)})
	if err == nil || !strings.Contains(err.Error(), "big.toml: cannot be read (larger than") {
		t.Error(err)
	}
	if _, _, err := Load(Source{Paths: []string{root + "/d.toml"}, Getenv: env("", nil)}); err != nil {
		t.Errorf("a folder without TOML files: %v", err)
	}
	if _, _, err := Load(Source{Paths: []string{root + "/big.toml/x"}, Getenv: env("", nil)}); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Error(err)
	}
}

func TestUnknownKeysWarn(t *testing.T) {
	root := tree(t, map[string]string{"f.toml": "[sever]\nport = 1\n[server]\nprot = 2\n[server.deep]\nx = 1\n[[list]]\na=1\n[zebra]\nstripes = true\n"})
	c, warnings, err := Load(Source{Paths: []string{root + "/f.toml"}, Getenv: env("", nil)})
	if err != nil || c.Server.Port != 8080 {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(strings.Join(warnings, "\n"), root, "@")
	for _, want := range []string{
		"@/f.toml:2: sever.port is not a known setting and is ignored; did you mean server.port?",
		"@/f.toml:4: server.prot is not a known setting and is ignored; did you mean server.port?",
		"@/f.toml:6: server.deep.x is not a known setting and is ignored",
		"@/f.toml:7: list is not a known setting and is ignored",
		"@/f.toml:10: zebra.stripes is not a known setting and is ignored",
	} {
		if !strings.Contains(got+"\n", want) {
			t.Errorf("missing %q in\n%s", want, got)
		}
	}
}

func TestClampedKeys(t *testing.T) {
	for v, want := range map[string]int{"0": 1, "-3": 1, "4": 4, "900": 64} {
		c, _, err := Load(Source{Etc: t.TempDir(), Getenv: env("", map[string]string{"BTY_TUNING_BACKUP_MAX_PARALLEL": v})})
		if err != nil || c.Tuning.BackupMaxParallel != want {
			t.Errorf("%s: %v, %v", v, c, err)
		}
	}
	c, _, err := Load(Source{Etc: t.TempDir(), Getenv: env("", map[string]string{"BTY_TUNING_MAX_UPLOAD_BYTES": "-1"})})
	if err != nil || c.Tuning.MaxUploadBytes != 214748364800 {
		t.Errorf("%v %v", c, err)
	}
}

func TestSchemaIsSound(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		accessors := 0
		for _, has := range []bool{k.text != nil, k.number != nil, k.truth != nil} {
			if has {
				accessors++
			}
		}
		if seen[k.String()] || seen[k.Env()] || k.Help == "" || accessors != 1 {
			t.Errorf("%s: doubled, without help, or without one accessor", k)
		}
		seen[k.String()], seen[k.Env()] = true, true
		if strings.Contains(k.Name, "password") || strings.Contains(k.Name, "secret") {
			if !k.Secret || k.Cred == "" {
				t.Errorf("%s must be marked secret and have a credential", k)
			}
		}
	}
}

// Whatever a file holds, loading ends with a configuration in range or one clear error.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "[server]\nport = 8080\n", "server = { port = 1 }", "server.port = 1", "[[server]]\nport=1", "[server]\nport = 0x10\n",
		"[tftp]\nmode = 'single-port'", "\"server.port\" = 9", "[admin]\npassword = \"\"\"\nx\"\"\"", "[a.b.c]\nd.e = [1, {x = 2}]",
		"port = ", "[server", "[server]\nport = 99999999999999999999", "\xff\xfe", "x = 1979-05-27", "# only a comment", "[events]\nkeep = 1\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		path := filepath.Join(t.TempDir(), "f.toml")
		if err := os.WriteFile(path, doc, 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := Load(Source{Paths: []string{path}, Getenv: func(string) string { return "" }})
		if err != nil {
			if _, ok := err.(*Error); !ok || !strings.Contains(err.Error(), path) {
				t.Errorf("an error that names no file: %v", err)
			}
			return
		}
		if c.Server.Port < 1 || c.Server.Port > 65535 || c.Events.Keep < 100 {
			t.Errorf("out of range: %+v", c)
		}
	})
}

// Every key stands under one of the titles, and what is said of keys is said of some that there are.
func TestSectionsAndEffects(t *testing.T) {
	titles := map[string]bool{}
	for _, s := range Sections() {
		if s.Title == "" || titles[s.Name] {
			t.Errorf("[%s] is doubled or has no title", s.Name)
		}
		titles[s.Name] = true
	}
	names := map[string]bool{}
	for _, k := range Keys() {
		names[k.String()] = true
		if !titles[k.Section] {
			t.Errorf("%s: Sections has no title for [%s], so that no page shows it", k, k.Section)
		}
		if k.Allowed() == "" {
			t.Errorf("%s: nobody says what it takes", k)
		}
	}
	for _, name := range live {
		if !names[name] {
			t.Errorf("%s is said to take effect at once and is no key", name)
		}
	}
	for name := range fixed {
		if !names[name] {
			t.Errorf("%s is said to be fixed and is no key", name)
		}
	}
}

// A member of bty-admin may use the control socket and may not read the settings.
func TestPartial(t *testing.T) {
	if os.Geteuid() == 0 {
		runAsNobody(t)
		return
	}
	root := tree(t, map[string]string{"etc/conf.d/a.toml": "[paths]\nrun_dir = '/run/other'\n", "etc/bty.toml": "[admin]\npassword = 'x'\n", "state/bty.toml": ""})
	for path, mode := range map[string]os.FileMode{"/etc/bty.toml": 0, "/state": 0} {
		if err := os.Chmod(root+path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(root+"/state", 0o700) })
	src := Source{Etc: root + "/etc", Getenv: env(root, map[string]string{"BTY_PATHS_STATE_DIR": "@/state"})}
	if _, _, err := Load(src); err == nil || !strings.Contains(err.Error(), "cannot be read (permission denied: "+root+"/state has mode 0000; correct its permissions)") {
		t.Errorf("a server that cannot read its settings starts: %v", err)
	}
	src.Partial = true
	if c, _, err := Load(src); err != nil || c.Paths.RunDir != "/run/other" || c.Admin.Password == "x" {
		t.Errorf("%+v, %v", c, err)
	}
}

// runAsNobody runs the test again as a user whom file modes bind.
func runAsNobody(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "bty-config-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	program, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = errors.Join(os.WriteFile(dir+"/test", program, 0o755), os.Chmod(dir, 0o777))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(dir+"/test", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir, cmd.Env = dir, []string{"TMPDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}
