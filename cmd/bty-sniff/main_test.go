package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/sniff"
	"bty/internal/systemd/activate"

	"golang.org/x/sys/unix"
)

var programs string // the folder of the programs under test, built once

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bty-sniff")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = dir
	build := exec.Command("go", "build", "-o", dir, ".", "../bty-sniff-open", "../bty-web", "../bty-tftp")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped; with cgo no thread speaks for all
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func program(name string) string { return filepath.Join(programs, name) }

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if testing.Short() {
		t.Skip("needs root for packet sockets")
	}
	t.Fatal("needs root for packet sockets: run as root, or with -short to leave it out")
}

// settings are a run folder of its own.
func settings(t *testing.T) []string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") // short: a socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return []string{"BTY_PATHS_STATE_DIR=" + dir, "BTY_PATHS_RUN_DIR=" + dir}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// What the service manager hands over is the socket of bty-sniff-open, or nothing runs.
func TestWrongDescriptors(t *testing.T) {
	needRoot(t)
	bare := os.NewFile(uintptr(must(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0))), "dhcp")
	good, another := must(sniff.Open()), must(sniff.Open())
	null := must(os.Open(os.DevNull))
	for _, f := range []*os.File{bare, good, another, null} {
		t.Cleanup(func() { f.Close() })
	}
	udp := activate.File(t, "dhcp", must(net.ListenUDP("udp", nil)))
	dhcp := func(f *os.File) activate.NamedFile { return activate.NamedFile{Name: "dhcp", File: f} }
	for name, c := range map[string]struct {
		files []activate.NamedFile
		want  string
	}{
		"a UDP socket":      {[]activate.NamedFile{udp}, "must be a packet socket"},
		"no socket":         {[]activate.NamedFile{dhcp(null)}, "no socket at all"},
		"another name":      {[]activate.NamedFile{{Name: "tftp", File: good}}, `"tftp" is not known`},
		"one too many":      {[]activate.NamedFile{dhcp(good), dhcp(another)}, "one is enough"},
		"not of our opener": {[]activate.NamedFile{dhcp(bare)}, "bty-sniff-open"},
	} {
		p := activate.Start(t, program("bty-sniff"), c.files, nil, settings(t))
		if code := p.ExitCode(); code != 2 {
			t.Errorf("%s: exit %d", name, code)
		}
		if out := p.Output(); strings.Count(out, "\n") != 1 || !strings.Contains(out, c.want) {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// The opener's socket, by way of a service manager, is what the sniffer runs with.
func TestOpenerAndSniffer(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "n")
	manager := must(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}))
	defer manager.Close()
	stored := make(chan *os.File, 1)
	go store(manager, stored)
	open := exec.Command(program("bty-sniff-open"), "/proc/self/ns/net")
	open.Env = []string{"NOTIFY_SOCKET=" + path}
	if out, err := open.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	f := <-stored
	defer f.Close()
	for range 2 { // it is the same after a restart
		p := activate.Start(t, program("bty-sniff"), []activate.NamedFile{{Name: "dhcp", File: f}}, nil, settings(t))
		p.WaitNotify("READY=1")
		if status := p.WaitNotify("STATUS="); !strings.Contains(status, "requests") {
			t.Error(status)
		}
		if code := p.Stop(); code != 0 {
			t.Errorf("exit %d: %s", code, p.Output())
		}
	}
}

// store keeps the file that a message brings, and closes the others.
func store(manager *net.UnixConn, stored chan<- *os.File) {
	for {
		buf, oob := make([]byte, 4096), make([]byte, 4096)
		n, oobn, _, _, err := manager.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil || len(messages) == 0 {
			continue
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			continue
		}
		if strings.HasPrefix(string(buf[:n]), "FDSTORE=1\nFDNAME=dhcp\n") {
			stored <- os.NewFile(uintptr(fds[0]), "dhcp")
		} else {
			unix.Close(fds[0])
		}
	}
}

// Without the right to open a socket it says what is missing.
func TestWithoutRights(t *testing.T) {
	needRoot(t)
	cmd := exec.Command("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", program("bty-sniff"))
	cmd.Env = settings(t)
	out, err := cmd.CombinedOutput()
	if err == nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "bty-sniff-open") {
		t.Errorf("%v: %s", err, out)
	}
	open := exec.Command(program("bty-sniff-open"), "/proc/self/ns/net")
	open.Env = []string{}
	if out, err := open.CombinedOutput(); err == nil || !strings.Contains(string(out), "NOTIFY_SOCKET") {
		t.Errorf("the opener without a service manager: %v: %s", err, out)
	}
}

// waitFor waits until something holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for begun := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("never: %s", what)
		}
	}
}
