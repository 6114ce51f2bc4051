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
	steps := Steps{Found: func() { found++ }, Carrier: func() { found += 10 }}
	link, lease, err := Config{NIC: Choice{MAC: &mac}}.Up(ctx, steps, slog.New(slog.DiscardHandler))
	if err != nil || link.Name != "eth7" || link.MAC != mac || found != 11 {
		t.Fatalf("Up: %+v, %v, steps %d", link, err, found)
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

// deaf is a cable to nowhere: both NICs have a carrier, and nobody answers.
func deaf(t *testing.T) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "bmc0"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "bmc1"}); err != nil {
		t.Fatal(err)
	}
}

func TestNoServer(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	deaf(t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	carriers := 0
	_, lease, err := Config{}.Up(ctx, Steps{Found: func() {}, Carrier: func() { carriers++ }}, slog.New(slog.DiscardHandler))
	if err == nil || carriers != 1 {
		t.Errorf("without a server: lease %+v, the first carrier was told %d times", lease, carriers)
	}
}

// Who stands before a machine without a network is told what it waits for, long before it gives up.
func TestWhatIsAwaited(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	deaf(t)
	for want, c := range map[string]Config{
		"no network card with the name eth9 has a link yet": {NIC: Choice{Name: "eth9"}},
		"no DHCP server has answered yet":                   {},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), quietBound+time.Second)
		var said bytes.Buffer
		_, _, _ = c.Up(ctx, Steps{Found: func() {}, Carrier: func() {}}, slog.New(slog.NewTextHandler(&said, nil)))
		cancel()
		if !strings.Contains(said.String(), want) {
			t.Errorf("want %q in\n%s", want, &said)
		}
	}
}

// A NIC with a carrier and no DHCP server behind it, such as a management controller's, does not keep
// the machine from the one that has both.
func TestSeveralNICs(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	deaf(t) // is there first
	plugIn(t)
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	link, lease, err := Config{}.Up(ctx, Steps{Found: func() {}, Carrier: func() {}}, slog.New(slog.DiscardHandler))
	if err != nil || link.Name != "eth7" || !netip.MustParsePrefix("192.0.2.0/24").Contains(lease.Address.Addr()) {
		t.Errorf("%+v, %+v, %v", link, lease, err)
	}
}

// A static address needs no server, goes to the NIC that is named, and is not renewed.
func TestStatic(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	deaf(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a := netip.MustParseAddr
	c := Config{NIC: Choice{Name: "bmc1"}, DNS: []netip.Addr{a("192.0.2.3")},
		Static: &Lease{Address: netip.MustParsePrefix("192.0.2.10/24"), Gateway: a("192.0.2.1"), MTU: 1400}}
	// The other end has to be up for a carrier.
	if other, err := netlink.LinkByName("bmc0"); err != nil || netlink.LinkSetUp(other) != nil {
		t.Fatalf("bmc0: %v", err)
	}
	link, lease, err := c.Up(ctx, Steps{Found: func() {}, Carrier: func() {}}, slog.New(slog.DiscardHandler))
	if err != nil || link.Name != "bmc1" {
		t.Fatalf("%+v, %v", link, err)
	}
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := Apply(link, lease, conf); err != nil {
		t.Fatal(err)
	}
	nic, err := netlink.LinkByIndex(link.Index)
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := netlink.AddrList(nic, netlink.FAMILY_V4)
	if err != nil || len(addrs) != 1 || addrs[0].IPNet.String() != "192.0.2.10/24" || nic.Attrs().MTU != 1400 {
		t.Errorf("addresses %v, MTU %d, %v", addrs, nic.Attrs().MTU, err)
	}
	routes, err := netlink.RouteGet(net.IPv4(198, 51, 100, 1))
	if err != nil || len(routes) != 1 || !routes[0].Gw.Equal(net.IPv4(192, 0, 2, 1)) {
		t.Errorf("route to the world: %v, %v", routes, err)
	}
	if text, err := os.ReadFile(conf); err != nil || string(text) != "nameserver 192.0.2.3\n" {
		t.Errorf("resolv.conf %q, %v", text, err)
	}
	if err := Keep(ctx, link, lease, conf, slog.New(slog.DiscardHandler)); err != nil || ctx.Err() != nil {
		t.Errorf("a static address was kept alive: %v, %v", err, ctx.Err())
	}
}

func TestVLANRequest(t *testing.T) {
	got := vlanOn(Link{Index: 7, Name: "enp130s0f1np1", MAC: mac}, 4094)
	if got.Name != "enp130s0f1.4094" || len(got.Name) > 15 || got.ParentIndex != 7 || got.VlanId != 4094 || got.VlanProtocol != netlink.VLAN_PROTOCOL_8021Q {
		t.Errorf("%+v", got)
	}
}

func TestMissing(t *testing.T) {
	other := machine.MAC{2}
	for want, s := range map[string]*search{
		"firmware (bty-lab liveenv build --firmware)":                                        {},
		"has the name eth5 that the command line asks for":                                   {want: Choice{Name: "eth5"}, seen: map[int]string{2: "eth0 (x)"}},
		"address 02:00:00:00:00:00 that the command line asks for; there are eth0 (x), eth1": {want: Choice{MAC: &other}, seen: map[int]string{3: "eth1 (y)", 2: "eth0 (x)"}},
		"no link after 30s on eth0 (x): check the cable":                                     {hit: true, seen: map[int]string{2: "eth0 (x)"}},
	} {
		if err := s.missing(); !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}
