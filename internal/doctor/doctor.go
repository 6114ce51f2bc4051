// Package doctor explains what is wrong with netboot on a LAN and on the appliance's host. It is a
// pure function of what was seen: DHCP requests and answers, and facts of the host.
package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"bty/internal/nbp"
	"bty/internal/wire"
)

// Facts is all that the doctor goes by. What is nil was not looked at, and nothing is said of it.
type Facts struct {
	Seen     wire.Observations
	Network  *Network
	Boot     *Boot
	TFTP     *TFTP
	Ports    []Port
	Rules    *Firewall
	Clock    *Clock
	Disks    []Disk
	Cache    *Cache    // nil: off, or not asked
	Default  *bool     // whether the well-known password is in force
	Daemons  []Process // all bty-web of this host
	OldDB    string    // path of the previous system's database, "" if there is none
	Previous *Previous // the previous system; nil: not looked for
	Down     string    // why bty-web could not be asked, "" if it could

	InContainer bool // who looks is in one: what it advises is done on the host around it
	OfUser      bool // the appliance's units are an ordinary user's

	// Request is when a machine asked the appliance for something last, by TFTP or HTTP: by its
	// address or by its MAC. Script is when it asked for its iPXE script last.
	Request func(mac string, address netip.Addr) time.Time
	Script  func(mac string) time.Time
}

// Network is where the appliance is.
type Network struct {
	Addresses  []Address
	Advertised netip.Addr // that machines are told, if somebody set it
	Port       int        // of bty-web
	Contained  bool       // in a container with a network of its own: the host has other addresses
}

// Address is one of the host.
type Address struct {
	netip.Prefix
	Link string
}

// Boot is what machines can load.
type Boot struct {
	Has      func(name string) bool // whether a request for a file of that name is answered with one
	Programs []Program
	Live     []Live
}

// Program is one that firmware asks for.
type Program struct {
	Name    string // as it asks
	For     string // which firmware that is
	Path    string // of the file that it gets, "" if there is none
	Advice  string // how to get it
	Content nbp.Content
}

// Live is a live environment of one architecture.
type Live struct{ Arch, Missing string }

// Examine says what it makes of the facts.
func Examine(f Facts, now time.Time) wire.Diagnosis {
	e := &examination{Facts: f, now: now, requests: map[string][]*wire.Sighting{}}
	for i, s := range f.Seen.Sightings {
		e.requests[s.MAC] = append(e.requests[s.MAC], &f.Seen.Sightings[i])
	}
	e.exchanges()
	e.dhcp()
	e.machines()
	e.host()
	d := wire.Diagnosis{At: now, Findings: e.findings, Servers: e.servers(), Site: e.site()}
	Sort(d.Findings)
	d.Findings = d.Findings[:min(len(d.Findings), maxFindings)]
	d.Snippets = e.snippets()
	return d
}

// Strangers can make up servers and machines: what is said of them has an end.
const (
	maxFindings = 100
	maxServers  = 50
	maxOffers   = 20 // of a server
)

// ExamineHost says what it makes of the facts of the host alone.
func ExamineHost(f Facts, now time.Time) []wire.Finding {
	e := &examination{Facts: f, now: now}
	e.host()
	Sort(e.findings)
	return e.findings
}

// examination is the work of one Examine.
type examination struct {
	Facts
	now      time.Time
	requests map[string][]*wire.Sighting // by MAC
	exchange []exchange
	findings []wire.Finding
}

func (e *examination) find(f wire.Finding) { e.findings = append(e.findings, f) }

// rank orders severities, the worst first.
func rank(s wire.Severity) int {
	return slices.Index([]wire.Severity{wire.SeverityError, wire.SeverityWarning, wire.SeverityNote, wire.SeverityOK}, s)
}

// Sort puts the worst first, and else keeps the order.
func Sort(list []wire.Finding) {
	slices.SortStableFunc(list, func(a, b wire.Finding) int { return rank(a.Severity) - rank(b.Severity) })
}

// IsBad reports whether somebody should look.
func IsBad(s wire.Severity) bool { return s == wire.SeverityWarning || s == wire.SeverityError }

// and lists words for people.
func and(words []string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}
