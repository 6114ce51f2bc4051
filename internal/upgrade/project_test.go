package upgrade

import "testing"

func TestVariables(t *testing.T) {
	for _, c := range []struct{ text, value, changed string }{
		{"", "latest", "BTY_VERSION=2\n"},
		{"BTY_VERSION=1.2", "1.2", "BTY_VERSION=2\n"},
		{"# one\nBTY_VERSION=\"1.2\"\nBTY_WEB_PORT=80\n", "1.2", "# one\nBTY_VERSION=2\nBTY_WEB_PORT=80\n"},
		{"BTY_VERSION=\nA=b", "latest", "BTY_VERSION=2\nA=b"},
		{"A=b", "latest", "A=b\nBTY_VERSION=2\n"},
		{"MY_BTY_VERSION=3\n", "latest", "MY_BTY_VERSION=3\nBTY_VERSION=2\n"},
	} {
		if got := variable(c.text, versionOf, "latest"); got != c.value {
			t.Errorf("%q: %q", c.text, got)
		}
		if got := withVariable(c.text, versionOf, "2"); got != c.changed {
			t.Errorf("%q: %q, want %q", c.text, got, c.changed)
		}
	}
}

func TestReferences(t *testing.T) {
	for reference, want := range map[string][3]string{
		"localhost/bty-web:1.2":              {"localhost", "bty-web", "1.2"},
		"registry.example:5000/lab/bty-web":  {"registry.example:5000/lab", "bty-web", ""},
		"registry.example:5000/bty-web:v1-2": {"registry.example:5000", "bty-web", "v1-2"},
		"bty-web:1":                          {"", "bty-web", "1"},
	} {
		prefix, name, tag := splitReference(reference)
		if got := [3]string{prefix, name, tag}; got != want {
			t.Errorf("%s: %q", reference, got)
		}
	}
}

func TestImageLines(t *testing.T) {
	const text = "# of the site\n[Container]\nImage=localhost/bty-web:1.0\nPull=missing\n"
	if got := withImage(text, "localhost/bty-web:1.1"); got != "# of the site\n[Container]\nImage=localhost/bty-web:1.1\nPull=missing\n" {
		t.Errorf("%q", got)
	}
}

// What dpkg and rpm say of files that are not as the package has them.
func TestVerify(t *testing.T) {
	const said = "??5?????? c /etc/bty/bty.toml\n??5??????   /usr/lib/systemd/system/bty-web.service\nmissing     /usr/share/doc/bty/README.md\nmissing   c /etc/bty/other.toml\nS.5....T.    /usr/bin/bty\n.......T.    /usr/bin/bty-web\n"
	got := parseVerify(said, ".dpkg-dist")
	var paths []string
	for _, e := range got {
		paths = append(paths, e.Path)
	}
	want := []string{"/etc/bty/bty.toml", "/usr/lib/systemd/system/bty-web.service", "/etc/bty/other.toml", "/usr/bin/bty"}
	if len(paths) != len(want) {
		t.Fatalf("%q", paths)
	}
	for i := range want {
		if paths[i] != want[i] {
			t.Errorf("%q, want %q", paths[i], want[i])
		}
	}
}

func TestControlOf(t *testing.T) {
	const status = "Package: bty\nStatus: install ok installed\nVersion: 1.2-1\nDepends: systemd (>= 252)\nConffiles:\n /etc/bty/bty.toml 0123\nDescription: put disk images\n More.\n .\n End.\n"
	const want = "Package: bty\nVersion: 1.2-1\nDepends: systemd (>= 252)\nDescription: put disk images\n More.\n .\n End.\n"
	if got := controlOf(status); got != want {
		t.Errorf("%q", got)
	}
}
