package containers

import (
	"strings"
	"testing"
)

// An ordinary user's Quadlets go to another build and back while machines ask, and none is refused: the
// sockets stay with the user's systemd. A release that does not start gives way to the one before.
func TestUpgradeUser(t *testing.T) {
	t.Parallel()
	h := upgrading{boot(t)}
	alice, err := h.AddUser(h.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	h.host.giveLab()
	for version, of := range map[string]string{newRelease: "bty/cmd/bty-web", brokenRelease: "../systemd/broken"} {
		h.release(version, of)
		for _, daemon := range []string{"bty-web", "bty-cache"} {
			reference, folder := "localhost/"+daemon+":"+version, "/srv/"+version
			h.run("mkdir", "-p", folder)
			h.run("podman", "save", "--quiet", "--format=oci-archive", "--output="+folder+"/"+daemon+".x86_64.tar", reference)
			h.run("chmod", "a+r", folder+"/"+daemon+".x86_64.tar")
		}
	}
	run := func(script string, want ...string) string {
		t.Helper()
		out, err := alice.Try(h.ctx, script+" 2>&1")
		for _, text := range want {
			if !strings.Contains(out, text) {
				t.Errorf("%s does not say %q: %v\n%s", script, text, err, out)
			}
		}
		return out
	}
	runs := func(version string) {
		t.Helper()
		h.ready()
		if image := run("podman inspect --format={{.ImageName}} bty-web"); image != "localhost/bty-web:"+version {
			t.Errorf("%s runs, not %s", image, version)
		}
		run("bty-lab deploy", "Nothing was changed")
		if left := run("ls ~/.config/systemd/user/bty-web.service.d"); !strings.Contains(left, "No such file") {
			t.Errorf("the guard stays in force: %s", left)
		}
	}
	run("bty-lab deploy --mode quadlet --images "+imagesInside, "Password of the pages")
	h.ready()
	was := strings.TrimPrefix(run("podman inspect --format={{.ImageName}} bty-web"), "localhost/bty-web:")
	const sockets = "systemctl --user show --property=InvocationID bty-web.socket bty-cache.socket bty-control.socket"
	opened := run(sockets)
	load := h.ask()

	run("bty-lab upgrade --timeout=90s --images=/srv/"+newRelease, "to "+newRelease, "no row was lost")
	runs(newRelease)
	run("bty-lab upgrade --timeout=90s --images=/srv/"+brokenRelease, "does not become healthy", "broken on purpose", newRelease+" runs again")
	runs(newRelease)
	run("bty-lab upgrade --timeout=90s --back", was+" runs again")
	runs(was)
	load.check()
	if now := run(sockets); now != opened {
		t.Errorf("a socket was opened anew: %s, before %s", now, opened)
	}
	if _, err := h.Try(h.ctx, "bty-lab", "upgrade", "--back", alice.Home+"/bty"); err == nil || !strings.Contains(err.Error(), "Run it as that user") {
		t.Errorf("root, and a user's deployment: %v", err)
	}
	run("bty-lab purge --yes", "It is gone.")
	if left := run("podman images --quiet; podman volume ls --quiet; ls ~/bty"); !strings.Contains(left, "No such file") || strings.Count(left, "\n") > 0 {
		t.Errorf("the purge leaves %s", left)
	}
}
