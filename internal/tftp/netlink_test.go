package tftp

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// What RefuseNetlink does holds for the whole process, so that it is done in one of its own.
func TestRefuseNetlink(t *testing.T) {
	if os.Getenv("BTY_TEST_REFUSE") == "" {
		again := exec.Command(os.Args[0], "-test.run=^TestRefuseNetlink$", "-test.count=1")
		again.Env = append(os.Environ(), "BTY_TEST_REFUSE=1")
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if _, err := net.InterfaceByIndex(1); err != nil {
		t.Fatal("even before:", err)
	}
	var threads sync.WaitGroup
	refused := make(chan struct{})
	for range 4 { // threads that there are already
		threads.Add(1)
		started := make(chan struct{})
		go func() {
			defer threads.Done()
			runtime.LockOSThread()
			close(started)
			<-refused
			if fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, 0); !errors.Is(err, unix.EAFNOSUPPORT) {
				t.Errorf("netlink: descriptor %d, %v", fd, err)
			}
		}()
		<-started
	}
	if err := RefuseNetlink(); err != nil {
		t.Fatal(err)
	}
	close(refused)
	threads.Wait()
	if _, err := net.InterfaceByIndex(1); !errors.Is(err, unix.EAFNOSUPPORT) {
		t.Error(err)
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		conn, err := net.ListenPacket("udp", address)
		if err != nil {
			t.Error(err)
			continue
		}
		conn.Close()
	}
}
