package guide

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/contract"
)

const repo = "../../.."

// TestAPI runs the tour of the API against a bty-web of its own and an image on a web server.
func TestAPI(t *testing.T) {
	program, err := contract.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := program.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	origin, err := contract.StartOrigin("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { origin.Close() })
	image := "(\xb5/\xfd" + strings.Repeat("an image as far as anybody looks ", 100)
	sums := fmt.Sprintf("%x  debian-13.img.zst\n", sha256.Sum256([]byte(image)))
	vars := []string{"BTY=" + server.URL, "PASSWORD=" + server.Password,
		"IMAGE=" + origin.Put("/debian-13.img.zst", image), "SUMS=" + origin.Put("/SHA256SUMS", sums)}

	runAll(t, "api", func(ctx context.Context, script string) (string, error) {
		cmd := exec.CommandContext(ctx, "bash", "-c", script)
		cmd.Dir, cmd.Env, cmd.WaitDelay = t.TempDir(), append(vars, "PATH=/usr/bin:/bin", "LC_ALL=C"), time.Second
		out, err := cmd.CombinedOutput()
		return string(out), err
	})
}

// runAll runs what all documents have for a world; at least one has something.
func runAll(t *testing.T, world string, shell Shell) {
	t.Helper()
	documents, err := Documents(repo)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	total := 0
	for _, path := range documents {
		began := time.Now()
		ran, err := Run(ctx, shell, world, path)
		if err != nil {
			t.Error(err)
		} else if ran > 0 {
			t.Logf("%s: %d blocks in %s", filepath.Base(path), ran, time.Since(began).Round(time.Millisecond))
		}
		total += ran
	}
	if total == 0 {
		t.Errorf("no document has commands for %q", world)
	}
}
