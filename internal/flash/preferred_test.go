package flash

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Only the work is preferred, and only while it lasts, also if it ends in a panic.
func TestPreferred(t *testing.T) {
	runtime.LockOSThread() // nothing else may run on it
	defer runtime.UnlockOSThread()
	nice := func() int {
		was, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		if err != nil {
			t.Fatal(err)
		}
		return 20 - was
	}
	before, within, failed := nice(), 0, errors.New("failed")
	if err := preferred(func() error { within = nice(); return failed }); err != failed {
		t.Errorf("%v", err)
	}
	if want := max(before-preference, -20); within != want {
		t.Errorf("nice %d within, want %d", within, want)
	}
	func() {
		defer func() { _ = recover() }()
		_ = preferred(func() error { panic("a defect") })
	}()
	if after := nice(); after != before {
		t.Errorf("nice %d after it, %d before", after, before)
	}
}
