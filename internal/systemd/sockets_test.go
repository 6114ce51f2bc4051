package systemd_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/systemd"
	"bty/internal/systemd/activate"
)

// TestMain lets the test binary play a daemon that takes its sockets and says what it got.
func TestMain(m *testing.M) {
	if os.Getenv("BTY_TEST_DAEMON") == "" {
		os.Exit(m.Run())
	}
	sockets, err := systemd.Sockets(systemd.Expect{"http": systemd.Stream, "control": systemd.Unix, "tftp": systemd.Datagram})
	if err != nil {
		fmt.Println(err)
		os.Exit(err.(*systemd.SocketError).ExitCode())
	}
	for _, s := range sockets {
		fmt.Printf("%s %T %T\n", s.Name, s.Listener, s.Packet)
	}
	again, err := systemd.Sockets(systemd.Expect{})
	fmt.Println(len(again), err, os.Getenv("LISTEN_FDS"), len(systemd.Named(sockets, "http")), len(systemd.Listeners(sockets, "control")))
}

func run(t *testing.T, files []activate.NamedFile, env ...string) (string, int) {
	t.Helper()
	p := activate.Start(t, os.Args[0], files, nil, append(env, "BTY_TEST_DAEMON=1", "GOCOVERDIR="+t.TempDir()))
	code := p.ExitCode()
	return p.Output(), code
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type sockets struct{ tcp, tcp6, unix, udp activate.NamedFile }

func open(t *testing.T) sockets {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	return sockets{
		tcp:  activate.File(t, "http", must(net.Listen("tcp4", "127.0.0.1:0"))),
		tcp6: activate.File(t, "http", must(net.Listen("tcp6", "[::1]:0"))),
		unix: activate.File(t, "control", must(net.Listen("unix", path))),
		udp:  activate.File(t, "tftp", must(net.ListenUDP("udp", nil))),
	}
}

func TestSockets(t *testing.T) {
	s := open(t)
	out, code := run(t, []activate.NamedFile{s.tcp, s.unix, s.udp, s.tcp6})
	want := `http *net.TCPListener *net.UDPConn
control *net.UnixListener *net.UDPConn
tftp <nil> *net.UDPConn
http *net.TCPListener *net.UDPConn
0 <nil>  2 1
`
	if code != 0 || out != want {
		t.Errorf("exit %d\n%s", code, out)
	}
	if out, code := run(t, nil); code != 0 || out != "0 <nil>  0 0\n" {
		t.Errorf("without sockets: exit %d, %s", code, out)
	}
}

func TestSocketsAreRefusedInOneLine(t *testing.T) {
	s := open(t)
	null := activate.NamedFile{Name: "http", File: must(os.Open(os.DevNull))}
	defer null.File.Close()
	client := must(net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}))
	defer client.Close()
	conn := must(net.Dial("tcp", dialable(t)))
	defer conn.Close()
	pairEnd := activate.NamedFile{Name: "http", File: must(conn.(*net.TCPConn).File())}
	defer pairEnd.File.Close()
	named := func(f activate.NamedFile, name string) activate.NamedFile { f.Name = name; return f }
	for _, tt := range []struct {
		name  string
		files []activate.NamedFile
		env   []string
		want  string
	}{
		{"unknown name", []activate.NamedFile{named(s.tcp, "bty-web.socket")}, nil, `file descriptor name "bty-web.socket" is not known; this daemon takes "control": a listening unix socket`},
		{"one too many", []activate.NamedFile{s.tcp, named(s.udp, "dns")}, nil, `file descriptor name "dns" is not known`},
		{"swapped", []activate.NamedFile{named(s.udp, "http"), named(s.tcp, "tftp")}, nil, `"http" must be a listening stream socket (ListenStream=), but it is a UDP socket`},
		{"tcp for unix", []activate.NamedFile{named(s.tcp, "control")}, nil, `"control" must be a listening unix socket (ListenStream=/path), but it is a listening stream socket`},
		{"unix for udp", []activate.NamedFile{named(s.unix, "tftp")}, nil, `"tftp" must be a UDP socket`},
		{"no socket", []activate.NamedFile{null}, nil, `"http" must be a listening stream socket (ListenStream=), but it is no socket at all`},
		{"a connection", []activate.NamedFile{pairEnd}, nil, "does not listen"},
		{"foreign pid", nil, []string{"LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=http"}, `LISTEN_PID="1", but this process is`},
		{"no pid", nil, []string{"LISTEN_FDS=1"}, `LISTEN_PID="", but this process is`},
		{"garbage count", nil, []string{"LISTEN_FDS=many", "LISTEN_PID=1"}, `LISTEN_FDS="many" is not a number`},
		{"huge count", nil, []string{"LISTEN_FDS=1000000000", "LISTEN_PID=1"}, `is not a number from 0 to 32`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, code := run(t, tt.files, tt.env...)
			if code != 2 || !strings.HasPrefix(out, "inherited sockets: ") || !strings.Contains(out, tt.want) || strings.Count(out, "\n") != 1 {
				t.Errorf("exit %d: %s", code, out)
			}
		})
	}
}

// dialable returns an address that accepts connections while the test runs.
func dialable(t *testing.T) string {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// A service manager keeps the socket; what a stopped daemon closed must still connect.
func TestInheritedSocketOutlivesTheDaemon(t *testing.T) {
	s := open(t)
	addr := must(net.FileListener(s.tcp.File))
	defer addr.Close()
	run(t, []activate.NamedFile{s.tcp, s.unix})
	c, err := net.Dial("tcp", addr.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
