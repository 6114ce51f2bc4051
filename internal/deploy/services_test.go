package deploy

import (
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bty/quadlet"
	"bty/units"
)

// The one list of services is all there is: every unit and every Quadlet belongs to one of them.
func TestServicesAreAllThereAre(t *testing.T) {
	known := Units()
	files, err := fs.Glob(units.Files, "*.*[a-ce-z]")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d units: %v", len(files), err)
	}
	for _, f := range files {
		if !slices.Contains(known, f) {
			t.Errorf("%s belongs to no service", f)
		}
	}
	for _, u := range known {
		if !slices.Contains(files, u) {
			t.Errorf("there is no unit %s", u)
		}
	}
	containers, err := fs.Glob(quadlet.Files, "*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range containers {
		name, kind := strings.TrimSuffix(f, path.Ext(f)), path.Ext(f)
		switch {
		case kind == ".container" && service(name).Name == "":
			t.Errorf("%s is of no service", f)
		case kind == ".volume" && !slices.Contains(volumes(), name):
			t.Errorf("%s is of no service", f)
		}
	}
}

// What the ports of the list say is what the sockets say.
func TestPortsAreThoseOfTheSockets(t *testing.T) {
	for _, s := range Services() {
		for _, p := range s.Ports {
			text, err := fs.ReadFile(units.Files, p.Socket)
			if err != nil {
				t.Fatal(err)
			}
			key := map[string]string{"tcp": "ListenStream=", "udp": "ListenDatagram="}[p.Network]
			if want := key + strconv.Itoa(p.Number) + "\n"; !strings.Contains(string(text), want) {
				t.Errorf("%s has no line %q", p.Socket, want)
			}
		}
	}
}

// Every file of every mode is there: they are read from what is embedded.
func TestFilesAreWhole(t *testing.T) {
	site := Site{Address: netip.MustParseAddr("192.0.2.9"), Prefix: "registry.example/lab", Version: "1.2.3+4", Lab: "/usr/local/bin/bty-lab"}
	for mode, want := range map[Mode]int{Host: 1, Quadlet: 24, Compose: 2} {
		site.Mode = mode
		files := site.Files("/opt/bty")
		if len(files) != want {
			t.Errorf("%s has %d files, not %d: %s", mode, len(files), want, list(files))
		}
		for _, f := range files {
			if f.Content == "" || !path.IsAbs(f.Path) || f.Kind == "" || f.Mode.Perm()&0o022 != 0 {
				t.Errorf("%s: %+v", mode, f)
			}
		}
	}
	site.Mode = Quadlet
	user := site
	user.User, user.Without = &User{1000, "/home/alice"}, []string{"bty-tftp", "bty-sniff"}
	for _, f := range user.Files("/home/alice/bty") {
		if !strings.HasPrefix(f.Path, "/home/alice/.config/") || f.Content == "" || strings.Contains(f.Content, "DynamicUser=yes") && f.Path != "/home/alice/.config/systemd/user/bty-backup.service" {
			t.Errorf("a user's: %s", f.Path)
		}
	}
	if n := len(user.Files("/home/alice/bty")); n != 26 {
		t.Errorf("a user's: %d files", n)
	}
	for _, f := range site.Files("/opt/bty") {
		if f.Path == "/etc/containers/systemd/bty-tftp.container.d/10-image.conf" {
			if want := "Image=registry.example/lab/bty-tftp:1.2.3-4\nPull=missing\nAutoUpdate=registry\n"; !strings.Contains(f.Content, want) {
				t.Errorf("%s", f.Content)
			}
			return
		}
	}
	t.Error("no drop-in names the image")
}
