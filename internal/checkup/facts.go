package checkup

import (
	"net/netip"
	"os"
	"time"

	"bty/internal/doctor"
	"bty/internal/host"
	"bty/internal/machine"
	"bty/internal/nbp"
	"bty/internal/release"
)

// facts gathers what the doctor goes by, as far as an unprivileged daemon can see it: who has which
// port and what a firewall does, bty-lab doctor finds out as root.
func (c *Checkup) facts() doctor.Facts {
	isDefault := c.IsDefault()
	f := doctor.Facts{
		Seen: c.Seen(), Network: c.network(), Boot: c.boot(), Default: &isDefault, OldDB: c.OldDB(), InContainer: host.InContainer(),
		Request: c.request, Script: func(mac string) time.Time { return c.seenAt(mac) },
	}
	if answer, asked := c.TFTP.Last(); asked {
		f.TFTP = &doctor.TFTP{Outcome: answer.Outcome, Host: answer.Host, Port: answer.Port}
	}
	clock := host.Clock()
	f.Clock = &clock
	what, order := map[string]string{}, []string{}
	for _, folder := range c.Folders {
		what[folder.Path] = folder.For
		order = append(order, folder.Path)
	}
	f.Disks = host.Disks(what, order...)
	return f
}

func (c *Checkup) network() *doctor.Network {
	addresses, contained := c.Host()
	return &doctor.Network{Addresses: addresses, Contained: contained, Advertised: c.Address(), Port: c.Port}
}

func (c *Checkup) request(mac string, address netip.Addr) time.Time {
	at := c.asked.last(address)
	if seen := c.seenAt(mac); seen.After(at) {
		return seen
	}
	return at
}

func (c *Checkup) seenAt(mac string) time.Time {
	m, err := machine.ParseMAC(mac)
	if err != nil {
		return time.Time{}
	}
	return c.SeenAt(m)
}

func (c *Checkup) boot() *doctor.Boot {
	b := doctor.Boot{Has: c.has}
	status := c.Files.Status()
	for _, l := range status.Live {
		b.Live = append(b.Live, doctor.Live{Arch: l.Arch, Missing: l.Missing})
	}
	for _, p := range status.Programs {
		b.Programs = append(b.Programs, doctor.Program{Name: p.Name, For: p.For, Path: p.Path, Advice: p.Advice, Content: c.kept.of(p)})
	}
	return &b
}

func (c *Checkup) has(name string) bool {
	f, err := c.Programs.Open(name)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// programs keeps what boot programs say of themselves, by the name that firmware asks for.
type programs map[string]program

type program struct {
	path    string
	size    int64
	at      time.Time
	content nbp.Content
}

// of reads the file again only when it is another.
func (k programs) of(p release.Program) nbp.Content {
	info, err := os.Stat(p.Path)
	if err != nil {
		delete(k, p.Name)
		return nbp.Content{}
	}
	if known, ok := k[p.Name]; ok && known.path == p.Path && known.size == info.Size() && known.at.Equal(info.ModTime()) {
		return known.content
	}
	file, err := os.Open(p.Path)
	if err != nil {
		return nbp.Content{}
	}
	defer file.Close()
	content, err := nbp.Inspect(file)
	if err != nil {
		return nbp.Content{}
	}
	k[p.Name] = program{p.Path, info.Size(), info.ModTime(), content}
	return content
}
