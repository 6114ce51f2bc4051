package aptget

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const deb822 = `# made by an installer
Types: deb deb-src
# a comment inside
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.example/
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/
Suites: bookworm
Components: main
`

func TestParseDeb822(t *testing.T) {
	got, err := ParseDeb822(strings.NewReader(deb822))
	if err != nil {
		t.Fatal(err)
	}
	keys := "/usr/share/keyrings/debian-archive-keyring.gpg"
	want := []Source{
		{"http://mirror.example/debian", "bookworm", []string{"main", "contrib"}, keys},
		{"http://mirror.example/debian", "bookworm-updates", []string{"main", "contrib"}, keys},
		{"http://mirror.example/debian-security", "bookworm-security", []string{"main"}, ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseOneLine(t *testing.T) {
	got, err := ParseOneLine(strings.NewReader(`
# deb http://old.example/ trixie main
deb http://mirror.example/debian trixie main non-free-firmware # the mirror
deb-src http://mirror.example/debian trixie main
deb	[ arch=amd64 signed-by=/etc/k.gpg,/etc/l.gpg ] http://signed.example/debian stable main
deb [signed-by=ABCDEF0123] http://print.example/debian trixie-security main
deb http://broken.example/
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Source{
		{"http://mirror.example/debian", "trixie", []string{"main", "non-free-firmware"}, ""},
		{"http://signed.example/debian", "stable", []string{"main"}, "/etc/k.gpg"},
		{"http://print.example/debian", "trixie-security", []string{"main"}, ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSourceOfAnotherSuite(t *testing.T) {
	etc := t.TempDir()
	parts := filepath.Join(etc, "sources.list.d")
	if err := os.Mkdir(parts, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"debian.sources":       deb822,
		"debian.sources.save":  strings.ReplaceAll(deb822, "mirror", "stale"),
		"vendor.list":          "deb http://vendor.example/ bookworm tools",
		"vendor.list.disabled": "deb http://disabled.example/ bookworm main",
	} {
		if err := os.WriteFile(filepath.Join(parts, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	configured, err := Configured(etc)
	if err != nil {
		t.Fatal(err)
	}
	other, err := OfSuite(configured, "bookworm", "trixie")
	if err != nil {
		t.Fatal(err)
	}
	want := "deb [target=Packages signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian trixie main"
	if other.Line() != want {
		t.Errorf("got  %s\nwant %s", other.Line(), want)
	}
	running, err := Running(configured, "bookworm")
	if err != nil || len(running) != 3 {
		t.Errorf("sources of the running release: %v, %v; want 3", running, err)
	}
	if _, err := OfSuite(configured[2:], "trixie", "trixie"); err == nil {
		t.Error("a machine without a Debian mirror was given a source")
	}
}

func FuzzSources(f *testing.F) {
	f.Add(deb822)
	f.Add("deb [signed-by=/x] http://a/ b c\n")
	f.Add(" continued\n:\n\nTypes: deb\nURIs: a\nSuites: b")
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range parsers {
			found, err := parse(strings.NewReader(text))
			for _, s := range found {
				if err == nil && (s.URI == "" || s.Suite == "" || strings.ContainsAny(s.Line(), "\n\r")) {
					t.Errorf("source %q from %q", s.Line(), text)
				}
			}
		}
	})
}
