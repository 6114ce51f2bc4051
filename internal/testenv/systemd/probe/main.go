// Command probe tries in earnest what the sandbox of a unit should make impossible. Tests put it in
// the place of the unit's daemon; it prints a line for each thing that it could do.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func main() {
	for name, try := range map[string]func() error{
		"inet":    socket(unix.AF_INET, unix.SOCK_STREAM),
		"inet6":   socket(unix.AF_INET6, unix.SOCK_DGRAM),
		"netlink": socket(unix.AF_NETLINK, unix.SOCK_RAW),
		"packet":  socket(unix.AF_PACKET, unix.SOCK_RAW),
		"raw":     socket(unix.AF_INET, unix.SOCK_RAW),
		"vsock":   socket(unix.AF_VSOCK, unix.SOCK_STREAM),
		"ptrace":  func() error { return unix.PtraceAttach(os.Getppid()) },
		"mount":   func() error { return unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "") },
		"chroot":  func() error { return unix.Chroot("/tmp") },
		"setuid":  func() error { return unix.Setuid(0) },
		"userns":  func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"netns":   func() error { return unix.Unshare(unix.CLONE_NEWNET) },
		"bpf":     bpf,
		"reboot":  func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) },
		"clock":   func() error { return unix.ClockSettime(unix.CLOCK_REALTIME, &unix.Timespec{Sec: 1}) },
		"host":    func() error { return unix.Sethostname([]byte("probe")) },
		"code":    code,
		"suid":    suid,
		"shadow":  func() error { _, err := os.ReadFile("/etc/shadow"); return err },
		"home":    func() error { _, err := os.ReadDir("/home"); return err },
		"init":    func() error { _, err := os.Stat("/proc/1"); return err },
		"sysctl":  func() error { return os.WriteFile("/proc/sys/kernel/hostname", []byte("probe"), 0) },
		"etc":     create("/etc"),
		"usr":     create("/usr/lib"),
		"run":     create("/run/bty"),
		"root":    create("/"),
		"boot":    create("/var/lib/bty/boot"),
		"state":   create("/var/lib/bty"),
		"db":      func() error { f, err := os.Open("/var/lib/bty/bty.db"); f.Close(); return err },
		"control": connect("/run/bty/control.sock"),
		"report":  connect("/run/bty/report.sock"),
		"cache":   connect("/run/bty/cache.sock"),
		"images":  create("/var/cache/bty"),
	} {
		if try() == nil {
			fmt.Println(name)
		}
	}
}

func socket(family, kind int) func() error {
	return func() error {
		fd, err := unix.Socket(family, kind, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
}

func connect(path string) func() error {
	return func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}
}

func create(dir string) func() error {
	return func() error {
		path := filepath.Join(dir, "probe")
		err := os.WriteFile(path, []byte("probe"), 0o600)
		if err == nil {
			os.Remove(path)
		}
		return err
	}
}

func code() error {
	_, err := unix.Mmap(-1, 0, 4096, unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	return err
}

func suid() error {
	path := filepath.Join(os.TempDir(), "probe")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	defer os.Remove(path)
	return unix.Chmod(path, unix.S_ISUID|0o700)
}

func bpf() error {
	if _, _, errno := unix.Syscall(unix.SYS_BPF, 0, 0, 0); errno == unix.EPERM || errno == unix.ENOSYS {
		return errno
	}
	return nil // the kernel looked at the arguments
}
