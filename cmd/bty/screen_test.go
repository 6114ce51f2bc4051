package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bty/internal/agent"
	"bty/internal/disk"
	"bty/internal/testenv/screen"
)

// seat is a terminal with the program on it.
type seat struct {
	*screen.Screen
	t      *testing.T
	status string // file that gets the exit status
}

// terminal is how a seat is made.
type terminal struct {
	kind          string // TERM
	width, height int
	env           []string
	disks         []disk.Device // loop devices of this test: no other disk is ever offered
	defect        bool          // listing them panics
}

// open starts bty with these arguments. TERM is as asked, whatever tmux is.
func (x terminal) open(t *testing.T, args ...string) *seat {
	t.Helper()
	s := &seat{t: t, status: filepath.Join(t.TempDir(), "status")}
	var words []string
	for _, e := range append(x.env, "TERM="+x.kind, "LC_ALL=C.UTF-8", "BTY_TEST_AS_MAIN=wizard", x.offered()) {
		words = append(words, screen.Quote(e))
	}
	for _, a := range append([]string{os.Args[0]}, args...) {
		words = append(words, screen.Quote(a))
	}
	s.Screen = screen.Open(t, x.width, x.height, "exec bash -c "+screen.Quote(fmt.Sprintf("(echo $BASHPID >%[2]s.pid; exec env %[1]s); echo $? >%[2]s; stty -a >%[2]s.tty; exec cat", strings.Join(words, " "), s.status)))
	return s
}

// offered tells the program what disks there are.
func (x terminal) offered() string {
	if x.defect {
		return "BTY_TEST_DISKS=defect"
	}
	var names []string
	for _, d := range x.disks {
		names = append(names, d.Path+"="+d.Serial)
	}
	return "BTY_TEST_DISKS=" + strings.Join(names, ",")
}

// wizardEnv is the world of the program at a seat: the machine has the disks that are named in
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
	pace := agent.Pace{For: 500 * time.Millisecond, First: 50 * time.Millisecond, Max: 100 * time.Millisecond}
	e.limits = agent.Limits{Plan: pace, Status: pace, Person: pace, Inventory: pace, Settle: time.Millisecond, LateDisks: time.Second}
	e.disks = func(context.Context) ([]disk.Device, error) { return disks, nil }
	e.others, e.flash, e.cmdline = nil, flashOn(disks), ""
	if os.Getenv("BTY_TEST_DISKS") == "defect" {
		e.disks = func(context.Context) ([]disk.Device, error) { panic("a defect of the test") }
	}
	e.reboot = func(context.Context) error { fmt.Fprintln(os.Stderr, "REBOOTED"); return nil }
	return e
}

// signal sends the program a signal.
func (s *seat) signal(sig syscall.Signal) {
	s.t.Helper()
	raw, err := os.ReadFile(s.status + ".pid")
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		s.t.Fatal(err)
	}
}

// ended waits for the end of the program, and gives its exit status. The terminal must be as it was.
func (s *seat) ended() string {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		tty, err := os.ReadFile(s.status + ".tty")
		if err != nil || !bytes.HasSuffix(tty, []byte("\n")) {
			continue
		}
		if bytes.Contains(tty, []byte("-icanon")) || bytes.Contains(tty, []byte("-echo ")) || bytes.Contains(tty, []byte("-isig")) {
			s.t.Errorf("the terminal is not as it was:\n%s", tty)
		}
		status, err := os.ReadFile(s.status)
		if err != nil {
			s.t.Fatal(err)
		}
		return strings.TrimSpace(string(status))
	}
	s.t.Fatalf("the program did not end:\n%s", s.Shown())
	return ""
}

// waitFor waits until an output has a text n times.
func waitFor(t *testing.T, out *output, text string, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if strings.Count(out.String(), text) >= n {
			return
		}
	}
	t.Fatalf("%q was not said %d times:\n%s", text, n, out)
}
