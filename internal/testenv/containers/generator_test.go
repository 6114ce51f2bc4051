package containers

import (
	"slices"
	"strings"
	"testing"

	"bty/quadlet"
)

// Podman's own generator takes every file, and systemd finds nothing wrong with what it makes of them.
func TestGenerator(t *testing.T) {
	t.Parallel()
	h := installed(t)
	h.lay(quadlet.Files, "dropins/*.conf", Quadlets+"/bty-web.container.d")
	cmd := h.Command(h.ctx, "/usr/libexec/podman/quadlet", "-dryrun")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, daemon := range append(slices.Clone(daemons), "bty-data-volume", "bty-boot-volume", "bty-cache-volume") {
		if !strings.Contains(string(said), "---"+daemon+".service---") {
			t.Errorf("there is no %s.service:\n%s", daemon, said)
		}
	}
	for _, argument := range []string{"--label io.containers.autoupdate=registry", "--security-opt label=disable"} {
		if !strings.Contains(string(said), argument) {
			t.Errorf("a drop-in is not in force: there is no %s", argument)
		}
	}
	h.run("systemctl", "daemon-reload")
	for _, daemon := range daemons {
		cmd := h.Command(h.ctx, "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "/run/systemd/generator/"+daemon+".service")
		if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%s: %v\n%s", daemon, err, said)
		}
		if source := h.property(daemon+".service", "SourcePath"); source != Quadlets+"/"+daemon+".container" {
			t.Errorf("%s.service is of %q", daemon, source)
		}
	}
}

// A key that Podman does not know leaves the unit out: that is what the test of keys is for.
func TestGeneratorLeavesOutWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	h := installed(t)
	h.write(Quadlets+"/bty-tftp.container.d/typo.conf", "[Container]\nReadOnyl=true\n", 0o644)
	if said, err := h.Try(h.ctx, "/usr/libexec/podman/quadlet", "-dryrun"); err == nil {
		t.Errorf("it takes a key that nobody knows:\n%s", said)
	}
}
