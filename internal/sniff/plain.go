package sniff

import (
	"bytes"
	"net/netip"

	"bty/internal/machine"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Where the fields of a message are, RFC 2131 section 2.
const (
	hlenAt, xidAt, ciaddrAt, yiaddrAt, siaddrAt, chaddrAt = 2, 4, 12, 16, 20, 28
	snameAt, fileAt, cookieAt, optionsAt                  = 44, 108, 236, 240

	optionPad, optionEnd, optionOverload = 0, 255, 52

	cookie = "\x63\x82\x53\x63"
)

// plain are the options of a message as most are: each but once, none continued in other fields, an End
// behind them. They are read where they lie, which takes a tenth of the time that the library does; what
// is not plain is the library's, and a fuzz test holds the two together.
type plain struct {
	payload []byte
	at      [256]uint16 // 0: not there
	length  [256]uint8
}

// read reports whether the options are plain.
func (p *plain) read(payload []byte) bool {
	if len(payload) < optionsAt || string(payload[cookieAt:optionsAt]) != cookie {
		return false
	}
	p.payload = payload
	clear(p.at[:])
	for at := optionsAt; at < len(payload); {
		code := payload[at]
		if code == optionPad {
			at++
			continue
		}
		if code == optionEnd {
			return true
		}
		if code == optionOverload || p.at[code] != 0 || at+2 > len(payload) {
			return false
		}
		value, length := at+2, payload[at+1]
		p.at[code], p.length[code] = uint16(value), length
		at = value + int(length)
	}
	return false // no End, or a value beyond it
}

// Get is what an option says, nil without it.
func (p *plain) Get(code dhcpv4.OptionCode) []byte {
	c := code.Code()
	at := int(p.at[c])
	if at == 0 {
		return nil
	}
	return p.payload[at : at+int(p.length[c])]
}

// said reads the fields of the header.
func (p *plain) said() (m said, ok bool) {
	h := p.payload
	m = said{options: p, kind: kindOf(p), client: addressAt(h[ciaddrAt:]), your: addressAt(h[yiaddrAt:]), next: addressAt(h[siaddrAt:]),
		sname: h[snameAt:fileAt], file: h[fileAt:cookieAt]}
	copy(m.xid[:], h[xidAt:])
	m.mac, ok = ethernet(h[chaddrAt:][:min(h[hlenAt], 16)])
	return m, ok
}

func addressAt(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }

// ethernet is the client's address, if it is one that a machine can have.
func ethernet(b []byte) (mac machine.MAC, ok bool) {
	if len(b) != len(mac) {
		return mac, false
	}
	copy(mac[:], b)
	const group = 1 // bit of the first octet: broadcast and multicast
	return mac, mac != machine.MAC{} && mac[0]&group == 0
}

// upToNUL is the text in a field of the header.
func upToNUL(b []byte) []byte {
	text, _, _ := bytes.Cut(b, []byte{0})
	return text
}
