package guide

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/contract"
)

const repo = "../../.."

// TestAPI runs what the documents say of the API, each against a bty-web of its own and an image on a
// web server.
func TestAPI(t *testing.T) {
	program, err := contract.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	origin, err := contract.StartOrigin("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { origin.Close() })
	image := "(\xb5/\xfd" + strings.Repeat("an image as far as anybody looks ", 100)
	sums := fmt.Sprintf("%x  debian-13.img.zst\n", sha256.Sum256([]byte(image)))
	vars := []string{"IMAGE=" + origin.Put("/debian-13.img.zst", image), "SUMS=" + origin.Put("/SHA256SUMS", sums), "PATH=/usr/bin:/bin", "LC_ALL=C"}

	Test(t, repo, "api", time.Minute, func(ctx context.Context, script string) (string, error) {
		server, err := program.Start(t.TempDir())
		if err != nil {
			return "", err
		}
		cmd := exec.CommandContext(ctx, "bash", "-c", script)
		cmd.Dir, cmd.Env, cmd.WaitDelay = t.TempDir(), append(vars, "BTY="+server.URL, "PASSWORD="+server.Password), time.Second
		out, err := cmd.CombinedOutput()
		return string(out), errors.Join(err, server.Stop())
	})
}
