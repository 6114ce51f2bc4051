// Package screen is a terminal with a person at it, for tests: tmux, with a real pseudo-terminal,
// what is shown on it, and keys.
package screen

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Screen is one terminal. Its methods end the test when something fails.
type Screen struct {
	t      testing.TB
	socket string
}

// patience is how long anything may take to be shown, unless a test says otherwise.
const patience = 20 * time.Second

// Open starts a command line of the shell on a new terminal. It ends with the test, whose failure
// shows what was on it.
func Open(t testing.TB, width, height int, line string) *Screen {
	t.Helper()
	dir, err := os.MkdirTemp("", "bty-tmux-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	s := &Screen{t: t, socket: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		if t.Failed() {
			shown, _ := exec.Command("tmux", "-S", s.socket, "capture-pane", "-p").Output() // it may have ended
			t.Logf("--- the screen, at the end\n%s", shown)
		}
		_ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() // it may have ended
		os.RemoveAll(dir)
	})
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), line)
	return s
}

// Quote makes one word of the shell of any text.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (s *Screen) tmux(args ...string) string {
	s.t.Helper()
	var out, said bytes.Buffer
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.Env = append(os.Environ(), "TMUX=", "LC_ALL=C.UTF-8")
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			s.t.Fatal("tmux is missing: apt-get install --no-install-recommends tmux")
		}
		s.t.Fatalf("tmux %v: %v\n%s", args, err, said.String())
	}
	return out.String()
}

// Keys presses keys, by tmux's names: "Enter", "Escape", "Down", "C-c".
func (s *Screen) Keys(keys ...string) {
	s.t.Helper()
	for _, k := range keys {
		s.tmux("send-keys", k)
	}
}

// Type types text as it is.
func (s *Screen) Type(text string) {
	s.t.Helper()
	s.tmux("send-keys", "-l", text)
}

// Resize gives the terminal another size.
func (s *Screen) Resize(width, height int) {
	s.t.Helper()
	s.tmux("resize-window", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height))
}

// Scribble writes to the terminal past the program on it, as a kernel does to its console.
func (s *Screen) Scribble(text string) {
	s.t.Helper()
	f, err := os.OpenFile(strings.TrimSpace(s.tmux("display-message", "-p", "#{pane_tty}")), os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// Gone waits until a text is shown no more.
func (s *Screen) Gone(text string) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !strings.Contains(s.Shown(), text) {
			return
		}
	}
	s.t.Fatalf("%q stays on the screen:\n%s", text, s.Shown())
}

// Shown is what the terminal shows.
func (s *Screen) Shown() string {
	s.t.Helper()
	return s.tmux("capture-pane", "-p")
}

// History is what the terminal shows and what has left it at the top; a line that was too long for
// it is one line.
func (s *Screen) History() string {
	s.t.Helper()
	return s.tmux("capture-pane", "-p", "-J", "-S", "-")
}

// See waits until all of these are shown at once.
func (s *Screen) See(wants ...string) string {
	s.t.Helper()
	return s.SeeWithin(patience, wants...)
}

// SeeWithin is See with another bound.
func (s *Screen) SeeWithin(bound time.Duration, wants ...string) string {
	s.t.Helper()
	shown := ""
	for deadline := time.Now().Add(bound); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if shown = s.Shown(); containsAll(shown, wants) {
			return shown
		}
	}
	s.t.Fatalf("the screen never showed %q:\n%s", wants, shown)
	return ""
}

func containsAll(text string, wants []string) bool {
	for _, w := range wants {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
