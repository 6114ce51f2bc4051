package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// relay is a line between two network namespaces that holds every packet for a while, in both
// directions: two tun devices and a program between them. Packets keep their order.
type relay struct {
	near, far string // the devices
	ends      [2]*os.File
	work      sync.WaitGroup
}

// packets that are on their way in one direction at most; more are dropped, as a line does.
const onTheWay = 8192

func newRelay(near, far, device string, delay time.Duration) (*relay, error) {
	r := &relay{near: device, far: device}
	for i, netns := range []string{near, far} {
		end, err := openTun(netns, device)
		if err != nil {
			r.close()
			return nil, err
		}
		r.ends[i] = end
	}
	r.carry(r.ends[0], r.ends[1], delay)
	r.carry(r.ends[1], r.ends[0], delay)
	return r, nil
}

type held struct {
	due    time.Time
	packet []byte
}

// carry takes packets from one end to the other until an end is closed.
func (r *relay) carry(from, to *os.File, delay time.Duration) {
	line := make(chan held, onTheWay)
	free := sync.Pool{New: func() any { return make([]byte, 2048) }}
	r.work.Go(func() {
		defer close(line)
		for {
			buf := free.Get().([]byte)
			n, err := from.Read(buf[:cap(buf)])
			if err != nil {
				return
			}
			select {
			case line <- held{time.Now().Add(delay), buf[:n]}:
			default:
			}
		}
	})
	r.work.Go(func() {
		for h := range line {
			time.Sleep(time.Until(h.due))
			_, _ = to.Write(h.packet) // what is closed takes nothing
			free.Put(h.packet)        //nolint:staticcheck // a slice header per packet
		}
	})
}

func (r *relay) close() {
	for _, end := range r.ends {
		if end != nil {
			end.Close()
		}
	}
	r.work.Wait()
}

// openTun makes a tun device in a network namespace.
func openTun(netns, device string) (*os.File, error) {
	var fd int
	err := inNetns(netns, func() (err error) {
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
		request, err := unix.NewIfreq(device)
		if err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("making the tun device %s: %w", device, err)
	}
	return os.NewFile(uintptr(fd), device), nil
}

// inNetns runs f on a thread in a network namespace. The thread goes home afterwards: programs that it
// has started would die with it.
func inNetns(netns string, f func() error) error {
	there, err := os.Open("/run/netns/" + netns)
	if err != nil {
		return err
	}
	defer there.Close()
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // still locked: nobody else gets this thread
	}
	runtime.UnlockOSThread()
	return err
}
