package tftp

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// inItsOwnProcess reports whether it is one for this test alone, else it runs that: what RefuseNetlink
// does holds for the whole process.
func inItsOwnProcess(t *testing.T) bool {
	if os.Getenv("BTY_TEST_REFUSE") != "" {
		return true
	}
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	again.Env = append(os.Environ(), "BTY_TEST_REFUSE=1")
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// A thread that cannot be taken along is told, not passed over.
func TestRefuseNetlinkApart(t *testing.T) {
	if !inItsOwnProcess(t) {
		return
	}
	apart, ended := make(chan error), make(chan struct{})
	defer close(ended)
	go func() {
		runtime.LockOSThread()
		allow, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}})
		if err == nil {
			err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		}
		if err == nil {
			err = setFilter(allow, 0)
		}
		apart <- err
		<-ended
	}()
	if err := <-apart; err != nil {
		t.Fatal(err)
	}
	if err := RefuseNetlink(); err == nil {
		t.Error("no error, though a thread has a filter of its own")
	}
}

func TestRefuseNetlink(t *testing.T) {
	if !inItsOwnProcess(t) {
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
