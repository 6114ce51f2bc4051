package liveenv

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The kernel takes ttyS1, which is first, and people look at ttyS0.
func TestMergeConsoles(t *testing.T) {
	asked, err := parseCmdline("console=tty0 console=ttyS1,115200 console=ttyS0,9600n8r")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		active string
		asked  []console
		want   []console
	}{
		{"tty0 ttyS1\n", asked.consoles, []console{{"tty0", 0}, {"ttyS1", 115200}, {"ttyS0", 9600}}},
		{"tty0 ttyS0\n", nil, []console{{"tty0", 0}, {"ttyS0", 0}}},
		{"tty0 hvc0", []console{{"ttyS0", 0}}, []console{{"tty0", 0}, {"hvc0", 0}, {"ttyS0", 0}}},
		{"", []console{{"", 0}}, []console{{"console", 0}}}, // console= asks for silence
		{"../../etc/passwd", []console{{"..", 0}}, []console{{"console", 0}}},
	} {
		if got := mergeConsoles(c.active, c.asked); !slices.Equal(got, c.want) {
			t.Errorf("mergeConsoles(%q, %v) = %v; want %v", c.active, c.asked, got, c.want)
		}
	}
}

// stuck is a console whose far end has stopped it.
type stuck struct{ release chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	<-s.release
	return len(p), nil
}

// paper is a console that can be read while it is written: its writer may outlive the bound of close.
type paper struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func TestConsolesSurviveAStuckOne(t *testing.T) {
	hang := stuck{make(chan struct{})}
	defer close(hang.release)
	var good paper
	c := newConsoles([]io.Writer{hang, &good})
	for range consoleBacklog / 2 {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 * consoleBacklog { // more than the stuck one takes
		c.Write(nil)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	c.close(ctx)
	c.Write([]byte("late"))
	if got := good.String(); !strings.HasPrefix(got, strings.Repeat("x", consoleBacklog/2)) || strings.Contains(got, "late") {
		t.Errorf("the good console got %q", got)
	}
}

func TestJournal(t *testing.T) {
	var console, kmsg bytes.Buffer
	log := slog.New(&journal{console: &console, kmsg: &kmsg})
	log.Debug("driver loaded", "module", "e1000e", "dur", 1234567*time.Nanosecond)
	log.With("interface", "eth0").Warn("no lease\x1b[2J yet", "err", errors.New("two words"))
	if want := "bty: no lease [2J yet interface=eth0 err=\"two words\"\n"; console.String() != want {
		t.Errorf("console %q, want %q", console.String(), want)
	}
	want := "<7>bty: driver loaded module=e1000e dur=1ms\n<5>bty: no lease [2J yet interface=eth0 err=\"two words\"\n"
	if kmsg.String() != want {
		t.Errorf("kernel's log %q, want %q", kmsg.String(), want)
	}
}

func TestBanner(t *testing.T) {
	text := banner(errors.Join(errors.New("first \x07thing"), errors.New(strings.Repeat("word ", 40))), 30*time.Second)
	for _, want := range []string{"*  first thing", "bty cannot go on", "reboots in 30s"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 81 {
			t.Errorf("a line of %d", len(line))
		}
	}
}

func TestIsModprobe(t *testing.T) {
	for arg0, want := range map[string]bool{"/sbin/modprobe": true, "/init": false, "bty": false, "/usr/bin/bty": false} {
		if isModprobe([]string{arg0, "-q", "--", "x"}) != want {
			t.Errorf("isModprobe(%s) is not %v", arg0, want)
		}
	}
}

// What a server says cannot move the cursor of a console: U+009B begins a sequence on Linux' own, as
// the escape does.
func TestPrintable(t *testing.T) {
	if got, want := printable("a\x1b[2J\u009b2J\u0085\tb\x7f\u202e\u00e9"), "a [2J 2J  b  \u00e9"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}
