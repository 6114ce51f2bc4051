package tui

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// keyboard reads keys until it is stopped, and not one more: the next who reads from the terminal
// gets all that is typed from then on. What Bubble Tea would make of the file itself may still read
// when it has ended.
type keyboard struct {
	in   *os.File
	wake *os.File // readable when the keyboard is stopped

	mu      sync.Mutex // held while a read waits
	stopped bool
}

// ErrGone means that nobody sits at the terminal any more.
var ErrGone = errors.New("its far end is gone")

func newKeyboard(in *os.File) (*keyboard, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch the keyboard: %w", err)
	}
	return &keyboard{in: in, wake: os.NewFile(uintptr(fd), "eventfd")}, nil
}

// Read waits for keys. It gives io.EOF when the keyboard is stopped.
func (k *keyboard) Read(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for !k.stopped {
		fds := []unix.PollFd{{Fd: int32(k.in.Fd()), Events: unix.POLLIN}, {Fd: int32(k.wake.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		} else if err != nil {
			return 0, fmt.Errorf("wait for a key: %w", err)
		}
		if fds[1].Revents != 0 {
			break
		}
		n, err := unix.Read(int(k.in.Fd()), p)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
		case err == unix.EIO: // so says one that has hung up
			return 0, ErrGone
		case err != nil:
			return 0, fmt.Errorf("read a key: %w", err)
		case n == 0:
			return 0, ErrGone // a plain end would leave the wizard without keys
		default:
			return n, nil
		}
	}
	return 0, io.EOF
}

// stop ends a read that waits, and all to come. Nothing reads from the terminal when it returns.
func (k *keyboard) stop() {
	_, _ = k.wake.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	k.wake.Close()
}
