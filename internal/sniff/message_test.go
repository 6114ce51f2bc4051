package sniff

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bty/internal/machine"
	"bty/internal/testenv/packet"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

var here = place{time.Unix(1_800_000_000, 0).UTC(), "eth0"}

func readBytes(frame []byte) (Seen, error) {
	return read(captured{frame: frame, linkType: linkEther})
}

// read takes a captured packet apart.
func read(c captured) (Seen, error) {
	d, err := readFrame(c.frame, c.linkType, c.vlan)
	if err != nil {
		return Seen{}, err
	}
	return new(reader).read(d, here)
}

// inShort is a message as a line.
func inShort(s Seen) string {
	var raw []byte
	if s.Request != nil {
		raw, _ = json.Marshal(s.Request)
	} else {
		raw, _ = json.Marshal(s.Answer)
	}
	var all map[string]any
	_ = json.Unmarshal(raw, &all)
	for key, v := range all {
		if v == "" || key == "at" || key == "link" || key == "count" || key == "mac" {
			delete(all, key)
		}
	}
	return strings.TrimPrefix(fmt.Sprint(all), "map")
}

func option(code dhcpv4.OptionCode, value string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptGeneric(code, []byte(value)))
}

func TestRequests(t *testing.T) {
	request := dhcpv4.MessageTypeRequest
	const same = " uuid:00112233-4455-6677-8899-aabbccddeeff]"
	for name, c := range map[string]struct {
		m    *dhcpv4.DHCPv4
		want string
	}{
		"BIOS": {packet.BIOS.Message(discover, mac(1)), "[arch:x86 BIOS arch_code:0 class:PXEClient:Arch:00000:UNDI:002001 message:DISCOVER" + same},
		"UEFI": {packet.UEFI.Message(discover, mac(1), option(dhcpv4.OptionHostName, "node7\x00")), "[arch:x86_64 UEFI arch_code:7 class:PXEClient:Arch:00007:UNDI:003016 hostname:node7 message:DISCOVER" + same},
		"HTTP Boot": {packet.HTTP.Message(request, mac(1), dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.IP{192, 0, 2, 7}))),
			"[address:192.0.2.7 arch:x86_64 UEFI HTTP Boot arch_code:16 class:HTTPClient:Arch:00016:UNDI:003016 message:REQUEST" + same},
		"iPXE":                    {packet.IPXE.Message(request, mac(1), dhcpv4.WithClientIP(net.IP{192, 0, 2, 8})), "[address:192.0.2.8 arch:x86_64 UEFI arch_code:7 class:PXEClient:Arch:00007:UNDI:003010 message:REQUEST user_class:iPXE" + same},
		"iPXE as RFC 3004 has it": {packet.Message(request, mac(1), option(dhcpv4.OptionUserClassInformation, "\x04iPXE")), "[message:REQUEST user_class:iPXE]"},
		"iPXE and a site's class": {packet.Message(request, mac(1), option(dhcpv4.OptionUserClassInformation, "\x03lab\x04iPXE")), "[message:REQUEST user_class:iPXE]"},
		"two classes":             {packet.Message(request, mac(1), option(dhcpv4.OptionUserClassInformation, "\x03lab\x01x")), "[message:REQUEST user_class:lab, x]"},
		"relayed":                 {packet.Message(discover, mac(1), dhcpv4.WithRelay(net.IP{192, 0, 2, 254})), "[message:DISCOVER]"},
		"unknown architecture":    {packet.Message(discover, mac(1), option(dhcpv4.OptionClientSystemArchitectureType, "\x12\x34\x00\x07")), "[arch:architecture 4660 arch_code:4660 message:DISCOVER]"},
		"half an architecture":    {packet.Message(discover, mac(1), option(dhcpv4.OptionClientSystemArchitectureType, "\x07")), "[message:DISCOVER]"},
		"nonsense as text": {packet.Message(dhcpv4.MessageTypeInform, mac(1), option(dhcpv4.OptionClassIdentifier, "PXE\x1b[31m\xff"), option(dhcpv4.OptionHostName, strings.Repeat("ö", 100)+"\n"),
			option(dhcpv4.OptionClientMachineIdentifier, "short")), "[class:PXE?[31m? hostname:" + strings.Repeat("ö", 100) + "? message:INFORM]"},
	} {
		seen, err := readBytes(packet.Of(c.m).Bytes())
		if err != nil || seen.Request == nil {
			t.Errorf("%s: %v", name, err)
		} else if got := inShort(seen); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	offer := func(more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
		return packet.Message(dhcpv4.MessageTypeOffer, mac(1), append([]dhcpv4.Modifier{dhcpv4.WithYourIP(net.IP{192, 0, 2, 7}), dhcpv4.WithServerIP(net.IP{192, 0, 2, 2}),
			dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IP{192, 0, 2, 1}))}, more...)...)
	}
	fields := func(sname, file string) dhcpv4.Modifier {
		return func(m *dhcpv4.DHCPv4) { m.ServerHostName, m.BootFileName = sname, file }
	}
	const common = "[address:192.0.2.7 %sfrom:192.0.2.1 message:OFFER next_server:192.0.2.2 server:192.0.2.1%s]"
	for name, c := range map[string]struct {
		m    *dhcpv4.DHCPv4
		want string
	}{
		"nothing to boot":   {offer(), fmt.Sprintf(common, "", "")},
		"in the header":     {offer(fields("boot", "ipxe.efi")), fmt.Sprintf(common, "bootfile:ipxe.efi ", " tftp_server:boot")},
		"as options":        {offer(fields("", "old"), dhcpv4.WithOption(dhcpv4.OptTFTPServerName("192.0.2.3")), dhcpv4.WithOption(dhcpv4.OptBootFileName("ipxe.efi\x00"))), fmt.Sprintf(common, "bootfile:ipxe.efi ", " tftp_server:192.0.2.3")},
		"echo":              {offer(dhcpv4.WithOption(dhcpv4.OptClassIdentifier("HTTPClient"))), fmt.Sprintf(common, "class:HTTPClient ", "")},
		"options in both":   {offer(fields("\x42\x04boot\xff", "\x43\x08ipxe.efi\xff"), option(dhcpv4.OptionOptionOverload, "\x03")), fmt.Sprintf(common, "bootfile:ipxe.efi ", " tftp_server:boot")},
		"options in file":   {offer(fields("boot", "\x43\x08ipxe.efi\xff"), option(dhcpv4.OptionOptionOverload, "\x01")), fmt.Sprintf(common, "bootfile:ipxe.efi ", " tftp_server:boot")},
		"broken overload":   {offer(fields("boot", "\x43\xffipxe"), option(dhcpv4.OptionOptionOverload, "\x01")), fmt.Sprintf(common, "", " tftp_server:boot")},
		"refusal":           {packet.Message(dhcpv4.MessageTypeNak, mac(1), dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IP{192, 0, 2, 1}))), "[from:192.0.2.1 message:NAK server:192.0.2.1]"},
		"a proxy, no lease": {packet.Message(dhcpv4.MessageTypeAck, mac(1), dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient")), dhcpv4.WithOption(dhcpv4.OptBootFileName("x"))), "[bootfile:x class:PXEClient from:192.0.2.1 message:ACK]"},
	} {
		frame := packet.Answered(c.m, server)
		if strings.Contains(name, "proxy") {
			frame.Src = netip.MustParseAddrPort("192.0.2.1:4011")
		}
		seen, err := readBytes(frame.Bytes())
		if err != nil || seen.Answer == nil {
			t.Errorf("%s: %v", name, err)
		} else if got := inShort(seen); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}

// What is left out in silence, and what is counted as malformed.
func TestOtherPackets(t *testing.T) {
	whole := packet.Of(packet.UEFI.Message(discover, mac(1)))
	edit := func(f func(*dhcpv4.DHCPv4)) packet.Frame {
		m := packet.UEFI.Message(discover, mac(1))
		f(m)
		return packet.Of(m)
	}
	for name, c := range map[string]struct {
		frame packet.Frame
		want  error
	}{
		"release":         {packet.Of(packet.Message(dhcpv4.MessageTypeRelease, mac(1))), errForeign},
		"BOOTP":           {edit(func(m *dhcpv4.DHCPv4) { m.DeleteOption(dhcpv4.OptionDHCPMessageType) }), errForeign},
		"no MAC":          {edit(func(m *dhcpv4.DHCPv4) { m.ClientHWAddr = nil }), errForeign},
		"the zero MAC":    {edit(func(m *dhcpv4.DHCPv4) { m.ClientHWAddr = make(net.HardwareAddr, 6) }), errForeign},
		"everybody's MAC": {edit(func(m *dhcpv4.DHCPv4) { m.ClientHWAddr = packet.Broadcast }), errForeign},
		"InfiniBand":      {edit(func(m *dhcpv4.DHCPv4) { m.ClientHWAddr = make(net.HardwareAddr, 16) }), errForeign},
		"another port": {func() packet.Frame {
			f := whole
			f.Dst, f.Src = netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.1:1053")
			return f
		}(), errForeign},
		"a later fragment": {func() packet.Frame { f := whole; f.Fragment = 7; return f }(), errForeign},
		"no magic":         {func() packet.Frame { f := whole; f.Payload = make([]byte, 300); return f }(), errMalformed},
		"too short":        {func() packet.Frame { f := whole; f.Payload = f.Payload[:100]; return f }(), errMalformed},
		"cut in an option": {func() packet.Frame { f := whole; f.Payload = f.Payload[:246]; return f }(), errMalformed},
	} {
		if _, err := readBytes(c.frame.Bytes()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	noEnd := whole
	noEnd.Payload = noEnd.Payload[:strings.LastIndexByte(string(noEnd.Payload), 255)]
	if _, err := readBytes(noEnd.Bytes()); err != nil {
		t.Errorf("without an End: %v", err)
	}
}

// A link without header, as of a tunnel to a relay.
func TestTunnel(t *testing.T) {
	frame := packet.Of(packet.BIOS.Message(discover, mac(1))).Bytes()
	seen, err := read(captured{frame: frame[14:], linkType: 65534, vlan: 7})
	if err != nil || seen.Request.VLAN != 7 {
		t.Errorf("%+v %v", seen, err)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct{ patterns, yes, no string }{
		{"!lo, !veth*", "eth0 br0 br-lan", "lo veth1"},
		{"eth*,br0", "eth0 eth7 br0", "br1 lo"},
		{"eth*, !eth0", "eth1", "eth0 lo"},
		{"", "lo eth0", ""},
		{" , !", "lo", ""},
	} {
		p, err := ParsePatterns(c.patterns)
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.FieldsSeq(c.yes) {
			if !p.Match(name) {
				t.Errorf("%q leaves %s out", c.patterns, name)
			}
		}
		for name := range strings.FieldsSeq(c.no) {
			if p.Match(name) {
				t.Errorf("%q takes %s", c.patterns, name)
			}
		}
	}
	if _, err := ParsePatterns("eth[0"); err == nil {
		t.Error("eth[0 is taken")
	}
}

// The table of copies is bounded, and what a machine sends again is no copy.
func TestCopies(t *testing.T) {
	c := newCopies[identity](copyWindow)
	now := here.at
	id := func(n int) identity {
		return identity{mac: machine.MAC{2, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}}
	}
	if c.seen(id(1), now) || !c.seen(id(1), now) || !c.seen(id(1), now.Add(copyWindow-1)) || c.seen(id(1), now.Add(copyWindow)) {
		t.Error("the window is another")
	}
	for n := range 5 * maxCopies {
		c.seen(id(n+10), now.Add(time.Second))
		if len(c.young)+len(c.old) > 2*maxCopies {
			t.Fatalf("%d are kept", len(c.young)+len(c.old))
		}
	}
}

// The same words are the same in another transaction, and no others are.
func TestWords(t *testing.T) {
	first := packet.UEFI.Message(discover, mac(1))
	again := packet.UEFI.Message(discover, mac(1), func(m *dhcpv4.DHCPv4) { m.TransactionID, m.NumSeconds = dhcpv4.TransactionID{9}, 7 })
	if words(first.ToBytes()) != words(again.ToBytes()) {
		t.Error("the same words in another transaction are others")
	}
	for name, other := range map[string]*dhcpv4.DHCPv4{
		"another machine": packet.UEFI.Message(discover, mac(2)), "its iPXE": packet.IPXE.Message(discover, mac(1)),
		"REQUEST": packet.UEFI.Message(dhcpv4.MessageTypeRequest, mac(1)), "an address": packet.UEFI.Message(discover, mac(1), dhcpv4.WithClientIP(net.IP{192, 0, 2, 7})),
	} {
		if words(first.ToBytes()) == words(other.ToBytes()) {
			t.Errorf("%s says the same", name)
		}
	}
	if words(nil) == words([]byte{1}) {
		t.Error("nothing says the same as something")
	}
}

// FuzzPacket reads any frame: no panic, and what comes out is fit for bty-web's report socket.
func FuzzPacket(f *testing.F) {
	for _, c := range []packet.Client{packet.BIOS, packet.UEFI, packet.HTTP, packet.IPXE} {
		f.Add(packet.Of(c.Message(discover, mac(1)), vlan(5)).Bytes(), uint16(linkEther))
	}
	offer := packet.Message(dhcpv4.MessageTypeOffer, mac(1), option(dhcpv4.OptionOptionOverload, "\x03"), func(m *dhcpv4.DHCPv4) { m.BootFileName = "\x43\x08ipxe.efi\xff" })
	f.Add(packet.Answered(offer, server).Bytes(), uint16(linkEther))
	f.Add(packet.Answered(offer, server).Bytes()[14:], uint16(65534))
	f.Fuzz(func(t *testing.T, frame []byte, linkType uint16) {
		sameAsLibrary(t, frame, linkType)
		seen, err := read(captured{frame: frame, linkType: linkType})
		if err != nil {
			if !errors.Is(err, errForeign) && !errors.Is(err, errMalformed) {
				t.Fatal(err)
			}
			return
		}
		if (seen.Request == nil) == (seen.Answer == nil) {
			t.Fatal("a request and an answer, or neither")
		}
		if r := seen.Request; r != nil {
			fits(t, r.MAC, []string{r.Message, r.Class, r.UserClass, r.Arch, r.UUID, r.Hostname, r.Link}, r.Address)
			return
		}
		a := seen.Answer
		fits(t, a.MAC, []string{a.Message, a.Class, a.TFTPServer, a.Bootfile, a.Link}, a.From, a.Server, a.Address, a.NextServer)
	})
}

// sameAsLibrary compares what is read in place with what the library reads.
func sameAsLibrary(t *testing.T, frame []byte, linkType uint16) {
	d, err := readFrame(frame, linkType, 0)
	var p plain
	if err != nil || len(d.payload) > maxPayload || !p.read(d.payload) {
		return
	}
	mine, mineOK := p.said()
	theirs, theirsOK, err := parseAny(d.payload)
	if err != nil || mineOK != theirsOK {
		t.Fatalf("the library says %v %v, in place %v", theirsOK, err, mineOK)
	}
	for code := range uint8(optionEnd) {
		if a, b := mine.options.Get(dhcpv4.GenericOptionCode(code)), theirs.options.Get(dhcpv4.GenericOptionCode(code)); string(a) != string(b) {
			t.Errorf("option %d: %x, the library has %x", code, a, b)
		}
	}
	if answer(mine, d, here) != answer(theirs, d, here) || !reflect.DeepEqual(request(mine, d, here), request(theirs, d, here)) || mine.xid != theirs.xid || mine.kind != theirs.kind {
		t.Errorf("%+v\nthe library has\n%+v", mine, theirs)
	}
}

func fits(t *testing.T, mac string, texts []string, addresses ...string) {
	if _, err := machine.ParseMAC(mac); err != nil {
		t.Error(err)
	}
	for _, s := range texts {
		if !utf8.ValidString(s) || len(s) > maxText || strings.ContainsAny(s, "\x00\n\r\x1b") {
			t.Errorf("%q", s)
		}
	}
	for _, a := range addresses {
		if _, err := netip.ParseAddr(a); a != "" && err != nil {
			t.Error(err)
		}
	}
}

// The corpus in testdata is packets that gave trouble elsewhere; it runs with the seeds.
func TestCorpusIsThere(t *testing.T) {
	if names, err := os.ReadDir("testdata/fuzz/FuzzPacket"); err != nil || len(names) < 20 {
		t.Errorf("%d files, %v", len(names), err)
	}
}
