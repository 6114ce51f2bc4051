package tftp

import (
	"net"
	"runtime"
	"testing"

	"github.com/vishvananda/netns"
)

// listenIn opens a UDP socket in a network namespace; it stays there when the thread comes back.
func listenIn(t *testing.T, name string) *net.UDPConn {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := netns.GetFromName(name)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp4", nil)
	if back := netns.Set(home); back != nil {
		panic(back) // this thread would run other tests in the wrong namespace
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
