package config

import (
	"strings"
	"testing"
)

// deployed is a bty.toml as the deploy command of the previous system writes it.
const deployed = `# bty.toml, written by bty-lab
[admin]
password = "hunter2"

[server]
host = "0.0.0.0"
port = 8080
session_secret = "Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5"

[paths]
state_dir = "/var/lib/bty"

[withcache]
url = "http://192.0.2.7:3000"

[nbdmux]
url = "http://192.0.2.7:4040"

[netboot]
tftp_probe_host = "192.0.2.7"

[release]

[tuning]
# backup_max_parallel = 1
# max_upload_bytes = 214748364800
`

func TestFileOfThePreviousSystem(t *testing.T) {
	root := tree(t, map[string]string{"etc/bty.toml": deployed})
	c, warnings, err := Load(Source{Etc: root + "/etc", Getenv: env("", nil)})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	for got, want := range map[string]string{
		c.Admin.Password: "hunter2", c.Server.SessionSecret: "Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5", c.Withcache.URL: "http://192.0.2.7:3000",
		c.Nbdmux.URL: "http://192.0.2.7:4040", c.Netboot.TFTPProbeHost: "192.0.2.7", c.Paths.StateDir: "/var/lib/bty",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What its Settings page wrote in place of nothing keeps nobody from starting, and is no secret.
func TestLeftoversOfThePreviousSystem(t *testing.T) {
	root := tree(t, map[string]string{"f.toml": `[server]
trusted_proxy = "(off)"
session_secret = "/var/lib/bty/session-secret"
[withcache]
url = "(unset)"
[admin]
password = "(off)"
[ramboot]
overlay_size = "20G"
[release]
tag = "v1"
`})
	c, warnings, err := Load(Source{Paths: []string{root + "/f.toml"}, Getenv: env("", nil)})
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.TrustedProxy+c.Server.SessionSecret+c.Withcache.URL != "" || c.Admin.Password != "(off)" {
		t.Errorf("%+v %+v", c.Server, c.Withcache)
	}
	said := strings.Join(warnings, "\n")
	for _, want := range []string{"f.toml:2: server.trusted_proxy is what a page", "f.toml:3: server.session_secret is what a page", "f.toml:5: withcache.url is what a page",
		"ramboot.overlay_size is not a known setting and is ignored; ramboot has no counterpart", "release.tag is not a known setting and is ignored; which release"} {
		if !strings.Contains(said, want) {
			t.Errorf("missing %q in\n%s", want, said)
		}
	}
	if strings.Contains(said, "/var/lib/bty/session-secret") {
		t.Error("a value is shown")
	}
}
