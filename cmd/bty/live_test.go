package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/disk"
	"bty/internal/flash"
	"bty/internal/liveenv"
	"bty/internal/testenv/screen"
)

// A live environment that no server stands behind offers the wizard on each console, again after
// somebody quits, and reboots when the person wants it. The console is lent while somebody is there.
func TestLiveAlone(t *testing.T) {
	person, terminal := screen.PTY(t)
	other, otherEnd := screen.PTY(t)
	eye := screen.Watch(t, person)
	screen.Watch(t, other)
	out, lent := &output{}, 0
	lend := func() func() { lent++; return func() { lent-- } }
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "local.img"), image(mib))
	s := newStage(disk.Device{Path: "/dev/null", Serial: "S1", Size: 1 << 30})
	s.getenv = func(name string) string { return map[string]string{"BTY_IMAGE_ROOT": dir}[name] }
	var got flash.Request
	s.flash = func(_ context.Context, req flash.Request, _ func(flash.Progress)) (flash.Result, error) {
		if got = req; lent != 1 {
			t.Errorf("the console is lent %d times", lent)
		}
		return flash.Result{}, nil
	}
	type end struct {
		next liveenv.Next
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		next, err := s.live(t.Context(), liveenv.Boot{Console: out, Settle: func(context.Context) {},
			Terminals: []liveenv.Terminal{{File: otherEnd, Lend: lend}, {File: terminal, Lend: lend}}})
		ended <- end{next, err}
	}()
	for _, round := range []int{1, 2} {
		waitFor(t, out, "press Enter here for the wizard", round)
		fmt.Fprint(person, "\r")
		eye.Wait("Where are the images?")
		if round == 1 {
			fmt.Fprint(person, "q")
		}
	}
	for _, step := range [][2]string{{"\r", "local.img"}, {"\r", "serial S1"}, {"\r", "Type yes"}, {"yes\r", "is on /dev/null"}, {"\r", ""}} {
		fmt.Fprint(person, step[0])
		eye.Wait(step[1])
	}
	if e := <-ended; e.next != liveenv.Reboot || e.err != nil || got.Source != path || got.Target != "/dev/null" {
		t.Errorf("%+v, %+v", e, got)
	}
	if lent != 0 || strings.Count(out.String(), "the wizard is in use on "+terminal.Name()) != 2 {
		t.Errorf("lent %d times\n%s", lent, out)
	}
}
