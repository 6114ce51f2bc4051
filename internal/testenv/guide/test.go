package guide

import (
	"context"
	"path/filepath"
	"testing"
	"time"
)

// Test runs what all documents of a repository have for a world, each in a shell of its own. At least
// one has something.
func Test(t *testing.T, repo, world string, bound time.Duration, shell Shell) {
	t.Helper()
	documents, err := Documents(repo)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), bound)
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
		t.Errorf("no document has commands that run for %q", world)
	}
}
