package lan

import (
	"cmp"
	"time"

	"bty/internal/machine"
	"bty/internal/wire"
)

// request and answer are what makes two packets different news.
type request struct {
	mac                    machine.MAC
	class, userClass, arch string
	link                   string
	vlan                   uint16
}

type answer struct {
	mac                         machine.MAC
	message, from, server       string
	class, next, tftp, bootfile string
	toClass, toUserClass        string
	link                        string
	vlan                        uint16
}

func requestOf(mac machine.MAC, s wire.Sighting) request {
	return request{mac, s.Class, s.UserClass, s.Arch, s.Link, s.VLAN}
}

// sameRequest tells requests apart that must not be merged before they are sent: what an address in them
// means depends on the message.
func sameRequest(a, b *wire.Sighting) bool {
	return a.Message == b.Message && a.Class == b.Class && a.UserClass == b.UserClass && a.Arch == b.Arch && a.Link == b.Link && a.VLAN == b.VLAN
}

func answerOf(mac machine.MAC, a wire.DHCPAnswer) answer {
	key := answer{mac: mac, message: a.Message, from: a.From, server: a.Server, class: a.Class, next: a.NextServer, tftp: a.TFTPServer,
		bootfile: a.Bootfile, link: a.Link, vlan: a.VLAN}
	if a.To != nil {
		key.toClass, key.toUserClass = a.To.Class, a.To.UserClass
	}
	return key
}

// aRun is the longest pause between requests that are counted together.
const aRun = 2 * time.Minute

// mergeRequests makes one of two that say the same: the later, with what only the other says. What
// came before a pause is another run, and does not count.
func mergeRequests(a, b wire.Sighting) wire.Sighting {
	if b.At.Before(a.At) {
		a, b = b, a
	}
	if b.At.Sub(a.At) < aRun {
		b.Count += a.Count
	}
	b.Address, b.UUID, b.Hostname = cmp.Or(b.Address, a.Address), cmp.Or(b.UUID, a.UUID), cmp.Or(b.Hostname, a.Hostname)
	return b
}

func mergeAnswers(a, b wire.DHCPAnswer) wire.DHCPAnswer {
	if b.At.Before(a.At) {
		a, b = b, a
	}
	b.Count += a.Count
	b.Address = cmp.Or(b.Address, a.Address)
	return b
}
