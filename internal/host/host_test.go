package host

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"bty/internal/doctor"
)

const trie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.1
           /32 host LOCAL
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
        |-- 203.0.113.5
           /32 host LOCAL
Local:
        |-- 192.0.2.1
           /32 host LOCAL
        |-- nonsense
           /32 host LOCAL
`

const routes = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	FE0200C0	0003	0	0	0	00000000	0	0	0
br0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
wide	000000C0	00000000	0001	0	0	0	000000FF	0	0	0
short	0002
odd	zz0200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
`

func TestAddressesFromText(t *testing.T) {
	want := []doctor.Address{{Prefix: netip.MustParsePrefix("192.0.2.1/24"), Link: "br0"}, {Prefix: netip.MustParsePrefix("192.0.2.2/24"), Link: "br0"},
		{Prefix: netip.MustParsePrefix("127.0.0.1/8"), Link: "lo"}, {Prefix: netip.MustParsePrefix("203.0.113.5/32")}}
	if got := addresses([]byte(trie), []byte(routes)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// The kernel's own tables say what netlink says.
func TestAddresses(t *testing.T) {
	got, err := Addresses()
	if err != nil {
		t.Fatal(err)
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		addrs, err := link.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			want, err := netip.ParsePrefix(a.String())
			if err != nil || !want.Addr().Is4() || link.Flags&net.FlagUp == 0 {
				continue
			}
			if !slices.ContainsFunc(got, func(a doctor.Address) bool { return a.Addr() == want.Addr() }) {
				t.Errorf("%s on %s is missing in %v", want, link.Name, got)
			}
		}
	}
}

func TestPorts(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udpPort, tcpPort := udp.LocalAddr().(*net.UDPAddr).Port, tcp.Addr().(*net.TCPAddr).Port
	found := Ports(t.Context(), doctor.Port{Network: "udp", Number: udpPort}, doctor.Port{Network: "tcp", Number: tcpPort}, doctor.Port{Network: "tcp", Number: 1})
	for _, p := range found[:2] {
		if len(p.Holders) != 1 || p.Holders[0].PID != os.Getpid() || p.Holders[0].Name == "" || p.Hidden {
			t.Fatalf("%+v", p)
		}
	}
	if len(found[2].Holders) != 0 || found[2].Hidden {
		t.Errorf("nobody has TCP port 1: %+v", found[2])
	}
	if list := Daemons(found[0].Holders[0].Name); !slices.ContainsFunc(list, func(p doctor.Process) bool { return p.PID == os.Getpid() }) {
		t.Errorf("this process is not among %v", list)
	}
}

func TestTextsOfTheHost(t *testing.T) {
	units := readSocketUnits("[::]:69 Datagram bty-tftp.socket bty-tftp.service\n0.0.0.0:8080 Stream cockpit.socket cockpit.service\n/run/x Stream x.socket x.service\n[::]:1\n")
	if len(units) != 2 || units["udp 69"] != "bty-tftp.socket" || units["tcp 8080"] != "cockpit.socket" {
		t.Errorf("%v", units)
	}
	for text, want := range map[string]string{
		"0::/system.slice/tftpd-hpa.service\n": "tftpd-hpa.service", "0::/machine.slice/libpod-1.scope/container\n": "",
		"12:pids:/user.slice\n0::/bty.slice/bty-web.service/x\n": "bty-web.service", "": "",
	} {
		if got := unitOf(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestDisks(t *testing.T) {
	dir := t.TempDir()
	list := Disks(map[string]string{dir: "the state", dir + "/none": "nothing"}, dir, dir+"/none", dir)
	if len(list) != 1 || list[0].Folder != dir || list[0].For != "the state" || list[0].Size == 0 || list[0].Free > list[0].Size {
		t.Errorf("%+v", list)
	}
	if list := Disks(nil, "/nonexistent"); len(list) != 1 || !strings.Contains(list[0].Err, "no such file") {
		t.Errorf("%+v", list)
	}
}

func TestClock(t *testing.T) {
	if c := Clock(); c.Now.IsZero() || c.Unknown {
		t.Errorf("%+v", c)
	}
}

// Somebody else is at the other end of a connection if the two ends have different addresses.
func TestHasPeer(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for name, c := range map[string]struct {
		line string
		want bool
	}{
		"listening":                {"0: 00000000:1F90 00000000:0000 0A", false},
		"this host, loopback":      {"0: 0100007F:1F90 0100007F:D431 01", false},
		"this host, on its LAN":    {"0: 0102000A:1F90 0102000A:D431 01", false},
		"another host":             {"0: 0102000A:1F90 0202000A:D431 01", true},
		"another host, over":       {"0: 0102000A:1F90 0202000A:D431 06", false},
		"another port":             {"0: 0102000A:0016 0202000A:D431 01", false},
		"its own, to that port":    {"0: 0102000A:D431 0202000A:1F90 01", false},
		"IPv4 on a socket of IPv6": {"0: 0000000000000000FFFF00000102000A:1F90 0000000000000000FFFF00000202000A:D431 01", true},
		"short":                    {"0: 01", false},
	} {
		if got := hasPeer(head+c.line+" 00000000:00000000 00:00000000 00000000 0 0 1\n", 8080); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What the kernel says of a process is who an operator has to stop.
func TestContainerOf(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for groups, want := range map[string][2]string{
		"0::/machine.slice/libpod-" + id + ".scope/container\n":         {"podman", "0123456789ab"},
		"12:pids:/x\n0::/system.slice/docker-" + id + ".scope\n":        {"docker", "0123456789ab"},
		"0::/machine.slice/libpod-conmon-" + id + ".scope\n":            {},
		"0::/system.slice/bty-tftp.service/libpod-payload-" + id + "\n": {},
		"0::/user.slice/session-3.scope\n":                              {},
		"":                                                              {},
	} {
		if engine, got := containerOf(groups); [2]string{engine, got} != want {
			t.Errorf("%q: %s %s", groups, engine, got)
		}
	}
}

// A runtime that goes over into the program of a container is named by a number.
func TestIsDescriptor(t *testing.T) {
	for name, want := range map[string]bool{"8": true, "12": true, "bty-tftp": false, "7zip": false, "": false, "?": false} {
		if isDescriptor(name) != want {
			t.Errorf("%q", name)
		}
	}
}

// The host's network is the one in which systemd listens.
func TestListsSystemd(t *testing.T) {
	const head = "Num       RefCount Protocol Flags    Type St Inode Path\n"
	for line, want := range map[string]bool{
		"0000000000000000: 00000002 00000000 00010000 0001 01 17 /run/systemd/private":   true,
		"0000000000000000: 00000002 00000000 00010000 0001 01 17 /run/systemd/private/x": false,
		"0000000000000000: 00000002 00000000 00010000 0001 01 17 @/run/systemd/private":  false,
		"0000000000000000: 00000003 00000000 00000000 0001 03 18":                        false,
	} {
		if listsSystemd(head+line+"\n") != want {
			t.Errorf("%q", line)
		}
	}
}
