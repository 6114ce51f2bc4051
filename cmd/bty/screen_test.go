package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/disk"
)

// screen is a terminal with the program on it, in tmux: a real pseudo-terminal, and what a person
// would see on it.
type screen struct {
	t      *testing.T
	socket string
	status string // file that gets the exit status
}

// terminal is how a screen is made.
type terminal struct {
	kind          string // TERM
	width, height int
	env           []string
	disks         []disk.Device // loop devices of this test: no other disk is ever offered
}

// open starts bty with these arguments on a screen. TERM inside is as asked, whatever tmux is.
func (x terminal) open(t *testing.T, args ...string) *screen {
	t.Helper()
	dir, err := os.MkdirTemp("", "bty-tmux-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, socket: filepath.Join(dir, "s"), status: filepath.Join(dir, "status")}
	t.Cleanup(func() {
		_ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() // it may have ended
		os.RemoveAll(dir)
	})
	var words []string
	for _, e := range append(x.env, "TERM="+x.kind, "LC_ALL=C.UTF-8", "BTY_TEST_AS_MAIN=wizard", "BTY_TEST_DISKS="+diskNames(x.disks)) {
		words = append(words, quoted(e))
	}
	for _, a := range append([]string{os.Args[0]}, args...) {
		words = append(words, quoted(a))
	}
	line := fmt.Sprintf("env %s; echo $? >%s; stty -a >%s.tty; exec cat", strings.Join(words, " "), s.status, s.status)
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(x.width), "-y", fmt.Sprint(x.height), line)
	return s
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func diskNames(disks []disk.Device) string {
	var names []string
	for _, d := range disks {
		names = append(names, d.Path+"="+d.Serial)
	}
	return strings.Join(names, ",")
}

// wizardEnv is the world of the program on a screen: the machine has the disks that are named in
// the environment, and no others.
func wizardEnv() env {
	e := host()
	var disks []disk.Device
	for name := range strings.SplitSeq(os.Getenv("BTY_TEST_DISKS"), ",") {
		path, serial, ok := strings.Cut(name, "=")
		if !ok {
			continue
		}
		d, err := disk.System().Inspect(path)
		if err != nil {
			panic(err)
		}
		d.Serial, d.Model = serial, "Loop"
		disks = append(disks, d)
	}
	e.disks = func(context.Context) ([]disk.Device, error) { return disks, nil }
	e.others, e.flash, e.cmdline = nil, flashOn(disks), ""
	e.reboot = func(context.Context) error { fmt.Fprintln(os.Stderr, "REBOOTED"); return nil }
	return e
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), "tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.Env = append(os.Environ(), "TMUX=", "LC_ALL=C.UTF-8")
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			s.t.Fatal("tmux is missing: apt-get install tmux")
		}
		s.t.Fatalf("tmux %v: %v\n%s", args, err, said.String())
	}
	return out.String()
}

// keys presses keys, by tmux's names, one after another.
func (s *screen) keys(keys ...string) {
	s.t.Helper()
	for _, k := range keys {
		s.tmux("send-keys", k)
	}
}

// text types text as it is.
func (s *screen) text(text string) {
	s.t.Helper()
	s.tmux("send-keys", "-l", text)
}

func (s *screen) shown() string { s.t.Helper(); return s.tmux("capture-pane", "-p") }

// see waits until all of these are shown at once.
func (s *screen) see(wants ...string) string {
	s.t.Helper()
	shown := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		shown = s.shown()
		missing := 0
		for _, w := range wants {
			if !strings.Contains(shown, w) {
				missing++
			}
		}
		if missing == 0 {
			return shown
		}
	}
	s.t.Fatalf("the screen never showed %q:\n%s", wants, shown)
	return ""
}

// ended waits for the end of the program, and gives its exit status and what stty said after it.
func (s *screen) ended() (status, tty string) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if raw, err := os.ReadFile(s.status + ".tty"); err == nil && bytes.HasSuffix(raw, []byte("\n")) {
			status, err := os.ReadFile(s.status)
			if err != nil {
				s.t.Fatal(err)
			}
			return strings.TrimSpace(string(status)), string(raw)
		}
	}
	s.t.Fatalf("the program did not end:\n%s", s.shown())
	return "", ""
}
