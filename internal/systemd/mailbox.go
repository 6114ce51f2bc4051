package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	sendLimit  = time.Second           // a line waits no longer for a journald that does not read
	stuckPause = 5 * time.Second       // from then on none waits
	heardLimit = time.Second           // last words wait no longer to be read
	lookedUp   = 50 * time.Millisecond // what journald takes to look up who a message is from, amply
)

// mailbox is the way to journald. One whose socket was made anew is found again, and whoever logs
// does not wait long for one that is stuck: a machine may wait for the answer.
//
// It is connected and written to, because bty-sniff may not use any other way to send.
type mailbox struct {
	path string
	conn atomic.Pointer[net.UnixConn]

	dialing sync.Mutex

	mu    sync.Mutex
	lost  int       // entries that were not taken
	until time.Time // when those who wait give up
	stuck time.Time // until when none waits
}

func openMailbox(path string) (*mailbox, error) {
	m := &mailbox{path: path}
	return m, m.connect(nil)
}

// connect replaces a connection of no use, unless somebody else has already.
func (m *mailbox) connect(failed *net.UnixConn) error {
	m.dialing.Lock()
	defer m.dialing.Unlock()
	if m.conn.Load() != failed {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		return err
	}
	if old := m.conn.Swap(conn); old != nil {
		old.Close()
	}
	return nil
}

// send hands over one entry. lost is how many were not taken before this one.
func (m *mailbox) send(entry []byte) (lost int, err error) {
	conn := m.conn.Load()
	err = try(conn, entry)
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.ENOTCONN) || errors.Is(err, net.ErrClosed) {
		if err = m.connect(conn); err == nil {
			err = try(m.conn.Load(), entry)
		}
	}
	if errors.Is(err, unix.EAGAIN) && !m.isStuck() {
		conn := m.conn.Load()
		if err = conn.SetWriteDeadline(m.deadline()); err == nil {
			_, err = conn.Write(entry)
		}
	}
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		err = m.sendLarge(entry)
	}
	return m.note(err), err
}

// try sends without waiting.
func try(conn *net.UnixConn, entry []byte) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { _, failed = unix.Write(int(fd), entry) }) // Go's sockets never block
	return errors.Join(err, failed)
}

func (m *mailbox) isStuck() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Before(m.stuck)
}

// deadline is until when to wait, for all who wait at one time: each of them putting it off for the
// others, none would ever give up.
func (m *mailbox) deadline() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.Before(m.until) {
		return m.until
	}
	m.until = now.Add(sendLimit)
	return m.until
}

// note keeps count of what was not taken, and returns the count once something was again.
func (m *mailbox) note(err error) (lost int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		lost, m.lost, m.until, m.stuck = m.lost, 0, time.Time{}, time.Time{}
		return lost
	}
	if m.lost++; errors.Is(err, os.ErrDeadlineExceeded) {
		m.stuck = time.Now().Add(stuckPause)
	}
	return 0
}

// untold takes a count back that could not be told, by an entry which counts as lost itself now.
func (m *mailbox) untold(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost += n - 1
}

// sendLarge sends what does not fit a datagram in a sealed memfd, which needs no file system (a
// temporary file in /dev/shm is out of reach in our sandbox).
func (m *mailbox) sendLarge(entry []byte) error {
	fd, err := unix.MemfdCreate("bty-journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("a memory file for a large journal entry: %w", err)
	}
	f := os.NewFile(uintptr(fd), "bty-journal")
	defer f.Close()
	if _, err := f.Write(entry); err != nil {
		return fmt.Errorf("writing a large journal entry: %w", err)
	}
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("sealing a large journal entry: %w", err)
	}
	return m.pass(f)
}

// pass sends f itself. net's WriteMsgUnix refuses connected datagram sockets.
func (m *mailbox) pass(f *os.File) error {
	conn := m.conn.Load()
	if err := conn.SetWriteDeadline(m.deadline()); err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	rights := unix.UnixRights(int(f.Fd()))
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		failed = unix.Sendmsg(int(fd), nil, rights, nil, unix.MSG_NOSIGNAL)
		return !errors.Is(failed, unix.EAGAIN)
	})
	return errors.Join(err, failed)
}

// linger waits until journald has read what was sent, see Journal.Linger.
func (m *mailbox) linger() {
	raw, err := m.conn.Load().SyscallConn()
	if err != nil {
		return
	}
	for end := time.Now().Add(heardLimit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		waiting := 0
		if err := raw.Control(func(fd uintptr) { waiting, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil || waiting == 0 {
			break
		}
	}
	time.Sleep(lookedUp)
}
