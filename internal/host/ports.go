package host

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"bty/internal/doctor"
)

// Proc is where processes and their sockets are read from.
const proc = "/proc"

// Ports finds out who has the ports.
func Ports(ctx context.Context, want ...doctor.Port) []doctor.Port {
	sockets := holders()
	units := socketUnits(ctx)
	for i := range want {
		p := &want[i]
		inodes := listening(p.Network, p.Number)
		for _, inode := range inodes {
			found := sockets[inode]
			if len(found) == 0 {
				p.Hidden = true
			}
			for _, h := range found {
				if h.PID == 1 {
					h.Unit = units[fmt.Sprintf("%s %d", p.Network, p.Number)]
				}
				if !slices.Contains(p.Holders, h) {
					p.Holders = append(p.Holders, h)
				}
			}
		}
		p.Hidden = p.Hidden && len(p.Holders) == 0
	}
	return want
}

// Daemons are the processes with a name that listen somewhere.
func Daemons(name string) (list []doctor.Process) {
	for _, found := range holders() {
		for _, p := range found {
			if p.Name == name && !slices.ContainsFunc(list, func(q doctor.Process) bool { return q.PID == p.PID }) {
				list = append(list, p)
			}
		}
	}
	slices.SortFunc(list, func(a, b doctor.Process) int { return a.PID - b.PID })
	return list
}

// Connected reports whether somebody at another address than this host's own has a connection to a port of
// it; over UDP there are none.
func Connected(network string, port int) bool {
	if network != "tcp" {
		return false
	}
	for _, family := range []string{"", "6"} {
		text, err := os.ReadFile(filepath.Join(proc, "net", network+family))
		if err == nil && hasPeer(string(text), port) {
			return true
		}
	}
	return false
}

// tcpEstablished is the state of a connection (net/tcp_states.h).
const tcpEstablished = "01"

// hasPeer reads the same table as bound. A host that talks to itself has the same address at both ends.
func hasPeer(table string, port int) bool {
	for line := range strings.Lines(table) {
		cells := strings.Fields(line)
		if len(cells) < 4 || cells[3] != tcpEstablished {
			continue
		}
		own, at, _ := strings.Cut(cells[1], ":")
		other, _, _ := strings.Cut(cells[2], ":")
		if n, err := strconv.ParseUint(at, 16, 16); err == nil && int(n) == port && own != other {
			return true
		}
	}
	return false
}

// tcpListen is the state of a socket that waits for connections (net/tcp_states.h).
const tcpListen = "0A"

// listening are the inodes of the sockets that are bound to a port.
func listening(network string, port int) (inodes []string) {
	for _, family := range []string{"", "6"} {
		text, err := os.ReadFile(filepath.Join(proc, "net", network+family))
		if err != nil {
			continue // without IPv6
		}
		inodes = append(inodes, bound(string(text), network, port)...)
	}
	return inodes
}

// bound reads a table of sockets: "sl local_address rem_address st ... inode".
func bound(table, network string, port int) (inodes []string) {
	lines := bufio.NewScanner(strings.NewReader(table))
	for lines.Scan() {
		cells := strings.Fields(lines.Text())
		if len(cells) < 10 || network == "tcp" && cells[3] != tcpListen {
			continue
		}
		_, local, ok := strings.Cut(cells[1], ":")
		n, err := strconv.ParseUint(local, 16, 16)
		connected := !strings.HasSuffix(cells[2], ":0000")
		if ok && err == nil && int(n) == port && !connected {
			inodes = append(inodes, cells[9])
		}
	}
	return inodes
}

// holders are the processes that have each socket open, by its inode, as far as they can be seen.
func holders() map[string][]doctor.Process {
	by := map[string][]doctor.Process{}
	pids, err := os.ReadDir(proc)
	if err != nil {
		return by
	}
	for _, dir := range pids {
		pid, err := strconv.Atoi(dir.Name())
		if err != nil {
			continue
		}
		var p *doctor.Process
		for _, inode := range socketsOf(pid) {
			if p == nil {
				p = process(pid)
			}
			if !slices.Contains(by[inode], *p) {
				by[inode] = append(by[inode], *p)
			}
		}
	}
	return by
}

func socketsOf(pid int) (inodes []string) {
	dir := filepath.Join(proc, strconv.Itoa(pid), "fd")
	fds, err := os.ReadDir(dir)
	if err != nil {
		return nil // it has ended, or is not ours to see
	}
	for _, fd := range fds {
		to, err := os.Readlink(filepath.Join(dir, fd.Name()))
		if inode, ok := strings.CutPrefix(to, "socket:["); err == nil && ok {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}

func process(pid int) *doctor.Process {
	p := &doctor.Process{PID: pid, Name: "?"}
	dir := filepath.Join(proc, strconv.Itoa(pid))
	if name, err := os.ReadFile(filepath.Join(dir, "comm")); err == nil {
		p.Name = strings.TrimSpace(string(name))
	}
	if groups, err := os.ReadFile(filepath.Join(dir, "cgroup")); err == nil && pid != 1 {
		p.Unit = unitOf(string(groups))
		p.Engine, p.Container = containerOf(string(groups))
	}
	if isDescriptor(p.Name) {
		p.Name = cmp.Or(strings.TrimSuffix(p.Unit, ".service"), "a container that starts")
	}
	return p
}

// isDescriptor holds for the name of a program that was not started from a file but from a descriptor: a
// container's runtime on its way to the program, whose name is a number.
func isDescriptor(name string) bool {
	return name != "" && strings.Trim(name, "0123456789") == ""
}

// containerOf is the container whose control group a process is in, as Podman and Docker name it under
// systemd: "0::/machine.slice/libpod-<64 digits>.scope/container".
func containerOf(groups string) (engine, id string) {
	engines := map[string]string{"libpod": "podman", "docker": "docker"}
	const short = 12 // digits that people type
	for line := range strings.Lines(groups) {
		for part := range strings.SplitSeq(strings.TrimSpace(line), "/") {
			name, isScope := strings.CutSuffix(part, ".scope")
			by, id, _ := strings.Cut(name, "-")
			if isScope && engines[by] != "" && len(id) > short && strings.Trim(id, "0123456789abcdef") == "" {
				return engines[by], id[:short]
			}
		}
	}
	return "", ""
}

// unitOf is the service that a process's control group is of: "0::/system.slice/x.service/more".
func unitOf(groups string) string {
	for line := range strings.Lines(groups) {
		for part := range strings.SplitSeq(strings.TrimSpace(line), "/") {
			if strings.HasSuffix(part, ".service") {
				return part
			}
		}
	}
	return ""
}

// askTime is how long another program of the host may take to answer.
const askTime = 10 * time.Second

// socketUnits are the units that systemd listens for, by network and port.
func socketUnits(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "--no-pager", "--no-legend", "--plain", "--show-types", "list-sockets").Output()
	if err != nil {
		return nil // no systemd here
	}
	return readSocketUnits(string(out))
}

// readSocketUnits reads "[::]:69 Datagram bty-tftp.socket bty-tftp.service".
func readSocketUnits(text string) map[string]string {
	networks := map[string]string{"Stream": "tcp", "Datagram": "udp"}
	units := map[string]string{}
	for line := range strings.Lines(text) {
		cells := strings.Fields(line)
		if len(cells) < 3 {
			continue
		}
		network, ok := networks[cells[1]]
		port := cells[0][strings.LastIndex(cells[0], ":")+1:]
		if _, err := strconv.Atoi(port); ok && err == nil {
			units[network+" "+port] = cells[2]
		}
	}
	return units
}
