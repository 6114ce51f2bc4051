package systemd

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"bty/internal/testenv/guide"
)

// TestGuideBare runs what the documents have for root on a host that has nothing of ours but the
// package, in the folder.
func TestGuideBare(t *testing.T) {
	deb, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			h := bootWith(t, suite, "")
			h.give(deb, "/root/"+filepath.Base(deb))
			guide.Test(t, repo, "bare", 2*time.Minute, h.shell)
		})
	}
}

// TestGuideHost runs what they have for root on a host with the package, and then where the appliance is
// deployed.
func TestGuideHost(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		guide.Test(t, repo, "packaged", 2*time.Minute, h.shell)
		h.run("bty-lab", "deploy")
		guide.Test(t, repo, "host", 2*time.Minute, h.shell)
	})
}

// shell is a reader's, at home.
func (h *host) shell(ctx context.Context, script string) (string, error) {
	out, err := h.Command(ctx, "env", "--chdir=/root", "PASSWORD=correct horse", "bash", "-c", script).CombinedOutput()
	return string(out), err
}
