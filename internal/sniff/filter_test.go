package sniff

import (
	"net/netip"
	"testing"

	"bty/internal/testenv/packet"

	"golang.org/x/net/bpf"
)

// filterTable is frames that pass, how many of them there are, and frames that do not.
func filterTable() (frames []packet.Frame, pass int) {
	at := func(src, dst string, more func(*packet.Frame)) packet.Frame {
		f := packet.Frame{From: mac(1), Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst), Payload: make([]byte, 300)}
		if more != nil {
			more(&f)
		}
		return f
	}
	tags := func(tags ...packet.Tag) func(*packet.Frame) { return func(f *packet.Frame) { f.Tags = tags } }
	one, two, three := packet.Tag{Type: packet.VLAN, ID: 1}, packet.Tag{Type: packet.QinQ, ID: 2}, packet.Tag{Type: 0x9100, ID: 3}
	frames = []packet.Frame{
		at("0.0.0.0:68", "255.255.255.255:67", nil),
		at("192.0.2.1:67", "255.255.255.255:68", nil),
		at("192.0.2.1:67", "192.0.2.2:67", nil), // from a relay
		at("192.0.2.9:68", "192.0.2.1:4011", nil),
		at("192.0.2.1:4011", "192.0.2.9:68", nil),
		at("192.0.2.9:5000", "192.0.2.1:4011", nil),
		at("0.0.0.0:68", "255.255.255.255:67", tags(one)),
		at("0.0.0.0:68", "255.255.255.255:67", tags(two, one)),
		at("0.0.0.0:68", "255.255.255.255:67", tags(three, one)),
		at("0.0.0.0:68", "255.255.255.255:67", func(f *packet.Frame) { f.Options = make([]byte, 40) }),
		at("0.0.0.0:68", "255.255.255.255:67", func(f *packet.Frame) { f.Fragment = 0x2000 }), // the first, more to come
	}
	pass = len(frames)
	return append(frames,
		at("192.0.2.1:53", "192.0.2.9:1068", nil),
		at("192.0.2.1:69", "192.0.2.9:69", nil),
		at("0.0.0.0:68", "255.255.255.255:67", func(f *packet.Frame) { f.Protocol = 6 }),
		at("0.0.0.0:68", "255.255.255.255:67", func(f *packet.Frame) { f.Fragment = 0x2001 }),
		at("0.0.0.0:68", "255.255.255.255:67", func(f *packet.Frame) { f.Fragment = 0x0040 }),
		at("192.0.2.1:80", "192.0.2.9:1068", tags(one)),
		at("192.0.2.1:80", "192.0.2.9:1068", tags(two, one)),
		at("0.0.0.0:68", "255.255.255.255:67", tags(three, two, one, one)),
		at("0.0.0.0:68", "255.255.255.255:67", tags(packet.Tag{Type: 0x86dd})),
	), pass
}

// The same table in a filter machine of its own, from where it has the link's type on: that is the
// kernel's to say. Four tags in a frame are one too many for both.
func TestFilter(t *testing.T) {
	code, err := filter()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bpf.Assemble(code); err != nil {
		t.Fatal(err)
	}
	code[0] = bpf.LoadConstant{Dst: bpf.RegA, Val: linkEther}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	frames, pass := filterTable()
	for i, f := range frames {
		n, err := vm.Run(f.Bytes())
		if err != nil || (n > 0) != (i < pass) {
			t.Errorf("frame %d: %d, %v", i, n, err)
		}
	}
	for n := range frames[0].Bytes()[:40] { // cut short
		if got, err := vm.Run(frames[0].Bytes()[:n]); err != nil || got != 0 && n < 36 {
			t.Errorf("cut at %d: %d, %v", n, got, err)
		}
	}
}
