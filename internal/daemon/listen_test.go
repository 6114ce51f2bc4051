package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPortInUseNamesTheHolder(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		var port int
		var err error
		switch network {
		case "tcp":
			l, listenErr := net.Listen("tcp", ":0")
			if listenErr != nil {
				t.Fatal(listenErr)
			}
			defer l.Close()
			port = l.Addr().(*net.TCPAddr).Port
			_, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		case "udp":
			c, listenErr := net.ListenUDP("udp", nil)
			if listenErr != nil {
				t.Fatal(listenErr)
			}
			defer c.Close()
			port = c.LocalAddr().(*net.UDPAddr).Port
			_, err = net.ListenUDP("udp4", &net.UDPAddr{Port: port})
		}
		got := ListenError(network, port, "[x] port", err)
		name, _ := os.ReadFile("/proc/self/comm")
		want := fmt.Sprintf("%s port %d is in use by %s (pid %d", network, port, strings.TrimSpace(string(name)), os.Getpid())
		if !strings.HasPrefix(got.Error(), want) || !strings.HasSuffix(got.Error(), "or set [x] port") || !errors.Is(got, unix.EADDRINUSE) {
			t.Errorf("got  %v\nwant %s...", got, want)
		}
	}
}

func TestInUseWording(t *testing.T) {
	for _, tt := range []struct {
		by   process
		want string
	}{
		{process{}, "by a process that this user may not see; as root, `ss -lpn 'sport = :69'` names it; stop it, or set [tftp] port"},
		{process{pid: 1, name: "systemd"}, "by a .socket unit of systemd; `systemctl list-sockets` names it; stop it, or set [tftp] port"},
		{process{7, "in.tftpd", "tftpd-hpa.service"}, "by in.tftpd (pid 7, tftpd-hpa.service); `systemctl stop tftpd-hpa.service` frees it, or set [tftp] port"},
	} {
		if got := (&inUse{tt.by, "udp", 69, "[tftp] port"}).Error(); got != tt.want {
			t.Errorf("%s", got)
		}
	}
	if err := ListenError("udp", 69, "[tftp] port", unix.EACCES); !strings.Contains(err.Error(), "let systemd open it") {
		t.Error(err)
	}
}

func TestUnitOf(t *testing.T) {
	for cgroup, want := range map[string]string{
		"0::/system.slice/dnsmasq.service\n":                                         "dnsmasq.service",
		"12:cpu:/\n1:name=systemd:/system.slice/ssh.service\n":                       "ssh.service",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/thing.service\n": "thing.service",
		"0::/user.slice/user-0.slice/session-1.scope\n":                              "",
		"0::/\n": "", "": "",
	} {
		if got := unitOf(cgroup); got != want {
			t.Errorf("%q: %q", cgroup, got)
		}
	}
}

func FuzzInodesOf(f *testing.F) {
	f.Add("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"+
		" 1234: 00000000:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0\n", 69)
	f.Add(" 1: 0:45 0:0 0A 0 0 0 0 0 1", 69)
	f.Add("::::", 0)
	f.Fuzz(func(t *testing.T, table string, port int) {
		for _, inode := range inodesOf(strings.NewReader(table), port) {
			if !strings.Contains(table, inode) {
				t.Errorf("%q is not in the table", inode)
			}
		}
	})
}
