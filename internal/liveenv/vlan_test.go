package liveenv

import (
	"bytes"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// inVLAN: a port that carries one VLAN and nothing else. DHCP, the server and the log are behind it.
func inVLAN(t *testing.T, v vm, h *host) {
	v.append = h.arg() + " bty.mac=" + vmMAC + " bty.vlan=5"
	v.args = taggedNIC(t)
	console := v.run(deadline(t), t, nil)
	asked := h.asked()
	if len(asked) != 2 || !strings.Contains(asked[1].body, "if=eth0.5\naddr=10.0.2.15/24") {
		t.Errorf("the server was asked %+v\n%s", asked, tail(console))
	}
}

// withStatic: no DHCP server is asked; QEMU's would give another address.
func withStatic(t *testing.T, v vm, h *host) {
	v.append = h.arg() + " bty.mac=" + vmMAC + " ip=10.0.2.77::10.0.2.2:255.255.255.0::eth0:none:10.0.2.3"
	console := v.run(deadline(t), t, nil)
	asked := h.asked()
	if len(asked) != 2 || !strings.Contains(asked[1].body, "if=eth0\naddr=10.0.2.77/24") || !strings.Contains(asked[1].body, `resolv="nameserver 10.0.2.3\n"`) {
		t.Errorf("the server was asked %+v\n%s", asked, tail(console))
	}
}

// vlanTag is what IEEE 802.1Q puts behind the addresses of a frame.
var vlanTag = []byte{0x81, 0x00, 0, 5}

// taggedNIC is a NIC whose cable carries VLAN 5 only. A relay puts the tag on and takes it off, between
// the cable and QEMU's user network.
func taggedNIC(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	cable, lan := newEnd(t, dir, "cable"), newEnd(t, dir, "lan")
	go cable.relay(lan, func(frame []byte) []byte {
		if len(frame) < 18 || !bytes.Equal(frame[12:16], vlanTag) {
			return nil
		}
		return append(append([]byte(nil), frame[:12]...), frame[16:]...)
	})
	go lan.relay(cable, func(frame []byte) []byte {
		return append(append(append([]byte(nil), frame[:12]...), vlanTag...), frame[12:]...)
	})
	return []string{
		"-netdev", "user,id=user", "-netdev", lan.netdev(),
		"-netdev", "hubport,id=hub0,hubid=0,netdev=user", "-netdev", "hubport,id=hub1,hubid=0,netdev=lan",
		"-netdev", cable.netdev(), "-device", "virtio-net-pci,netdev=cable,mac=" + vmMAC,
	}
}

// end is our end of a cable to QEMU: a datagram is a frame.
type end struct {
	*net.UnixConn
	name, ours, theirs string
}

func newEnd(t *testing.T, dir, name string) end {
	t.Helper()
	e := end{name: name, ours: filepath.Join(dir, name+".relay"), theirs: filepath.Join(dir, name+".qemu")}
	var err error
	if e.UnixConn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: e.ours, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() }) // ends its relay
	return e
}

func (e end) netdev() string {
	return "dgram,id=" + e.name + ",local.type=unix,local.path=" + e.theirs + ",remote.type=unix,remote.path=" + e.ours
}

// relay passes frames on, changed, until e is closed. What cannot be sent is lost, as on a cable.
func (e end) relay(to end, change func([]byte) []byte) {
	frame := make([]byte, 64<<10)
	for {
		n, _, err := e.ReadFrom(frame)
		if err != nil {
			return
		}
		if out := change(frame[:max(n, 12)]); out != nil {
			_, _ = to.WriteTo(out, &net.UnixAddr{Name: to.theirs, Net: "unixgram"})
		}
	}
}
