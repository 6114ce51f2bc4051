package containers

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bty/compose"
	"bty/internal/testenv/guide"
	"bty/quadlet"
	"bty/units"
)

// guidePassword is what a reader would have typed.
const guidePassword = "correct horse"

// TestGuideContainers runs what the documents have for root on a host with Podman.
func TestGuideContainers(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.forReaders("/root/bty")
	guide.Test(t, repo, "containers", 2*time.Minute, func(ctx context.Context, script string) (string, error) {
		out, err := h.Command(ctx, "env", "--chdir=/root/bty", "PASSWORD="+guidePassword, "bash", "-c", script).CombinedOutput()
		return string(out), err
	})
}

// TestGuideRootless runs what they have for an ordinary user.
func TestGuideRootless(t *testing.T) {
	t.Parallel()
	h := boot(t)
	alice, err := h.AddUser(h.ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	h.forReaders(alice.Home)
	h.run("chown", "-R", "alice:", alice.Home)
	guide.Test(t, repo, "rootless", 2*time.Minute, func(ctx context.Context, script string) (string, error) {
		out, err := alice.Command(ctx, "PASSWORD='"+guidePassword+"'\n"+script).CombinedOutput()
		return string(out), err
	})
}

// forReaders lays out a folder as a reader has it: the archives of the images, and the sources' folders.
func (h *host) forReaders(folder string) {
	h.t.Helper()
	archives, err := filepath.Glob(filepath.Join(buildFolder(h.t), "images", "*.x86_64.tar"))
	if err != nil || len(archives) != 4 {
		h.t.Fatalf("%d images; run: make image", len(archives))
	}
	for _, archive := range archives {
		content, err := os.ReadFile(archive)
		if err != nil {
			h.t.Fatal(err)
		}
		h.write(filepath.Join(folder, filepath.Base(archive)), string(content), 0o644)
	}
	h.give(filepath.Join(buildFolder(h.t), "bin", "bty-lab"), "/usr/local/bin/bty-lab", 0o755)
	h.writeAll(compose.Files, filepath.Join(folder, "compose"))
	h.writeAll(quadlet.Files, filepath.Join(folder, "quadlet"))
	h.writeAll(units.Files, filepath.Join(folder, "units"))
}
