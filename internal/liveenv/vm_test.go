package liveenv

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bty/internal/liveenv/builder"
)

// repo is the top of the repository, seen from this package's folder.
const repo = "../.."

// need fails with how to install what a test cannot do without.
func need(tb testing.TB, program, debianPackage string) {
	tb.Helper()
	if _, err := exec.LookPath(program); err != nil {
		tb.Fatalf("%v: apt-get install --no-install-recommends %s", err, debianPackage)
	}
}

func command(tb testing.TB, dir string, env []string, name string, args ...string) {
	tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// realKernel is Debian's kernel and its modules, fetched once into the build folder.
func realKernel(tb testing.TB) (kernel, modules string) {
	tb.Helper()
	command(tb, repo, nil, "go", "run", "./internal/testenv/fetch", "-work", "build", "kernel")
	kernels, _ := filepath.Glob(filepath.Join(repo, "build/kernel/x86_64/boot/vmlinuz-*"))
	if len(kernels) != 1 {
		tb.Fatalf("%d kernels in build/kernel/x86_64/boot, want one", len(kernels))
	}
	return kernels[0], filepath.Join(repo, "build/kernel/x86_64")
}

// initOf builds a live environment whose init is a program of testdata.
func initOf(tb testing.TB, program string, more ...func(*builder.Options)) builder.Report {
	tb.Helper()
	dir := tb.TempDir()
	kernel, modules := realKernel(tb)
	bin := filepath.Join(dir, program)
	command(tb, ".", []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./testdata/"+program)
	o := builder.Options{
		Kernel: kernel, Modules: modules, Out: dir, BTY: bin, Arch: builder.X86_64, ModTime: time.Unix(0, 0),
	}
	for _, set := range more {
		set(&o)
	}
	report, err := builder.Build(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return report
}

// vm is one run of QEMU with a kernel of its own choosing.
type vm struct {
	kernel, initrd, append string
	args                   []string
	keys                   io.Reader // typed on the serial console; nil: nobody is there
}

const vmMAC = "52:54:00:12:34:56"

// run boots and returns the console when the machine reboots or powers off. onLine sees each
// line as it comes.
func (v vm) run(ctx context.Context, tb testing.TB, onLine func(string)) string {
	tb.Helper()
	args := append([]string{
		"-accel", "tcg", "-m", "512", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "stdio", "-rtc", "base=2020-01-01",
		"-kernel", v.kernel, "-initrd", v.initrd, "-append", "console=ttyS0 earlyprintk=ttyS0 " + v.append,
	}, v.args...)
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stderr bytes.Buffer
	cmd.Stderr, cmd.Stdin, cmd.WaitDelay = &stderr, v.keys, time.Second // for keys that nobody types
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	var console strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		fmt.Fprintln(&console, line)
		if onLine != nil {
			onLine(line)
		}
	}
	if err := cmd.Wait(); err != nil {
		tb.Errorf("QEMU: %v %v\n%s\n%s", err, context.Cause(ctx), &stderr, tail(console.String()))
	}
	return console.String()
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// userNIC is a virtio NIC on QEMU's user network; the host is 10.0.2.2 there.
func userNIC() []string { return []string{"-nic", "user,model=virtio-net-pci,mac=" + vmMAC} }

// host is the server on the host: it remembers what was asked, and when.
type host struct {
	port int
	mu   sync.Mutex
	asks []ask
}

type ask struct {
	at      time.Time
	request string
	body    string
}

func newHost(tb testing.TB) *host {
	tb.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	h := &host{port: listener.Addr().(*net.TCPAddr).Port}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	tb.Cleanup(func() { server.Close() })
	return h
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	h.mu.Lock()
	h.asks = append(h.asks, ask{at, r.Method + " " + r.URL.Path, string(body)})
	h.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/log") {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

func (h *host) asked() []ask {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]ask(nil), h.asks...)
}

func (h *host) arg() string { return fmt.Sprintf("bty.server=http://10.0.2.2:%d", h.port) }
