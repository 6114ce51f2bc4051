package daemon

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ListenError says why a port could not be opened, who holds it, and what to do. network is tcp
// or udp; setting names the key that moves us elsewhere ("[tftp] port").
func ListenError(network string, port int, setting string, err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%s port %d is in use %w", network, port, &inUse{holder("/proc", network, port), network, port, setting})
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s port %d may not be opened by this user: %w; let systemd open it (systemctl enable --now the .socket unit), "+
			"allow it (for a container: --sysctl=net.ipv4.ip_unprivileged_port_start=%d), or set %s above 1023", network, port, err, port, setting)
	}
	return fmt.Errorf("%w; check the address, or set %s", err, setting)
}

// inUse is EADDRINUSE with the holder's name.
type inUse struct {
	by      process
	network string
	port    int
	setting string
}

func (e *inUse) Unwrap() error { return unix.EADDRINUSE }

func (e *inUse) Error() string {
	switch {
	case e.by.pid == 0:
		return fmt.Sprintf("by a process that this user may not see; as root, `ss -lpn 'sport = :%d'` names it; stop it, or set %s", e.port, e.setting)
	case e.by.pid == 1:
		return fmt.Sprintf("by a .socket unit of systemd; `systemctl list-sockets` names it; stop it, or set %s", e.setting)
	case e.by.unit != "":
		return fmt.Sprintf("by %s (pid %d, %s); `systemctl stop %s` frees it, or set %s", e.by.name, e.by.pid, e.by.unit, e.by.unit, e.setting)
	}
	return fmt.Sprintf("by %s (pid %d); stop it, or set %s", e.by.name, e.by.pid, e.setting)
}

// process is who holds a port; the zero value is nobody that we can see.
type process struct {
	pid  int
	name string
	unit string // of systemd, "" if none
}

// holder looks the owner of a port up in proc: the socket's inode, then the process with a
// descriptor for it. A daemon with an inherited socket comes before the service manager, which
// keeps a copy.
func holder(proc, network string, port int) process {
	inodes := make(map[string]bool)
	for _, table := range []string{network, network + "6"} {
		f, err := os.Open(filepath.Join(proc, "net", table))
		if err != nil {
			continue
		}
		for _, inode := range inodesOf(f, port) {
			inodes["socket:["+inode+"]"] = true
		}
		f.Close()
	}
	found := process{}
	dirs, _ := filepath.Glob(filepath.Join(proc, "[1-9]*"))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || found.pid > 1 || len(inodes) == 0 || !holds(dir, inodes) {
			continue
		}
		found = describe(dir, pid)
	}
	return found
}

// inodesOf reads a table of /proc/net for the sockets bound to port. A connection is bound to it
// too, but does not hold it; for UDP every bound socket does.
func inodesOf(table io.Reader, port int) []string {
	const unconnected, listening = "07", "0A" // TCP_CLOSE, TCP_LISTEN
	var inodes []string
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || (fields[3] != unconnected && fields[3] != listening) {
			continue
		}
		_, hexPort, ok := strings.Cut(fields[1], ":")
		p, err := strconv.ParseUint(hexPort, 16, 16)
		if ok && err == nil && int(p) == port {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}

func holds(dir string, sockets map[string]bool) bool {
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return false // it went away, or is not ours to look into
	}
	for _, fd := range fds {
		if to, err := os.Readlink(filepath.Join(dir, "fd", fd.Name())); err == nil && sockets[to] {
			return true
		}
	}
	return false
}

func describe(dir string, pid int) process {
	name, _ := os.ReadFile(filepath.Join(dir, "comm"))
	cgroup, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
	return process{pid: pid, name: strings.TrimSpace(string(name)), unit: unitOf(string(cgroup))}
}

// unitOf finds the unit in /proc/PID/cgroup ("0::/system.slice/dnsmasq.service").
func unitOf(cgroup string) string {
	for line := range strings.Lines(cgroup) {
		for part := range strings.SplitSeq(strings.TrimSpace(line), "/") {
			if strings.HasSuffix(part, ".service") && part != "user@.service" && !strings.HasPrefix(part, "user@") {
				return part
			}
		}
	}
	return ""
}
