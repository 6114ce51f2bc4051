package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/testenv"
)

// tftpLab is a LAN with the clients, and every server in a network namespace of its own: most serve
// on port 69 alone.
type tftpLab struct {
	lan     *testenv.LAN
	servers []*tftpServer
	relays  []*relay
}

type tftpServer struct {
	name    string
	ours    bool
	slow    bool // measured less often
	process *testenv.Process
	near    netip.AddrPort // over the veth pair
	far     netip.AddrPort // behind the delay
}

// The clients have an address each, as machines have. These are local to their namespace as a whole.
var (
	nearClients = netip.MustParsePrefix("10.77.64.0/18")
	farClients  = netip.MustParsePrefix("10.79.64.0/18")
)

func openTFTPLab(ctx context.Context, build, dir string) (*tftpLab, error) {
	lan, err := testenv.OpenLAN(ctx)
	if err != nil {
		return nil, err
	}
	l := &tftpLab{lan: lan}
	if err := l.furnish(ctx, build, dir); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *tftpLab) close() {
	for _, r := range l.relays {
		r.close()
	}
	if err := l.lan.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}

func (l *tftpLab) furnish(ctx context.Context, build, dir string) error {
	for _, prefix := range []netip.Prefix{nearClients, farClients} {
		if err := inside(ctx, l.lan.Name, "route", "add", "local", prefix.String(), "dev", "lo"); err != nil {
			return err
		}
	}
	daemon := filepath.Join(build, "bin", "bty-tftp")
	peer := func(name string) string { return filepath.Join(build, "peers", name) }
	own := []string{"BTY_PATHS_STATE_DIR=" + l.lan.Dir, "BTY_PATHS_RUN_DIR=" + l.lan.Dir, "BTY_LOG_FORMAT=json"}
	for _, s := range []struct {
		tftpServer
		program testenv.Program
	}{
		{tftpServer{name: "bty-tftp", ours: true}, testenv.Program{Path: daemon, Args: []string{"--listen", ":69", "--boot-dir", dir}, Env: own}},
		{tftpServer{name: "the same, single port", ours: true, slow: true}, testenv.Program{Path: daemon, Args: []string{"--listen", ":69", "--boot-dir", dir},
			Env: append(own, "BTY_TFTP_MODE=single-port")}},
		{tftpServer{name: "tftpd-hpa"}, testenv.Program{Path: peer("in.tftpd"), Args: []string{"-L", "-4", "-a", ":69", "-u", "nobody", "-s", dir}}},
		{tftpServer{name: "atftpd"}, testenv.Program{Path: peer("atftpd"), Args: []string{"--daemon", "--no-fork", "--user", "nobody.nogroup", "--maxthread", "1000", "--logfile", "/dev/null", dir}}},
		{tftpServer{name: "dnsmasq"}, testenv.Program{Path: "dnsmasq", Args: []string{"--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=nobody",
			"--enable-tftp", "--tftp-root=" + dir, "--tftp-max=1000", "--log-facility=/dev/null"}}},
	} {
		if err := l.add(ctx, &s.tftpServer, s.program); err != nil {
			return err
		}
	}
	return nil
}

// add starts a server with two ways to it.
func (l *tftpLab) add(ctx context.Context, s *tftpServer, program testenv.Program) error {
	n := len(l.servers) + 1
	near, far := fmt.Sprintf("10.77.0.%d", 200+n), fmt.Sprintf("10.79.0.%d", n)
	s.near, s.far = netip.MustParseAddrPort(near+":69"), netip.MustParseAddrPort(far+":69")
	netns, err := l.lan.Beside(ctx, "eth0", []string{near + "/16"})
	if err != nil {
		return err
	}
	r, err := newRelay(l.lan.Name, netns, fmt.Sprintf("wan%d", n), time.Millisecond)
	if err != nil {
		return err
	}
	l.relays = append(l.relays, r)
	err = errors.Join(
		inside(ctx, l.lan.Name, "link", "set", r.near, "up"), inside(ctx, l.lan.Name, "route", "add", far, "dev", r.near),
		inside(ctx, netns, "addr", "add", far+"/32", "dev", r.far), inside(ctx, netns, "link", "set", r.far, "up"),
		inside(ctx, netns, "route", "add", farClients.String(), "dev", r.far, "src", far))
	if err != nil {
		return err
	}
	program.Name, program.Args, program.Path = s.name, append([]string{"netns", "exec", netns, program.Path}, program.Args...), "ip"
	if s.process, err = l.start(s, program); err != nil {
		return err
	}
	l.servers = append(l.servers, s)
	return l.await(ctx, s)
}

// start starts a server as it runs where it is installed: the others by themselves, ours with the timer
// slack that its unit sets, which a program inherits from the thread that starts it.
func (l *tftpLab) start(s *tftpServer, program testenv.Program) (*testenv.Process, error) {
	if s.ours {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(time.Millisecond), 0, 0, 0); err != nil {
			return nil, err
		}
		defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }() // its own again
	}
	return l.lan.Start(program)
}

// await waits until the server serves.
func (l *tftpLab) await(ctx context.Context, s *tftpServer) error {
	c, err := l.client(ctx, s, 0, true)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	select {
	case <-time.After(300 * time.Millisecond): // a server that has not bound yet refuses, which looks like silence
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := c.transfer("none", nil); err == nil || c.again == tftpTries-1 {
		return fmt.Errorf("%s does not answer: %w\n%s", s.name, err, s.process.Log.Tail(10))
	}
	return nil
}

// client is one on an address of its own.
func (l *tftpLab) client(ctx context.Context, s *tftpServer, i int, delayed bool) (*tftpClient, error) {
	from, server := nearClients, s.near
	if delayed {
		from, server = farClients, s.far
	}
	ip := from.Addr().As4()
	ip[2], ip[3] = ip[2]+byte(i/250), byte(1+i%250)
	conn, err := l.lan.ListenPacket(ctx, net.JoinHostPort(netip.AddrFrom4(ip).String(), "0"))
	if err != nil {
		return nil, err
	}
	return &tftpClient{conn: conn, server: server}, nil
}

// costs prints how much memory the servers have taken at most.
func (l *tftpLab) costs() error {
	fmt.Printf("\nResident after all of it:")
	for _, s := range l.servers {
		fmt.Printf(" %s %.0f MiB", s.name, residentOf(s.process.PID()))
	}
	fmt.Println()
	return nil
}

func inside(ctx context.Context, netns string, args ...string) error {
	if out, err := exec.CommandContext(ctx, "ip", append([]string{"-n", netns}, args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, out)
	}
	return nil
}
