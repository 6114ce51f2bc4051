package screen

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// PTY is a terminal for a test that is itself the person: what it writes to one end are keys at the
// other one.
func PTY(t testing.TB) (person, terminal *os.File) {
	t.Helper()
	// Not by os.OpenFile: a file that was asked for its number does not close while it is read.
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	person = os.NewFile(uintptr(fd), "person")
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return person, terminal
}

// Eye sees what a terminal is sent, sequences and all.
type Eye struct {
	t    testing.TB
	mu   sync.Mutex
	seen strings.Builder
}

// Watch reads from the person's end until it is closed.
func Watch(t testing.TB, person *os.File) *Eye {
	e := &Eye{t: t}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := person.Read(buf)
			if err != nil {
				return
			}
			e.mu.Lock()
			e.seen.Write(buf[:n])
			e.mu.Unlock()
		}
	}()
	return e
}

// Wait waits until a text has been sent since the last Wait found its own.
func (e *Eye) Wait(text string) {
	e.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if e.take(text) {
			return
		}
	}
	e.t.Fatalf("%q was never shown in %q", text, e.seen.String())
}

func (e *Eye) take(text string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, rest, found := strings.Cut(e.seen.String(), text)
	if found {
		e.seen.Reset()
		e.seen.WriteString(rest)
	}
	return found
}
