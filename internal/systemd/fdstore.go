package systemd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// barrierTime is how long the service manager may take to read what it was sent.
const barrierTime = 10 * time.Second

// StoreFile gives f to the service manager, which hands it to each start of the service under its
// name, and returns when it has it. What it kept under that name is closed. f stays open when its
// peer or its link goes away, which systemd would else take for its end. go-systemd sends no files.
func StoreFile(name string, f *os.File) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return errors.New("there is no service manager to keep a file: NOTIFY_SOCKET is not set; a unit needs NotifyAccess=exec for that")
	}
	if err := notify("FDSTOREREMOVE=1\nFDNAME=" + name); err != nil {
		return err
	}
	if err := notifyWith(path, "FDSTORE=1\nFDNAME="+name+"\nFDPOLL=0", f); err != nil {
		return err
	}
	return barrier(path)
}

// barrier waits until all that was sent before has been read: then the manager closes the end of
// the pipe that came with the message, sd_notify(3). The message must hold nothing else.
func barrier(path string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	err = notifyWith(path, "BARRIER=1", write)
	write.Close()
	if err != nil {
		return err
	}
	if err := read.SetReadDeadline(time.Now().Add(barrierTime)); err != nil {
		return err
	}
	if _, err := read.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the service manager did not confirm that it keeps the file: %w", err)
	}
	return nil
}

func notifyWith(path, state string, f *os.File) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	defer unix.Close(fd)
	err = unix.Sendmsg(fd, []byte(state), unix.UnixRights(int(f.Fd())), &unix.SockaddrUnix{Name: path}, unix.MSG_NOSIGNAL)
	runtime.KeepAlive(f)
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	return nil
}
