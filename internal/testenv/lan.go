package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Addresses of every LAN: they never leave its namespace.
const (
	ServerIP = "10.77.0.1"
	firstIP  = "10.77.0.50"
	lastIP   = "10.77.0.150"
	bridge   = "lan"
)

// LAN is one Ethernet segment in a network namespace of its own: a bridge that has the
// appliance's address, and a tap per machine.
type LAN struct {
	Name string // of the network namespace: `ip netns exec NAME ...` looks inside
	Dir  string // for disks, sockets and state; gone with the LAN

	lock    *os.File // held as long as this process lives, see sweep
	mu      sync.Mutex
	taps    int
	besides int
	ports   int
}

// OpenLAN makes a LAN. Close removes it with everything that runs in it.
func OpenLAN(ctx context.Context) (*LAN, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a network namespace needs root; run this as root (sudo make ...)")
	}
	l, err := claim(ctx)
	if err != nil {
		return nil, fmt.Errorf("making the LAN's folder: %w", err)
	}
	if err := l.build(ctx); err != nil {
		l.Close()
		return nil, fmt.Errorf("making the LAN's network namespace: %w", err)
	}
	return l, nil
}

func (l *LAN) build(ctx context.Context) error {
	if err := ip(ctx, "", "netns", "add", l.Name); err != nil {
		return err
	}
	return ip(ctx, fmt.Sprintf(`link set lo up
link add %[1]s type bridge stp_state 0 forward_delay 0
addr add %[2]s/24 dev %[1]s
link set %[1]s up
`, bridge, ServerIP), "-n", l.Name, "-batch", "-")
}

// Close kills what still runs in the LAN and removes it.
func (l *LAN) Close() error {
	err := remove(l.Name, l.Dir)
	return errors.Join(err, l.lock.Close())
}

// AddTap plugs one more cable into the LAN and returns the name of its device.
func (l *LAN) AddTap(ctx context.Context) (string, error) {
	l.mu.Lock()
	l.taps++
	tap := fmt.Sprintf("tap%d", l.taps)
	l.mu.Unlock()
	err := ip(ctx, fmt.Sprintf("tuntap add dev %[1]s mode tap\nlink set %[1]s master %[2]s up\n", tap, bridge),
		"-n", l.Name, "-batch", "-")
	return tap, err
}

// Beside makes another network namespace that is plugged into the LAN with a card of that name and
// those addresses. It ends with the LAN, however that ends.
func (l *LAN) Beside(ctx context.Context, nic string, addresses []string) (string, error) {
	l.mu.Lock()
	l.besides++
	name, port := fmt.Sprintf("%s%s%d", l.Name, besideMark, l.besides), fmt.Sprintf("beside%d", l.besides)
	l.mu.Unlock()
	if err := ip(ctx, "", "netns", "add", name); err != nil {
		return "", err
	}
	commands := fmt.Sprintf("link set lo up\nlink set %s up\n", nic)
	for _, address := range addresses {
		option := ""
		if strings.Contains(address, ":") {
			option = " nodad" // or it cannot be used for a second
		}
		commands += fmt.Sprintf("addr add %s dev %s%s\n", address, nic, option)
	}
	return name, errors.Join(
		ip(ctx, fmt.Sprintf("link add %[1]s type veth peer name %[2]s netns %[3]s\nlink set %[1]s master %[4]s up\n", port, nic, name, bridge), "-n", l.Name, "-batch", "-"),
		ip(ctx, commands, "-n", name, "-batch", "-"))
}

// SetCable pulls (false) or plugs (true) the cable of a tap.
func (l *LAN) SetCable(ctx context.Context, tap string, plugged bool) error {
	state := map[bool]string{true: "up", false: "down"}[plugged]
	return ip(ctx, "", "-n", l.Name, "link", "set", tap, state)
}

func ip(ctx context.Context, stdin string, args ...string) error {
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s%s", strings.Join(args, " "), err, out, stdin)
	}
	return nil
}

// Inside runs f on a thread that is in the LAN's namespace. Sockets that f makes and processes
// that it starts stay there.
func (l *LAN) Inside(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	there, err := os.Open(filepath.Join("/run/netns", l.Name))
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering namespace %s: %w", l.Name, err)
	}
	err = f()
	// A thread that cannot go home stays locked, so that it ends with this goroutine.
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, fmt.Errorf("leaving namespace %s: %w", l.Name, back))
	}
	runtime.UnlockOSThread()
	return err
}

// Listen opens a listening TCP socket in the LAN.
func (l *LAN) Listen(ctx context.Context, address string) (*net.TCPListener, error) {
	var listener net.Listener
	err := l.Inside(func() (err error) {
		listener, err = new(net.ListenConfig).Listen(ctx, "tcp4", address)
		return err
	})
	if err != nil {
		return nil, err
	}
	return listener.(*net.TCPListener), nil
}

// ListenPacket opens a UDP socket in the LAN.
func (l *LAN) ListenPacket(ctx context.Context, address string) (*net.UDPConn, error) {
	var conn net.PacketConn
	err := l.Inside(func() (err error) {
		conn, err = new(net.ListenConfig).ListenPacket(ctx, "udp4", address)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// DialContext opens a connection from within the LAN; it fits http.Transport.
func (l *LAN) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := l.Inside(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}
