package liveenv

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/screen"
)

// The terminal on which Enter is pressed answers: not one with noise and no Enter, nor one whose far
// end is gone. Ctrl-D is no Enter, and Enter counts after it. What was typed before the question is no answer.
func TestAwaitEnter(t *testing.T) {
	var terminals []Terminal
	var fars []*os.File
	for range 4 {
		far, near := screen.PTY(t)
		terminals, fars = append(terminals, Terminal{File: near}), append(fars, far)
	}
	fmt.Fprint(fars[0], "early\r")
	fars[3].Close()
	answer := func() {
		fmt.Fprint(fars[1], "noise")
		fmt.Fprint(fars[2], "\r")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if got, ok := AwaitEnter(ctx, terminals, answer); !ok || got.File != terminals[2].File {
		t.Errorf("%v, %v", got.File, ok)
	}
	ended, end := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer end()
	if _, ok := AwaitEnter(ended, terminals[1:2], func() {}); ok {
		t.Error("somebody answered")
	}
	go func() {
		for _, keys := range []string{"\x04", "noise\x04", strings.Repeat("noise ", 200), "\r"} {
			time.Sleep(20 * time.Millisecond) // so that each is read by itself
			fmt.Fprint(fars[2], keys)
		}
	}()
	before := time.Now()
	if _, ok := AwaitEnter(ctx, terminals[2:], func() {}); !ok || time.Since(before) < 80*time.Millisecond {
		t.Errorf("after Ctrl-D: %v, in %v", ok, time.Since(before))
	}
}

// A console that is lent gets nothing that is written to all; the others do.
func TestLend(t *testing.T) {
	var lent, other bytes.Buffer
	c := newConsoles([]io.Writer{&lent, &other})
	c.Write([]byte("before "))
	giveBack := c.lend(&lent)
	c.Write([]byte("meanwhile "))
	giveBack()
	c.Write([]byte("after"))
	c.close(t.Context())
	if lent.String() != "before after" || other.String() != "before meanwhile after" {
		t.Errorf("%q, %q", lent.String(), other.String())
	}
}

// A console is a person's when the last line for it is on it, not when it is about to be.
func TestLendWaitsForTheLastLine(t *testing.T) {
	slow := &slowWriter{begun: make(chan struct{}), release: make(chan struct{})}
	c := newConsoles([]io.Writer{slow})
	c.Write([]byte("the wizard is in use"))
	<-slow.begun // nothing waits any more
	lent := make(chan struct{})
	go func() {
		defer close(lent)
		c.lend(slow)
	}()
	select {
	case <-lent:
		t.Error("the console is lent while a line is being written to it")
	case <-time.After(100 * time.Millisecond):
	}
	close(slow.release)
	<-lent
	c.close(t.Context())
}

// slowWriter is a console that is in the middle of a line until it is let go.
type slowWriter struct{ begun, release chan struct{} }

func (w *slowWriter) Write(p []byte) (int, error) {
	close(w.begun)
	<-w.release
	return len(p), nil
}

func TestKind(t *testing.T) {
	for path, want := range map[string]string{"/dev/tty0": "linux", "/dev/tty1": "linux", "/dev/ttyS0": "vt100", "/dev/hvc0": "vt100", "/dev/console": "vt100", "/dev/ttyAMA0": "vt100"} {
		f := os.NewFile(^uintptr(0)>>1, path)
		if got := (Terminal{File: f}).Kind(); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}
