package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manager plays the service manager: it says what it was sent, and closes the files that came with it.
func manager(t *testing.T) (path string, messages <-chan string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ch := make(chan string, 10)
	go func() {
		for {
			buf, oob := make([]byte, 1024), make([]byte, 1024)
			n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
			if err != nil {
				return
			}
			files := 0
			if control, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil && len(control) == 1 {
				fds, _ := unix.ParseUnixRights(&control[0])
				for _, fd := range fds {
					files++
					unix.Close(fd)
				}
			}
			ch <- fmt.Sprintf("%s +%d", strings.ReplaceAll(string(buf[:n]), "\n", " "), files)
		}
	}()
	return path, ch
}

func TestStoreFile(t *testing.T) {
	path, messages := manager(t)
	t.Setenv("NOTIFY_SOCKET", path)
	if err := StoreFile("dhcp", os.Stdin); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FDSTOREREMOVE=1 FDNAME=dhcp +0", "FDSTORE=1 FDNAME=dhcp FDPOLL=0 +1", "BARRIER=1 +1"} {
		select {
		case got := <-messages:
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("no message; want %s", want)
		}
	}
}

func TestStoreFileNeedsAManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := StoreFile("dhcp", os.Stdin); err == nil || !strings.Contains(err.Error(), "NotifyAccess") {
		t.Errorf("%v", err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if err := StoreFile("dhcp", os.Stdin); err == nil {
		t.Error("nobody listens, and it is kept")
	}
}
