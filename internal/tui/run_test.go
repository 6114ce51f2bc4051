package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"bty/internal/flash"
	"bty/internal/testenv/screen"
)

// pty is a terminal, and the person's end of it.
func pty(t *testing.T) (person *os.File, terminal Terminal) {
	t.Helper()
	person, near := screen.PTY(t)
	return person, Terminal{In: near, Out: near, Kind: "vt100"}
}

// hangs is a machine that answers nothing until ctx ends, as on a dead network.
var hangs = Doing{
	Images: func(ctx context.Context, _ Source) ([]Image, error) { <-ctx.Done(); return nil, ctx.Err() },
	Disks:  func(ctx context.Context) ([]Disk, error) { <-ctx.Done(); return nil, ctx.Err() },
}

// The first screen is there before anything answers; a terminal without a size is 80x24; Esc comes
// through alone.
func TestRun(t *testing.T) {
	person, terminal := pty(t)
	e := screen.Watch(t, person)
	type end struct {
		left Left
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		left, err := Run(t.Context(), terminal, Setup{Version: "1", Sources: sources, Start: &sources[0]}, hangs)
		ended <- end{left, err}
	}()
	e.Wait("Asking http://appliance:8080/catalog.toml")
	e.Wait("\x1b[24;1H") // where the cursor waits
	fmt.Fprint(person, "\x1b")
	e.Wait("Where are the images?")
	fmt.Fprint(person, "\x1b[B\r")
	e.Wait("Asking /var/lib/bty/images")
	fmt.Fprint(person, "q")
	select {
	case got := <-ended:
		if got.err != nil || got.left.Last != nil {
			t.Errorf("%+v", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end while something hangs")
	}
}

// A terminal whose far end takes nothing any more does not stop a flash.
func TestRunOnAStuckTerminal(t *testing.T) {
	person, terminal := pty(t)
	ctx, cancel := context.WithCancel(t.Context())
	flashed := make(chan struct{})
	doing := Doing{
		Images: func(context.Context, Source) ([]Image, error) { return images[1:2], nil },
		Disks:  func(context.Context) ([]Disk, error) { return disks[:1], nil },
		Flash: func(_ context.Context, _ Flash, report func(flash.Progress)) Ended {
			for i := range 2000 { // more than a terminal's buffer
				report(flash.Progress{Stage: fmt.Sprint("stage ", i), Bytes: int64(i), Total: 100})
			}
			close(flashed)
			return Ended{}
		},
	}
	ended := make(chan Left, 1)
	go func() {
		left, _ := Run(ctx, terminal, Setup{Version: "1", Sources: sources, Start: &sources[0]}, doing)
		ended <- left
	}()
	buf := make([]byte, 4096)
	for _, keys := range []string{"\r", "\r", "yes"} {
		time.Sleep(200 * time.Millisecond) // whoever types without seeing
		_, _ = person.Read(buf)
		fmt.Fprint(person, keys)
	}
	fmt.Fprint(person, strings.Repeat("\x0c", 50)+"\r") // screens that nobody takes
	select {
	case <-flashed:
	case <-time.After(10 * time.Second):
		t.Error("the flash stands still")
	}
	cancel()
	select {
	case left := <-ended:
		if left.Last == nil {
			t.Error("the flash is not known")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
}

// A terminal that goes away ends the wizard; what is typed after its end is the next reader's.
func TestRunEndsWithItsTerminal(t *testing.T) {
	person, terminal := pty(t)
	e := screen.Watch(t, person)
	ended := make(chan error, 1)
	run := func(ctx context.Context) {
		_, err := Run(ctx, terminal, Setup{Version: "1", Sources: sources}, hangs)
		ended <- err
	}
	ctx, cancel := context.WithCancel(t.Context())
	go run(ctx)
	e.Wait("Where are the images?")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	fmt.Fprint(person, "for the next\r")
	line := make([]byte, 64)
	if n, err := terminal.In.Read(line); err != nil || string(line[:n]) != "for the next\n" {
		t.Errorf("%q, %v", line[:n], err)
	}
	go run(t.Context())
	time.Sleep(100 * time.Millisecond)
	person.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on without keys")
	}
}

// Enter is a carriage return, a line feed or both; both are one.
func TestEnter(t *testing.T) {
	w := &wizard{}
	for _, c := range []struct {
		keys []string
		want int
	}{{[]string{"enter"}, 1}, {[]string{"ctrl+j"}, 1}, {[]string{"enter", "ctrl+j"}, 1}, {[]string{"enter", "enter"}, 2}, {[]string{"ctrl+j", "ctrl+j"}, 2}} {
		got := 0
		for _, k := range c.keys {
			if w.enter(Key{Name: k}).Name == "enter" {
				got++
			}
		}
		if got != c.want {
			t.Errorf("%q: %d", c.keys, got)
		}
		w.returned = time.Time{}
	}
}

func TestRunNeedsATerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Run(t.Context(), Terminal{In: f, Out: f}, Setup{}, hangs); err == nil || !strings.Contains(err.Error(), "needs a terminal") {
		t.Error(err)
	}
}
