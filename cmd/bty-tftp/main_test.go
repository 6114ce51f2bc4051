package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bty/internal/systemd/activate"
	"bty/internal/wire"
)

var program string // the program under test, built once

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bty-tftp")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "bty-tftp")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// host is a boot folder, a run folder and a socket, as a unit would have them.
type host struct {
	t    testing.TB
	dir  string
	file activate.NamedFile
	addr *net.UDPAddr
	env  []string
}

func content(n int) []byte { return bytes.Repeat([]byte("0123456789\r\n\x00\xff\n"), n/15+1)[:n] }

func newHost(t testing.TB) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "h") // short: the report socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Mkdir(dir+"/boot", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"ipxe.efi": 1 << 20, "undionly.kpxe": 70001, "vmlinuz": 3 << 20} {
		if err := os.WriteFile(filepath.Join(dir, "boot", name), content(size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	port := conn.LocalAddr().(*net.UDPAddr).Port
	return &host{t: t, dir: dir, file: activate.File(t, "tftp", conn), addr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port},
		env: []string{"BTY_PATHS_STATE_DIR=" + dir, "BTY_PATHS_RUN_DIR=" + dir, "BTY_LOG_LEVEL=debug"}}
}

func (h *host) start(env ...string) *activate.Process {
	h.t.Helper()
	p := activate.Start(h.t, program, []activate.NamedFile{h.file}, nil, append(h.env, env...))
	p.WaitNotify("READY=1")
	return p
}

// need returns the path of a real client.
func need(t testing.TB, tool, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install %s", tool, pkg)
	}
	return path
}

func (h *host) curl(ip, name string, args ...string) ([]byte, error) {
	h.t.Helper()
	url := fmt.Sprintf("tftp://%s/%s", net.JoinHostPort(ip, fmt.Sprint(h.addr.Port)), name)
	out, err := exec.Command(need(h.t, "curl", "curl"), append([]string{"-sS", "--max-time", "60", url}, args...)...).Output()
	if e := new(exec.ExitError); errors.As(err, &e) {
		err = fmt.Errorf("%w: %s", err, e.Stderr)
	}
	return out, err
}

// tftpHPA is the reference client; mode is "octet" or "netascii".
func (h *host) tftpHPA(mode, name string) ([]byte, error) {
	h.t.Helper()
	to := filepath.Join(h.t.TempDir(), "out")
	cmd := exec.Command(need(h.t, "tftp", "tftp-hpa"), "-m", mode, "127.0.0.1", fmt.Sprint(h.addr.Port), "-c", "get", name, to)
	said, err := cmd.CombinedOutput()
	if err == nil && strings.Contains(string(said), "rror") { // it exits 0 after an error packet
		err = fmt.Errorf("%s", said)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(to)
}

func modes(t *testing.T, test func(t *testing.T, mode string)) {
	for _, mode := range []string{"multi-port", "single-port"} {
		t.Run(mode, func(t *testing.T) { t.Parallel(); test(t, "BTY_TFTP_MODE="+mode) })
	}
}

func TestRealClients(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		h := newHost(t)
		p := h.start(mode)
		vmlinuz := content(3 << 20)
		for _, ip := range []string{"127.0.0.1", "127.0.0.9", "::1"} {
			if got, err := h.curl(ip, "vmlinuz", "--tftp-blksize", "1428"); err != nil || !bytes.Equal(got, vmlinuz) {
				t.Errorf("curl from %s: %d bytes, %v", ip, len(got), err)
			}
		}
		if got, err := h.curl("127.0.0.1", "undionly.kpxe", "--tftp-no-options"); err != nil || !bytes.Equal(got, content(70001)) {
			t.Errorf("curl without options: %d bytes, %v", len(got), err)
		}
		for _, mode := range []string{"octet", "netascii"} { // the latter survives the round trip
			if got, err := h.tftpHPA(mode, "vmlinuz"); err != nil || !bytes.Equal(got, vmlinuz) {
				t.Errorf("tftp-hpa %s: %d bytes, %v", mode, len(got), err)
			}
		}
		if _, err := h.tftpHPA("octet", "none"); err == nil || !strings.Contains(err.Error(), "no such file: none") {
			t.Errorf("tftp-hpa was told %v", err)
		}
		upload := exec.Command(need(t, "curl", "curl"), "-sS", "-T", "/etc/hostname", fmt.Sprintf("tftp://127.0.0.1:%d/ipxe.efi", h.addr.Port))
		if said, err := upload.CombinedOutput(); err == nil {
			t.Errorf("curl could write: %s", said)
		}
		if code := p.Stop(); code != 0 {
			t.Errorf("exit %d", code)
		}
		p.WaitNotify("STOPPING=1")
	})
}

func TestScriptNamesTheAddressAskedAndTheConfiguredPort(t *testing.T) {
	h := newHost(t)
	h.start("BTY_SERVER_PORT=9090")
	for ip, want := range map[string]string{"127.0.0.9": "http://127.0.0.9:9090/", "::1": "http://[::1]:9090/"} {
		got, err := h.curl(ip, "autoexec.ipxe")
		if err != nil || !bytes.HasPrefix(got, []byte("#!ipxe")) || !bytes.Contains(got, []byte(want)) {
			t.Errorf("%s: %s, %v", ip, got, err)
		}
	}
}

// rrq is what EDK2 sends first.
var rrq = []byte("\x00\x01ipxe.efi\x00octet\x00tsize\x000\x00blksize\x001468\x00windowsize\x004\x00")

// firstAnswer sends a request to the socket and returns the first packet of the answer.
func firstAnswer(to *net.UDPAddr) (packet []byte, from *net.UDPAddr, err error) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	if _, err := conn.WriteToUDP(rrq, to); err != nil {
		return nil, nil, err
	}
	buf := make([]byte, 1500)
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, from, err := conn.ReadFromUDP(buf)
	if err == nil { // we have seen what we wanted
		conn.WriteToUDP([]byte("\x00\x05\x00\x08enough\x00"), from)
	}
	return buf[:n], from, err
}

// The datagram that starts the daemon is in the socket before the daemon can ask the kernel for
// its interface; it must be answered like any other.
func TestFirstRequestOnAnActivatedSocket(t *testing.T) {
	modes(t, func(t *testing.T, mode string) {
		h := newHost(t)
		for _, ip := range []string{"127.0.0.9", "::1"} {
			to := &net.UDPAddr{IP: net.ParseIP(ip), Port: h.addr.Port}
			activate.Cold(t, program, []activate.NamedFile{h.file}, nil, append(h.env, mode), func() error {
				b, from, err := firstAnswer(to)
				if err == nil && !bytes.Contains(b, []byte("blksize\x001428\x00")) {
					err = fmt.Errorf("options %q", b)
				}
				if err == nil && !from.IP.Equal(to.IP) {
					err = fmt.Errorf("answered from %v", from)
				}
				return err
			})
		}
	})
}

func TestWrongSocketsExit2(t *testing.T) {
	h := newHost(t)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stream := activate.File(t, "tftp", tcp)
	foreign := h.file
	foreign.Name = "bty-tftp.socket"
	for want, files := range map[string][]activate.NamedFile{
		`"tftp" must be a UDP socket (ListenDatagram=), but it is a listening stream socket`: {stream},
		`file descriptor name "bty-tftp.socket" is not known; this daemon takes "tftp"`:      {h.file, foreign},
	} {
		p := activate.Start(t, program, files, nil, h.env)
		if code := p.ExitCode(); code != 2 || !strings.Contains(p.Output(), want) || strings.Count(p.Output(), "\n") != 1 {
			t.Errorf("exit %d: %s", code, p.Output())
		}
	}
	p := activate.Start(t, program, nil, nil, append(h.env, "LISTEN_FDS=1", "LISTEN_PID=1"))
	if code := p.ExitCode(); code != 2 || !strings.Contains(p.Output(), "LISTEN_PID") {
		t.Errorf("exit %d: %s", code, p.Output())
	}
}

func TestAlone(t *testing.T) {
	h := newHost(t)
	listen := []string{"--listen", "127.0.0.1:0", "--boot-dir", h.dir + "/boot"}
	p := activate.Start(t, program, nil, listen, h.env)
	p.WaitNotify("READY=1")
	// What it said is all here only once it has ended.
	if code := p.Stop(); code != 0 || !strings.Contains(p.Output(), "not started by systemd") {
		t.Errorf("exit %d: %s", code, p.Output())
	}
	// The socket that the host holds stands for another server on our port.
	taken := []string{"--listen", fmt.Sprintf("127.0.0.1:%d", h.addr.Port)}
	p = activate.Start(t, program, nil, taken, h.env)
	code := p.ExitCode()
	// Which of the processes of this test is named is not settled: a starting child has the socket, too.
	want := fmt.Sprintf("udp port %d is in use by bty-tftp.test (pid ", h.addr.Port)
	if code != 1 || !strings.Contains(p.Output(), want) || !strings.Contains(p.Output(), "or set [tftp] port") {
		t.Errorf("exit %d: %s", code, p.Output())
	}
}

func TestCommandLine(t *testing.T) {
	for _, tt := range []struct {
		args, env []string
		code      int
		want      string
	}{
		{[]string{"--version"}, nil, 0, "bty-tftp "},
		{[]string{"--help"}, nil, 0, "-boot-dir folder"},
		{[]string{"--nope"}, nil, 2, "-nope"},
		{[]string{"extra"}, nil, 2, `unexpected argument "extra"`},
		{[]string{"--listen", "nowhere"}, nil, 1, "write host:port"},
		{nil, []string{"BTY_TFTP_MODE=both"}, 2, "variable BTY_TFTP_MODE: tftp.mode"},
	} {
		p := activate.Start(t, program, nil, tt.args, tt.env)
		if code := p.ExitCode(); code != tt.code || !strings.Contains(p.Output(), tt.want) {
			t.Errorf("%v %v: exit %d: %s", tt.args, tt.env, code, p.Output())
		}
	}
}

// SIGTERM lets a transfer end; SIGKILL loses it, and the next process serves the next request
// from the same socket.
func TestStopAndKillInMidTransfer(t *testing.T) {
	h := newHost(t)
	p := h.start()
	client := begin(t, h.addr)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.WaitNotify("STOPPING=1")
	if n, err := client.finish(); err != nil || n != 1<<20 {
		t.Errorf("the transfer ended after %d bytes: %v", n, err)
	}
	if code := p.ExitCode(); code != 0 {
		t.Errorf("exit %d", code)
	}
	p = h.start()
	begin(t, h.addr)
	p.Process.Kill()
	p.ExitCode()
	answered := make(chan error, 1)
	go func() { _, _, err := firstAnswer(h.addr); answered <- err }() // while nobody runs
	h.start()
	if err := <-answered; err != nil {
		t.Errorf("a request after the kill: %v", err)
	}
}

// transfer is a client in the middle of ipxe.efi, in blocks of 1428.
type transfer struct {
	conn *net.UDPConn
	from *net.UDPAddr
}

func begin(t *testing.T, to *net.UDPAddr) *transfer {
	t.Helper()
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.WriteToUDP(rrq, to); err != nil {
		t.Fatal(err)
	}
	c := &transfer{conn: conn}
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, c.from, err = conn.ReadFromUDP(make([]byte, 1500)); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *transfer) finish() (total int, err error) {
	buf := make([]byte, 1500)
	for last := uint16(0); ; {
		if _, err := c.conn.WriteToUDP(binary.BigEndian.AppendUint16([]byte{0, 4}, last), c.from); err != nil {
			return total, err
		}
		n, err := c.conn.Read(buf)
		if err != nil {
			return total, err
		}
		if n < 4 || buf[1] != 3 {
			return total, fmt.Errorf("%q", buf[:n])
		}
		if block := binary.BigEndian.Uint16(buf[2:]); block != last+1 {
			continue
		}
		last++
		total += n - 4
		if n < 1428+4 {
			_, err := c.conn.WriteToUDP(binary.BigEndian.AppendUint16([]byte{0, 4}, last), c.from)
			return total, err
		}
	}
}

// web plays bty-web's report socket.
func (h *host) web(handler http.Handler) {
	h.t.Helper()
	l, err := net.Listen("unix", h.dir+"/report.sock")
	if err != nil {
		h.t.Fatal(err)
	}
	s := &http.Server{Handler: handler}
	go s.Serve(l)
	h.t.Cleanup(func() { s.Close() })
}

func TestReportSocket(t *testing.T) {
	h := newHost(t)
	transfers := make(chan wire.Transfer, 10)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /clients/{address}", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(wire.Client{IPXE: r.PathValue("address") == "127.0.0.1"})
	})
	mux.HandleFunc("POST /transfers", func(w http.ResponseWriter, r *http.Request) {
		var tr wire.Transfer
		if err := json.NewDecoder(r.Body).Decode(&tr); err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Error(err, r.Header)
		}
		transfers <- tr
		w.WriteHeader(http.StatusNoContent)
	})
	h.web(mux)
	p := h.start()
	if got, err := h.curl("127.0.0.1", "ipxe.efi"); err != nil || !bytes.HasPrefix(got, []byte("#!ipxe")) {
		t.Errorf("a client known as iPXE got %d bytes, %v", len(got), err)
	}
	if tr := <-transfers; tr.Client != "127.0.0.1" || tr.File != "ipxe.efi" || tr.Served != "script" || tr.Bytes == 0 || tr.Error != "" {
		t.Errorf("%+v", tr)
	}
	if got, err := h.curl("::1", "ipxe.efi"); err != nil || len(got) != 1<<20 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if tr := <-transfers; tr.Client != "::1" || tr.Served != "ipxe.efi" || tr.Bytes != 1<<20 || tr.Duration <= 0 {
		t.Errorf("%+v", tr)
	}
	h.curl("127.0.0.1", "none")
	if tr := <-transfers; tr.Error != "no such file: none" || tr.Served != "" {
		t.Errorf("%+v", tr)
	}
	p.Stop()
}

// A client that fetches a file in a loop does not fill the log of events; all are served.
func TestReportsOfAClientAreBounded(t *testing.T) {
	h := newHost(t)
	var done, failed atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /clients/{address}", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(wire.Client{IPXE: true})
	})
	mux.HandleFunc("POST /transfers", func(w http.ResponseWriter, r *http.Request) {
		var tr wire.Transfer
		if err := json.NewDecoder(r.Body).Decode(&tr); err != nil {
			t.Error(err)
		}
		if tr.Error != "" {
			failed.Add(1)
		} else {
			done.Add(1)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	h.web(mux)
	p := h.start()
	for range doneEach + 4 {
		if got, err := h.curl("127.0.0.1", "ipxe.efi"); err != nil || !bytes.HasPrefix(got, []byte("#!ipxe")) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	h.curl("127.0.0.1", "none")
	p.Stop()
	if done.Load() != doneEach || failed.Load() != 1 {
		t.Errorf("%d transfers and %d failures were reported, want %d and 1", done.Load(), failed.Load(), doneEach)
	}
}

// A bty-web that hangs costs a machine a moment, once.
func TestReportSocketThatHangs(t *testing.T) {
	h := newHost(t)
	asked := make(chan string, 100)
	h.web(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- r.Method
		<-r.Context().Done()
	}))
	h.start()
	begun := time.Now()
	for _, ip := range []string{"127.0.0.1", "127.0.0.1", "::1"} {
		if _, err := h.curl(ip, "vmlinuz"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.curl(ip, "ipxe.efi"); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(begun); d > 20*time.Second {
		t.Errorf("six transfers took %v", d)
	}
	gets := 0
	for len(asked) > 0 {
		if <-asked == http.MethodGet {
			gets++
		}
	}
	if gets > 2 {
		t.Errorf("asked %d times within the pause", gets)
	}
}

func BenchmarkColdActivation(b *testing.B) {
	h := newHost(b)
	var total time.Duration
	n := 0
	for b.Loop() {
		total += activate.Cold(b, program, []activate.NamedFile{h.file}, nil, h.env, func() error {
			_, _, err := firstAnswer(h.addr)
			return err
		})
		n++
	}
	b.ReportMetric(float64(total.Microseconds())/1000/float64(n), "ms/first-answer")
}
