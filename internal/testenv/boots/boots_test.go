// Package boots boots real firmware, and asserts on what the peers saw: the serial console, the
// DHCP server's log, the appliance's events, and the digest of the disk.
package boots

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/diskimg"
)

// slots bounds how many machines run at once: an emulated machine takes a core for itself.
var slots = make(chan struct{}, 2)

// parallel waits for a slot. Every boot test starts with it.
func parallel(t *testing.T) context.Context { return parallelFor(t, 6*time.Minute) }

func parallelFor(t *testing.T, bound time.Duration) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("boots take minutes; run without -short")
	}
	t.Parallel()
	slots <- struct{}{}
	t.Cleanup(func() { <-slots })
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	return ctx
}

func openLAN(ctx context.Context, t *testing.T) *testenv.LAN {
	t.Helper()
	lan, err := testenv.OpenLAN(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lan.Close(); err != nil {
			t.Error(err)
		}
	})
	return lan
}

// built is a file of the build folder; `make test-boots` says where that is.
func built(t *testing.T, path ...string) string {
	t.Helper()
	build := os.Getenv("BTY_BUILD")
	if build == "" {
		build = "../../../build"
	}
	file, err := filepath.Abs(filepath.Join(append([]string{build}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%v; run: make build ipxe live", err)
	}
	return file
}

// powerOn makes a machine and switches it on. What its console said last is part of a failure.
func powerOn(ctx context.Context, t *testing.T, lan *testenv.LAN, cfg testenv.MachineConfig) *testenv.Machine {
	t.Helper()
	m, err := lan.NewMachine(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	reportOnFailure(t, m.Console)
	if err := m.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.PowerCut)
	return m
}

// reportOnFailure makes the end of a log part of a failure. With BTY_LOGS the whole log of every
// test goes to a file in that folder.
func reportOnFailure(t *testing.T, log *testenv.Log) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.Tail(60))
		}
		if dir := os.Getenv("BTY_LOGS"); dir != "" {
			name := strings.NewReplacer("/", "-", " ", "-", "'", "").Replace(t.Name() + "-" + log.Name + ".log")
			err := os.MkdirAll(dir, 0o755)
			if err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(log.Tail(math.MaxInt)), 0o644)); err != nil {
				t.Error(err)
			}
		}
	})
}

func expect(ctx context.Context, t *testing.T, log *testenv.Log, timeout time.Duration, pattern string) []string {
	t.Helper()
	match, err := log.Expect(ctx, timeout, pattern)
	if err != nil {
		t.Fatal(err)
	}
	return match
}

func newDisk(t *testing.T, lan *testenv.LAN, serial string, size int64) testenv.Disk {
	t.Helper()
	d, err := testenv.NewDisk(filepath.Join(lan.Dir, serial+".disk"), serial, size)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func newImage(ctx context.Context, t *testing.T, lan *testenv.LAN, name string, spec diskimg.Spec) diskimg.Image {
	t.Helper()
	image, err := diskimg.Build(ctx, filepath.Join(lan.Dir, name), spec)
	if err != nil {
		t.Fatal(err)
	}
	return image
}
