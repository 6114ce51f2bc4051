package containers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/compose"
)

// An ordinary user runs pages and cache without any right of root: the LAN is answered, the password
// comes from its file, what is written belongs to the user's own range of ids, and the user's systemd
// starts the containers again.
func TestRootless(t *testing.T) {
	t.Parallel()
	h, alice := withUser(t)
	run := func(script string) string {
		t.Helper()
		out, err := alice.Try(h.ctx, script)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	run("cd bty && podman-compose up -d")
	h.await(url("/readyz"))
	h.signIn("correct horse")
	h.await(strings.Replace(url("/readyz"), ":8080", ":3000", 1))

	// Root of the container is alice, and the daemons are not even that.
	if who := strings.TrimSpace(h.run("ps", "-o", "uid=", "-C", "bty-web")); who != "100999" {
		t.Errorf("bty-web runs as %s", who)
	}
	if out := h.run("podman", "ps", "--all", "--quiet"); out != "" {
		t.Errorf("root has containers: %s", out)
	}
	// What starts them when the host does.
	run("podman stop --all")
	run("systemctl --user enable podman-restart.service && systemctl --user start podman-restart.service")
	h.await(url("/readyz"))
	run("cd bty && podman-compose down --volumes")
	if left := run("podman volume ls --quiet; podman ps --all --quiet"); left != "" {
		t.Errorf("there is left: %s", left)
	}
}

// Port 69 is not an ordinary user's: Podman names it, and the rest runs.
func TestRootlessTFTP(t *testing.T) {
	t.Parallel()
	h, alice := withUser(t)
	out, err := alice.Command(h.ctx, "cd bty && podman-compose --profile tftp up -d").CombinedOutput()
	if !strings.Contains(string(out), "69") || !strings.Contains(string(out), "ip_unprivileged_port_start") {
		t.Errorf("it does not say what is wrong with the port: %v\n%s", err, out)
	}
	h.await(url("/readyz"))
}

// withUser boots a host with an ordinary user who has the images and the compose file.
func withUser(t *testing.T) (*host, *User) {
	t.Helper()
	h := boot(t)
	alice, err := h.AddUser(h.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bty-web", "bty-cache", "bty-tftp"} {
		archive, err := os.ReadFile(filepath.Join(buildFolder(t), "images", name+".x86_64.tar"))
		if err != nil {
			t.Fatalf("%v; run: make image", err)
		}
		h.write(alice.Home+"/"+name+".tar", string(archive), 0o644)
		if _, err := alice.Try(h.ctx, "podman tag $(podman load -q -i "+name+".tar | sed 's/.*: //') localhost/"+name+":latest"); err != nil {
			t.Fatal(err)
		}
	}
	dir := alice.Home + "/bty"
	h.writeAll(compose.Files, dir)
	h.secret(dir, "correct horse")
	h.run("chown", "-R", "alice:", dir)
	return h, alice
}
