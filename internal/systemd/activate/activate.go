// Package activate starts a daemon in tests the way a service manager does: with sockets that
// are open already, named in the environment.
package activate

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// NamedFile is one socket to hand over.
type NamedFile struct {
	Name string // FileDescriptorName=
	File *os.File
}

// File returns the socket of l, a *net.TCPListener, *net.UnixListener or *net.UDPConn, under the
// given name. The socket stays open, as a service manager's does, until the test ends; l is
// closed.
func File(t testing.TB, name string, l any) NamedFile {
	t.Helper()
	s, ok := l.(interface {
		File() (*os.File, error)
		io.Closer
	})
	if !ok {
		t.Fatalf("%T is no socket", l)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	f, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return NamedFile{name, f}
}

// Process is a running daemon.
type Process struct {
	*exec.Cmd
	t      testing.TB
	out    *output
	notify chan string
	done   chan struct{}
}

// Start starts bin with files as its inherited sockets. env is added to a small environment of
// its own. The process is killed when the test ends, unless it was stopped before.
func Start(t testing.TB, bin string, files []NamedFile, args, env []string) *Process {
	t.Helper()
	p := &Process{t: t, out: &output{}, notify: make(chan string, 1000), done: make(chan struct{})}
	// LISTEN_PID must be the daemon's own: the shell becomes the daemon.
	p.Cmd = exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, bin}, args...)...)
	var names []string
	for _, f := range files {
		p.ExtraFiles = append(p.ExtraFiles, f.File)
		names = append(names, f.Name)
	}
	p.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "NOTIFY_SOCKET=" + p.listenNotify()}, env...)
	if len(files) > 0 {
		p.Env = append(p.Env, fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	} else {
		p.Cmd.Args = append([]string{bin}, args...)
		p.Cmd.Path = bin
	}
	p.Stdout, p.Stderr = p.out, p.out
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.Cmd.Wait() // the exit code is read from ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(bin), p.out)
		}
	})
	return p
}

// listenNotify opens the service manager's end of NOTIFY_SOCKET. Its path must be short.
func (p *Process) listenNotify() string {
	dir, err := os.MkdirTemp("", "notify")
	if err != nil {
		p.t.Fatal(err)
	}
	path := filepath.Join(dir, "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close(); os.RemoveAll(dir) })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			select {
			case p.notify <- string(buf[:n]):
			default: // nobody listens to this test's messages
			}
		}
	}()
	return path
}

const limit = 30 * time.Second

// WaitNotify waits for a message that begins with prefix ("READY=1") and returns it.
func (p *Process) WaitNotify(prefix string) string {
	p.t.Helper()
	timer, done := time.After(limit), p.done
	for {
		select {
		case s := <-p.notify:
			if strings.HasPrefix(s, prefix) {
				return s
			}
		case <-done:
			done, timer = nil, time.After(time.Second) // its last words may be on their way
		case <-timer:
			p.t.Fatalf("it never said %s: %s", prefix, p.out)
		}
	}
}

// Stop sends SIGTERM and returns the exit code.
func (p *Process) Stop() int {
	p.t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	return p.ExitCode()
}

// ExitCode waits for the end of the process and returns its exit code.
func (p *Process) ExitCode() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.ProcessState.ExitCode()
	case <-time.After(limit):
		p.t.Fatalf("it does not end: %s", p.out)
		return -1
	}
}

// Output returns what the process has written so far to stdout and stderr.
func (p *Process) Output() string { return p.out.String() }

// Cold is the time from the first request on an inherited socket, of a daemon that does not run
// yet, to the first answer: ask sends the request to the socket and returns when it is answered.
// The daemon is stopped again.
func Cold(t testing.TB, bin string, files []NamedFile, args, env []string, ask func() error) time.Duration {
	t.Helper()
	answered := make(chan error, 1)
	begun := time.Now()
	go func() { answered <- ask() }()
	p := Start(t, bin, files, args, env)
	select {
	case err := <-answered:
		took := time.Since(begun)
		if err != nil {
			t.Fatalf("no answer: %v\n%s", err, p.out)
		}
		p.Stop()
		return took
	case <-time.After(limit):
		t.Fatalf("no answer: %s", p.out)
		return 0
	}
}

// output collects what the process writes while a test reads.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
