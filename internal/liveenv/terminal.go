package liveenv

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Terminal is a console that a person may sit at.
type Terminal struct {
	File *os.File
	// Lend keeps everything else from the terminal until the returned function is called: what is
	// written to the consoles passes it by, and the kernel keeps to itself what is not the end.
	Lend func() (giveBack func())
}

// Kind is the terminal's TERM. Of what hangs on a serial port only the least is known.
func (t Terminal) Kind() string {
	name := strings.TrimPrefix(filepath.Base(t.File.Name()), "tty")
	if name != "" && strings.Trim(name, "0123456789") == "" {
		return "linux"
	}
	return "vt100"
}

// lendable is the consoles as terminals.
func (l *live) lendable() []Terminal {
	var list []Terminal
	for _, f := range l.terminals {
		list = append(list, Terminal{File: f, Lend: func() func() {
			giveBack, loud := l.consoles.lend(f), quietKernel()
			return func() {
				loud()
				giveBack()
			}
		}})
	}
	return list
}

// quietKernel lowers what the kernel prints on its consoles to emergencies, until the returned
// function is called. Everything stays in its log.
func quietKernel() (loud func()) {
	const file = "/proc/sys/kernel/printk"
	before, _, _ := strings.Cut(strings.TrimSpace(read(file)), "\t")
	if before == "" {
		return func() {}
	}
	set(file, "1")
	return func() { set(file, before) }
}

// lookEvery is how long a wait for a person does not look whether it is over.
const lookEvery = 250 * time.Millisecond

// AwaitEnter asks, and waits until somebody presses Enter on one of the terminals. It is false when
// ctx ends.
func AwaitEnter(ctx context.Context, terminals []Terminal, ask func()) (Terminal, bool) {
	fds := make([]unix.PollFd, len(terminals))
	for i, t := range terminals {
		fds[i] = unix.PollFd{Fd: int32(t.File.Fd()), Events: unix.POLLIN}
		// What was typed before anybody was asked is no answer.
		_ = unix.IoctlSetInt(int(t.File.Fd()), unix.TCFLSH, unix.TCIFLUSH)
	}
	ask()
	for ctx.Err() == nil {
		n, err := unix.Poll(fds, int(lookEvery.Milliseconds()))
		if err != nil {
			time.Sleep(lookEvery) // a signal, or no memory
		}
		if n <= 0 || err != nil {
			continue
		}
		for i, t := range terminals {
			if fds[i].Revents == 0 {
				continue
			}
			switch listen(t.File, fds[i].Revents) {
			case enter:
				return t, true
			case gone:
				fds[i].Fd = -1 // it is readable for ever
			}
		}
	}
	return Terminal{}, false
}

// heard is what a terminal that is not silent has to say.
type heard int

const (
	nothing heard = iota // of interest
	enter
	gone // its far end is
)

// listen reads what there is. A terminal gives a line when it has the whole of it; without Enter at
// its end it is longer than what is read at once, or Ctrl-D was pressed, which alone gives no byte.
func listen(f *os.File, events int16) heard {
	if events&unix.POLLIN == 0 {
		return gone
	}
	var line [512]byte
	n, err := unix.Read(int(f.Fd()), line[:])
	switch {
	case err == unix.EINTR || err == unix.EAGAIN:
		return nothing
	case err != nil || n == 0 && events&unix.POLLHUP != 0:
		return gone
	case n > 0 && line[n-1] == '\n':
		return enter
	}
	return nothing
}
