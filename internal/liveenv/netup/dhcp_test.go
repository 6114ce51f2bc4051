package netup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bty/internal/machine"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The tests against dnsmasq run this test program again in a network namespace of its own (the
// machine), and once more in another (the LAN's server), with a veth pair as the cable.
const roleVar = "BTY_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVar) == "server" {
		fmt.Fprintln(os.Stderr, "server:", serve())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serve waits for the cable, gives itself an address and becomes dnsmasq.
func serve() error {
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return err
	}
	link, err := netlink.LinkByName("lan0")
	if err != nil {
		return err
	}
	if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ipNet(netip.MustParsePrefix("192.0.2.1/24"))}); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	path, err := exec.LookPath("dnsmasq")
	if err != nil {
		return fmt.Errorf("%w: apt-get install dnsmasq-base", err)
	}
	return syscall.Exec(path, []string{"dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--port=0", "--interface=lan0",
		"--bind-interfaces", "--log-dhcp", "--no-ping", "--dhcp-authoritative", "--dhcp-leasefile=" + os.Getenv("BTY_TEST_LEASES"),
		"--dhcp-range=192.0.2.50,192.0.2.60,255.255.255.0,2m", "--dhcp-option=option:router,192.0.2.1",
		"--dhcp-option=option:dns-server,192.0.2.1,192.0.2.2", "--dhcp-option=option:domain-name,lan.example",
		"--dhcp-option=option:mtu,1400"}, os.Environ())
}

// inNamespace runs the calling test again in a network namespace of its own.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(roleVar) == "machine" {
		return true
	}
	if os.Geteuid() != 0 {
		if testing.Short() {
			t.Skip("needs root for network namespaces")
		}
		t.Fatal("needs root for network namespaces: run as root, or with -short to leave it out")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), roleVar+"=machine")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("in the namespace: %v\n%s", err, out)
	}
	return false
}

// plugIn makes the cable with the machine's end down, and starts the server at the other end.
func plugIn(t *testing.T) (log *bytes.Buffer, stop func()) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = "eth7", net.HardwareAddr(mac[:])
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "lan0"}); err != nil {
		t.Fatal(err)
	}
	log = &bytes.Buffer{}
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), roleVar+"=server", "BTY_TEST_LEASES="+filepath.Join(t.TempDir(), "leases"))
	server.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	server.Stdout, server.Stderr = log, log
	stdin, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	peer, err := netlink.LinkByName("lan0")
	if err == nil {
		err = netlink.LinkSetNsPid(peer, server.Process.Pid)
	}
	if err == nil {
		_, err = stdin.Write([]byte("\n"))
	}
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		server.Process.Kill()
		server.Wait()
	}
	t.Cleanup(stop)
	return log, stop
}

func TestLeaseFromDnsmasq(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	log, stop := plugIn(t)
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	found := 0
	link, err := WaitLink(ctx, &mac, func() { found++ })
	if err != nil || link.Name != "eth7" || link.MAC != mac || found != 1 {
		t.Fatalf("WaitLink: %+v, %v, found %d times", link, err, found)
	}
	quiet := slog.New(slog.DiscardHandler)
	lease, err := Acquire(ctx, link, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if !netip.MustParsePrefix("192.0.2.0/24").Contains(lease.Address.Addr()) || lease.Address.Bits() != 24 || lease.MTU != 1400 || lease.Search[0] != "lan.example" {
		t.Errorf("lease %+v", lease)
	}
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	for range 2 { // a renewal applies the same again
		if err := Apply(link, lease, conf); err != nil {
			t.Fatal(err)
		}
	}
	checkApplied(t, link, lease, conf)
	renewAndRefuse(ctx, t, link, lease)
	stop()
	for _, want := range []string{"DHCPDISCOVER(lan0) " + mac.String(), "DHCPOFFER(lan0) ", "DHCPACK(lan0) ", "DHCPNAK(lan0) 192.0.2.99", "client provides name"} {
		if strings.Contains(want, "client provides") == strings.Contains(log.String(), want) {
			t.Errorf("dnsmasq's log: %q is there or not there against what was expected\n%s", want, log)
		}
	}
	if n := strings.Count(log.String(), "DHCPACK"); n < 3 {
		t.Errorf("%d leases acknowledged, want 3: the first, the renewal, the new one", n)
	}
}

func checkApplied(t *testing.T, link Link, lease Lease, conf string) {
	t.Helper()
	nic, err := netlink.LinkByIndex(link.Index)
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := netlink.AddrList(nic, netlink.FAMILY_V4)
	if err != nil || len(addrs) != 1 || addrs[0].IPNet.String() != lease.Address.String() || nic.Attrs().MTU != 1400 {
		t.Errorf("addresses %v, MTU %d, %v", addrs, nic.Attrs().MTU, err)
	}
	routes, err := netlink.RouteGet(net.IPv4(198, 51, 100, 1))
	if err != nil || len(routes) != 1 || !routes[0].Gw.Equal(net.IPv4(192, 0, 2, 1)) {
		t.Errorf("route to the world: %v, %v", routes, err)
	}
	text, err := os.ReadFile(conf)
	if err != nil || string(text) != "search lan.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n" {
		t.Errorf("resolv.conf %q, %v", text, err)
	}
}

// renewAndRefuse: the server extends the lease; it takes an address back that is not its own,
// and the machine gets another.
func renewAndRefuse(ctx context.Context, t *testing.T, link Link, lease Lease) {
	t.Helper()
	server := net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 67}
	next, err := renew(ctx, link, lease, server)
	if err != nil || next.Address != lease.Address || !next.Expire.After(lease.Expire) {
		t.Errorf("renewed: %+v, %v", next, err)
	}
	wrong := lease
	wrong.Address = netip.MustParsePrefix("192.0.2.99/24")
	if err := Apply(link, wrong, os.DevNull); err != nil {
		t.Fatal(err)
	}
	if _, err := renew(ctx, link, wrong, server); !errors.Is(err, errRefused) {
		t.Errorf("renewal of a foreign address: %v", err)
	}
	again, err := extend(ctx, link, wrong, slog.New(slog.DiscardHandler))
	if err != nil || again.Address != lease.Address {
		t.Errorf("after a refusal: %+v, %v", again.Address, err)
	}
}

func TestNoServer(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	_, stop := plugIn(t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	link, err := WaitLink(ctx, nil, func() {}) // the first with a carrier
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if _, err := Acquire(ctx, link, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a lease without a server")
	}
}

func TestMissing(t *testing.T) {
	other := machine.MAC{2}
	for want, s := range map[string]*search{
		"firmware (bty-lab liveenv build --firmware)":                    {},
		"address 02:00:00:00:00:00 of bty.mac; there are eth0 (x), eth1": {want: &other, seen: map[int]string{3: "eth1 (y)", 2: "eth0 (x)"}},
		"no link after 30s on eth0 (x): check the cable":                 {hit: true, seen: map[int]string{2: "eth0 (x)"}},
	} {
		if err := s.missing(); !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}
