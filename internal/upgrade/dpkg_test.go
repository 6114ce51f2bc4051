package upgrade

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A dpkg that fails is given up at once, whatever word its scripts say; one that waits for another run is not.
func TestDpkgThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		says  string
		waits bool
	}{
		"a script that speaks of a clock": {"bty: the clock is wrong; a block device is missing", false},
		"held":                            {"dpkg: error: dpkg frontend lock was locked by another process with pid 812", true},
		"held, as dpkg of Debian 13 says": {"dpkg: error: dpkg frontend lock was locked by /usr/bin/dpkg process with pid 265", true},
		"held, as dpkg of Debian 11 says": {"dpkg: error: dpkg frontend lock is locked by another process", true},
	} {
		dir := t.TempDir()
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
		if err := os.WriteFile(filepath.Join(dir, "dpkg"), []byte("#!/bin/sh\necho '"+c.says+"' >&2\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		err := dpkg{}.install(ctx, filepath.Join(dir, "new.deb"))
		cancel()
		failed, ok := errors.AsType[*toolError](err)
		if waited := errors.Is(err, context.DeadlineExceeded); waited != c.waits || !c.waits && (!ok || !strings.Contains(failed.Said, c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
