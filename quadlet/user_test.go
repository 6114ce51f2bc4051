package quadlet

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"bty/units"
)

// What an ordinary user has otherwise is nothing but folders, groups and who the daemon is: every mount, and
// what systemd says to the service, is as root has it.
func TestUserDropIns(t *testing.T) {
	here := strings.NewReplacer("%t/bty:", "/run/bty:", "%h/.config/bty:", "/etc/bty:")
	for _, name := range names(t, "user/*.container.d/*.conf") {
		base := strings.TrimSuffix(path.Base(path.Dir(name)), ".d")
		was, now := parse(t, base), parse(t, name)
		for _, key := range []string{"Volume", "PodmanArgs"} {
			want := slices.DeleteFunc(values(was, key), func(v string) bool { return v == "--group-add=keep-groups" })
			got := values(now, key)
			if len(got) == 0 || got[0] != "" {
				t.Errorf("%s: %s= does not begin anew: %q", name, key, got)
				continue
			}
			for i := range got {
				got[i] = here.Replace(got[i])
			}
			if slices.Sort(want); !slices.Equal(sorted(got[1:]), want) {
				t.Errorf("%s: %s is %q, and root's %q", name, key, got[1:], want)
			}
		}
		if !slices.Contains(now, noWait) {
			t.Errorf("%s: Podman has it wait for the network of the host", name)
		}
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// Each belongs to a file that there is, and each socket that is a file is the user's alone.
func TestUserDropInsHaveFiles(t *testing.T) {
	for _, name := range names(t, "user/*/*.conf") {
		base := strings.TrimSuffix(path.Base(path.Dir(name)), ".d")
		from := fs.FS(units.Files)
		if strings.HasSuffix(base, ".container") || strings.HasSuffix(base, ".volume") {
			from = Files
		}
		if _, err := fs.Stat(from, base); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.HasSuffix(base, ".socket") && !slices.Contains(parse(t, name), line{"Socket", "SocketMode", "0600"}) {
			t.Errorf("%s opens the socket to others", name)
		}
	}
	sockets, err := fs.Glob(units.Files, "*.socket")
	if err != nil {
		t.Fatal(err)
	}
	for _, socket := range sockets {
		text, err := fs.ReadFile(units.Files, socket)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fs.Stat(Files, "user/"+socket+".d/05-user.conf"); strings.Contains(string(text), "ListenStream=/run/") != (err == nil) {
			t.Errorf("%s: root's folder for a user, or a drop-in without need: %v", socket, err)
		}
	}
}
