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
		for i := range fds {
			// A terminal gives whole lines, so what can be read ends with Enter. One whose far end is
			// gone is readable for ever; it is left out.
			switch got := fds[i].Revents; {
			case got&unix.POLLIN != 0 && readLine(terminals[i].File):
				return terminals[i], true
			case got != 0:
				fds[i].Fd = -1
			}
		}
	}
	return Terminal{}, false
}

func readLine(f *os.File) bool {
	var line [512]byte
	n, err := unix.Read(int(f.Fd()), line[:])
	return err == nil && n > 0
}
