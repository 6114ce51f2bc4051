package upgrade

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	for call, want := range map[string]time.Duration{
		"podman load --quiet --input /srv/bty-web.x86_64.tar": moving,
		"podman pull --quiet registry.example/bty-web:1":      moving,
		"podman tag a b": asking,
		"podman":         asking,
		"/usr/bin/podman-compose --file c.yml up --detach": moving,
		"docker-compose up":                   moving,
		"dpkg --verify bty":                   reading,
		"dpkg-deb -Znone --build tree to":     reading,
		"dpkg-query --show":                   asking,
		"rpm --verify --nodeps bty":           reading,
		"systemd-run --wait /opt/guard":       asking,
		"journalctl --unit=bty-web.service":   asking,
		"/usr/bin/bty-web --version":          asking,
		"systemd-tmpfiles --create /etc/file": asking,
	} {
		words := strings.Fields(call)
		if got := limitOf(words[0], words[1:]); got != want {
			t.Errorf("%s: %v, want %v", call, got, want)
		}
	}
}

// alive are processes by the numbers that a program wrote into a file.
func alive(t *testing.T, path string) (pids []int) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(raw)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		state, err := os.ReadFile(filepath.Join("/proc", word, "stat"))
		if err == nil && !strings.Contains(string(state), ") Z ") && syscall.Kill(pid, 0) == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// A program that does not end is killed with its children, and the error has its limit and its last words.
func TestToolThatHangs(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	began := time.Now()
	_, err := toolWithin(t.Context(), 300*time.Millisecond, "sh", "-c", `sleep 60 & echo $! $$ >"$1"; echo waiting for the registry >&2; wait`, "sh", pids)
	late, ok := errors.AsType[*lateError](err)
	if !ok || late.Limit != 300*time.Millisecond || late.Said != "waiting for the registry" || !strings.Contains(err.Error(), "after 300ms") || !strings.HasPrefix(err.Error(), "sh -c") {
		t.Errorf("%v", err)
	}
	if _, failed := errors.AsType[*toolError](err); failed {
		t.Error("what did not end has not answered")
	}
	for end := time.Now().Add(5 * time.Second); len(alive(t, pids)) > 0; time.Sleep(20 * time.Millisecond) { // they die by themselves
		if time.Now().After(end) {
			t.Fatalf("%v are left", alive(t, pids))
		}
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestToolThatFails(t *testing.T) {
	_, err := tool(t.Context(), "sh", "-c", "seq 2000; echo the last word >&2; exit 3")
	failed, ok := errors.AsType[*toolError](err)
	if !ok || len(failed.Said) != saidMost || !strings.HasSuffix(failed.Said, "2000") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("told to end"))
	if _, err := tool(ctx, "sleep", "60"); err == nil || err.Error() != "sleep: told to end" {
		t.Errorf("%v", err)
	}
}

// A package manager is not killed in the middle: neither by its limit nor with the run that waits for it.
func TestPackageManagerIsLeftToItsWork(t *testing.T) {
	dir := t.TempDir()
	log, done := filepath.Join(dir, "new.deb.log"), filepath.Join(dir, "done")
	script := []string{"-c", `echo unpacking; sleep 0.7; echo unpacked; touch "$1"`, "sh", done}
	err := toItsEnd(t.Context(), 200*time.Millisecond, log, "sh", script...)
	if late, ok := errors.AsType[*notNow](err); !ok || !strings.Contains(late.What, "after 200ms") || !strings.Contains(late.What, "unpacking") || !strings.Contains(late.What, log) {
		t.Errorf("%v", err)
	}
	awaitFile(t, done)
	if err := os.Remove(done); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("told to end")) })
	if err := toItsEnd(ctx, time.Minute, log, "sh", script...); err == nil || err.Error() != "told to end" {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(done); err != nil {
		t.Errorf("it was cut off: %v", err)
	}
	err = toItsEnd(t.Context(), time.Minute, log, "sh", "-c", "echo no space left; exit 2")
	if failed, ok := errors.AsType[*toolError](err); !ok || failed.Said != "no space left" {
		t.Errorf("%v", err)
	}
}

func awaitFile(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not come", path)
		}
	}
}

// An upgrade whose package manager is still at work is not over: it does not go back, and the next run goes on.
func TestPackageManagerStillAtWork(t *testing.T) {
	f := newFake(t)
	f.busy = true
	_, err := f.upgrade("").Run(t.Context())
	if _, ok := errors.AsType[*notNow](err); !ok || !strings.Contains(err.Error(), "The upgrade is not over: bty-lab upgrade "+f.file("opt")+" goes on") {
		t.Errorf("%v", err)
	}
	f.busy = false
	if out, err := f.upgrade("").Run(t.Context()); err != nil || out.Phase != Upgraded {
		t.Errorf("%+v, %v", out, err)
	}
	f.holds("1.1", 4)
}
