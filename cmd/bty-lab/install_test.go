package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
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
)

const kernelVersion = "6.1.0-7-test"

// kernelTree is a kernel and one module, as a package has them.
func kernelTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	image := make([]byte, 0x1000) // Documentation/arch/x86/boot.rst
	copy(image[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(image[0x20e:], 0x400)
	image[0x236] = 1
	copy(image[0x600:], kernelVersion+" (nobody) #1 SMP\x00")
	for path, content := range map[string][]byte{
		"boot/vmlinuz-" + kernelVersion:                                      image,
		"lib/modules/" + kernelVersion + "/kernel/drivers/net/virtio_net.ko": module(t, "alias=virtio:d00000001v*", "depends=", "vermagic="+kernelVersion+" SMP mod_unload "),
		"DEBIAN/control": []byte("Package: linux-image-test\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example>\nDescription: a kernel\n"),
	} {
		file := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// module is an ELF file that holds nothing but what a kernel module says of itself.
func module(t *testing.T, info ...string) []byte {
	t.Helper()
	said := []byte(strings.Join(info, "\x00") + "\x00")
	names := []byte("\x00.modinfo\x00.shstrtab\x00")
	at := uint64(64)
	h := elf.Header64{Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: at + uint64(len(said)+len(names)),
		Ehsize: 64, Shentsize: 64, Shnum: 3, Shstrndx: 2}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	var b bytes.Buffer
	for _, v := range []any{h, said, names, elf.Section64{},
		elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: at, Size: uint64(len(said)), Addralign: 1},
		elf.Section64{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: at + uint64(len(said)), Size: uint64(len(names)), Addralign: 1}} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// server is a bty-web of its own.
type server struct {
	url, socket, boot, bty string
	web                    *exec.Cmd
}

// programs is the folder of bty-web and bty, which are built once for all tests, and removed by TestMain.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bty-lab-test-")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", dir, "bty/cmd/bty-web", "bty/cmd/bty")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("go build: %w: %s", err, out)
	}
	return dir, nil
})

var built bool // somebody has asked for programs

func TestMain(m *testing.M) {
	code := m.Run()
	if built {
		dir, _ := programs()
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func startServer(t *testing.T) server {
	t.Helper()
	dir := t.TempDir()
	built = true
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	s := server{fmt.Sprintf("http://127.0.0.1:%d", port), filepath.Join(dir, "run/control.sock"), filepath.Join(dir, "state/boot"), filepath.Join(bin, "bty"), nil}
	s.web = exec.Command(filepath.Join(bin, "bty-web"))
	s.web.Env = append(os.Environ(), "BTY_SERVER_HOST=127.0.0.1", fmt.Sprintf("BTY_SERVER_PORT=%d", port),
		"BTY_PATHS_STATE_DIR="+filepath.Join(dir, "state"), "BTY_PATHS_RUN_DIR="+filepath.Join(dir, "run"))
	s.web.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.run(t)
	return s
}

// run starts the process and returns once it answers.
func (s server) run(t *testing.T) {
	t.Helper()
	if err := s.web.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.web.Process.Kill(); _ = s.web.Wait() })
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if resp, err := http.Get(s.url + "/readyz"); err == nil {
			resp.Body.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal("bty-web does not come up")
		}
	}
}

// A kernel package becomes the live environment that the running server gives to machines.
func TestInstall(t *testing.T) {
	s := startServer(t)
	pkg := filepath.Join(t.TempDir(), "kernel.deb")
	if out, err := exec.Command("dpkg-deb", "--build", kernelTree(t), pkg).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	stdout, _, err := call("liveenv", "build", "--install", "--socket", s.socket, "--kernel-package", pkg, "--bty", s.bty, "--arch", "x86_64")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kernel " + kernelVersion, "installed bty-live-x86_64.vmlinuz, 4096 bytes, SHA-256 ", "installed bty-live-x86_64.initrd"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("it does not say %q: %s", want, stdout)
		}
	}
	entries, err := os.ReadDir(s.boot)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v %v", entries, err)
	}
	var resp bytes.Buffer
	answer, err := http.Get(s.url + "/boot/bty-live-x86_64.vmlinuz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := resp.ReadFrom(answer.Body); err != nil || !bytes.Contains(resp.Bytes(), []byte(kernelVersion)) {
		t.Errorf("%d bytes, %v", resp.Len(), err)
	}
	// The kernel and modules of a folder, left in a folder.
	tree, out := kernelTree(t), t.TempDir()
	if _, _, err := call("liveenv", "build", "--out", out, "--kernel", filepath.Join(tree, "boot/vmlinuz-"+kernelVersion), "--modules", tree, "--bty", s.bty, "--arch", "x86_64"); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(out); err != nil || len(entries) != 2 {
		t.Errorf("%v %v", entries, err)
	}
}

func TestHostKernel(t *testing.T) {
	tree := kernelTree(t)
	file, modules := hostKernel(tree, kernelVersion)
	if file != filepath.Join(tree, "boot/vmlinuz-"+kernelVersion) || modules != filepath.Join(tree, "lib/modules", kernelVersion) {
		t.Errorf("%s %s", file, modules)
	}
	if err := os.Rename(file, filepath.Join(modules, "vmlinuz")); err != nil {
		t.Fatal(err)
	}
	if file, _ := hostKernel(tree, kernelVersion); file != filepath.Join(modules, "vmlinuz") {
		t.Error(file)
	}
	if file, _ := hostKernel(tree, "none"); file != "" {
		t.Error(file)
	}
	if version, err := runningKernel(); err != nil || version == "" {
		t.Errorf("%q %v", version, err)
	}
}
