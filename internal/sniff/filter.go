package sniff

import (
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// everything is how much of a packet that passes is captured.
const everything = 1 << 18

// Filter is the kernel's part: UDP of IPv4 from or to a port of DHCP, behind no tag, one or two. A
// tag that the network card took off is not in the frame any more. Nothing else reaches this
// process, and of fragments only the first.
func filter() ([]bpf.Instruction, error) {
	var p program
	p.add(bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
	p.when(linkEther, "ether")
	p.when(linkLoopback, "ether")
	p.jump("at 0") // a link without header
	p.label("ether")
	p.ethertype(12, "at 14", "tag")
	p.label("tag")
	p.ethertype(16, "at 18", "second tag")
	p.label("second tag")
	p.add(bpf.LoadAbsolute{Off: 20, Size: 2})
	p.when(etherIPv4, "at 22")
	p.jump("drop")
	for _, at := range []uint32{0, 14, 18, 22} {
		p.label(fmt.Sprintf("at %d", at))
		p.ipv4(at)
	}
	p.label("pass")
	p.add(bpf.RetConstant{Val: everything})
	p.label("drop")
	p.add(bpf.RetConstant{Val: 0})
	return p.link()
}

// ethertype goes on by the type that stands at an offset. What is no tag is dropped.
func (p *program) ethertype(at uint32, ip, tag string) {
	p.add(bpf.LoadAbsolute{Off: at, Size: 2})
	p.when(etherIPv4, ip)
	p.when(etherVLAN, tag)
	p.when(etherQinQ, tag)
	p.when(etherOld, tag)
	p.jump("drop")
}

// ipv4 passes DHCP in an IPv4 packet that begins at an offset.
func (p *program) ipv4(at uint32) {
	p.add(bpf.LoadAbsolute{Off: at, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0})
	p.unless(0x40, "drop")
	p.add(bpf.LoadAbsolute{Off: at + 9, Size: 1})
	p.unless(unix.IPPROTO_UDP, "drop")
	p.add(bpf.LoadAbsolute{Off: at + 6, Size: 2}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x1fff})
	p.unless(0, "drop")
	p.add(bpf.LoadMemShift{Off: at})
	for _, port := range []uint32{at, at + 2} { // source, destination
		p.add(bpf.LoadIndirect{Off: port, Size: 2})
		p.when(portServer, "pass")
		p.when(portClient, "pass")
		p.when(portProxy, "pass")
	}
	p.jump("drop")
}

// program is a filter with labels: BPF itself counts instructions.
type program struct {
	code   []bpf.Instruction
	labels map[string]int
	jumps  map[int]string // by the index of the instruction
}

func (p *program) add(code ...bpf.Instruction) { p.code = append(p.code, code...) }

func (p *program) label(name string) {
	if p.labels == nil {
		p.labels = map[string]int{}
	}
	p.labels[name] = len(p.code)
}

func (p *program) jump(to string) {
	if p.jumps == nil {
		p.jumps = map[int]string{}
	}
	p.jumps[len(p.code)] = to
	p.add(bpf.Jump{})
}

// when goes to a label if the accumulator has this value. A conditional jump reaches 255
// instructions, an unconditional one any.
func (p *program) when(value uint32, to string) {
	p.add(bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: value, SkipTrue: 1})
	p.jump(to)
}

func (p *program) unless(value uint32, to string) {
	p.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: 1})
	p.jump(to)
}

func (p *program) link() ([]bpf.Instruction, error) {
	for at, to := range p.jumps {
		target, known := p.labels[to]
		if !known || target <= at {
			return nil, fmt.Errorf("the filter has no label %q ahead of instruction %d", to, at)
		}
		p.code[at] = bpf.Jump{Skip: uint32(target - at - 1)}
	}
	return p.code, nil
}
