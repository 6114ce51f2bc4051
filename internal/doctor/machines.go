package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"bty/internal/wire"
)

const (
	// patience is for how long a machine may take from its address to its first request.
	patience = 2 * time.Minute
	// recently is for how long it is worth saying that something did not come.
	recently = time.Hour
	// answerTime is how long a DHCP server takes at most, with all the relays in between.
	answerTime = 15 * time.Second
	// manyRequests of iPXE in a row, with no pause of minutes, are no longer those of one boot.
	manyRequests = 12
	// maxSilent bounds the findings of single machines.
	maxSilent = 20
)

// silence says when requests were seen and no answer, which is no fault: what goes to one machine
// alone a switch does not show to others.
func (e *examination) silence() {
	if len(e.Seen.Sightings) == 0 {
		e.find(wire.Finding{ID: "dhcp.nothing-seen", Severity: wire.SeverityNote, SubjectKind: host, Subject: host, Title: "Nothing seen",
			What: "No DHCP request of a machine was seen in the last day.",
			Why:  "What DHCP servers tell machines cannot be judged before one is switched on. Nothing may be wrong.",
			Next: "Switch a machine on. If it boots and nothing is seen, look at the sniffer (systemctl status bty-sniff), and whether this host is in the machines' LAN.", Page: "netboot"})
		return
	}
	answered := map[string]bool{}
	for _, a := range e.Seen.Answers {
		answered[a.MAC] = true
	}
	var unanswered []string
	said := map[string]bool{}
	for _, s := range e.Seen.Sightings {
		age := e.now.Sub(s.At)
		if clientOf(s.Asker()).isFirmware() && !answered[s.MAC] && age > answerTime && age < recently && !said[s.MAC] {
			said[s.MAC] = true
			unanswered = append(unanswered, s.MAC)
		}
	}
	if len(unanswered) == 0 {
		return
	}
	f := wire.Finding{ID: "dhcp.no-answer-seen", Severity: wire.SeverityNote, SubjectKind: clients, Subject: "answers", Title: "No answer seen",
		What: fmt.Sprintf("%s asked for an address and no answer was seen.", count(len(unanswered), "machine")),
		Why:  "That is no fault by itself: answers may go to the machine alone, and a switch does not show them to this host. What is in them cannot be judged then.",
		Next: "If the machines do get an address, all is well. If they do not, look at the DHCP server of their LAN.", Machines: few(unanswered), Page: "netboot"}
	if len(e.Seen.Answers) > 0 {
		f.Next = "Other machines' answers were seen: if these get no address, look whether the server's pool is full, or whether they are in a VLAN without a server."
	}
	e.find(f)
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// machines looks at what became of machines that were told what to load.
func (e *examination) machines() {
	e.silentMachines()
	e.loops()
}

// silentMachines got an address and a bootfile of ours, and then asked nobody here.
func (e *examination) silentMachines() {
	if e.Request == nil {
		return
	}
	silent, more := 0, 0
	for _, x := range e.acknowledged() {
		since := e.now.Sub(x.At)
		address, _ := netip.ParseAddr(x.Address)
		if since < patience || since > recently || e.Request(x.MAC, address).After(x.At.Add(-answerTime)) {
			continue
		}
		if silent++; silent > maxSilent {
			more++
			continue
		}
		e.find(wire.Finding{ID: "machine.silent", Severity: wire.SeverityWarning, SubjectKind: aClient, Subject: x.MAC, Title: "Never asked",
			What: fmt.Sprintf("%s got the address %s and was told to load %s, and has asked for nothing since.", x.MAC, x.Address, x.words()),
			Why:  "Between DHCP and the first request lie a firewall, a switch port that is not forwarding yet, the TFTP server, or a firmware that boots its disk instead.",
			Next: "Look whether anything drops " + e.door(x) + " to this host (bty-lab doctor, as root, looks at its firewall), whether bty-tftp.socket is active, and at the machine's screen.",
			Page: "netboot"})
	}
	if more > 0 {
		e.find(wire.Finding{ID: "machine.silent-more", Severity: wire.SeverityWarning, SubjectKind: clients, Subject: "silent machines", Title: "Never asked",
			What: count(more, "more machine") + " got an address and a bootfile and asked for nothing since.", Why: "See the others.", Next: "See the others.", Page: "netboot"})
	}
}

// acknowledged are the firmware's exchanges that lead here, the newest of each machine.
func (e *examination) acknowledged() (list []exchange) {
	newest := map[string]exchange{}
	for _, x := range e.exchange {
		ours, known := e.isOurs(x.target().host)
		if x.client.isFirmware() && x.Bootfile != "" && known && ours && x.At.After(newest[x.MAC].At) {
			if x.Address == "" {
				x.Address = e.leaseOf(x.MAC)
			}
			newest[x.MAC] = x
		}
	}
	for _, x := range newest {
		if x.Address != "" {
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(a, b exchange) int { return b.At.Compare(a.At) })
	return list
}

// leaseOf is the address that a machine got beside what a proxy told it.
func (e *examination) leaseOf(mac string) (address string) {
	var at time.Time
	for _, x := range e.exchange {
		if x.MAC == mac && x.Address != "" && x.At.After(at) {
			address, at = x.Address, x.At
		}
	}
	return address
}

func (e *examination) door(x exchange) string {
	if x.target().url != nil {
		return fmt.Sprintf("TCP port %d", e.Network.Port)
	}
	return "UDP port 69"
}

// loops are machines whose iPXE starts again and again and never asks for its script.
func (e *examination) loops() {
	if e.Script == nil {
		return
	}
	for _, s := range e.Seen.Sightings {
		if !s.FromIPXE() || s.Count < manyRequests || e.now.Sub(s.At) > recently {
			continue
		}
		i := slices.IndexFunc(e.exchange, func(x exchange) bool { return x.MAC == s.MAC && x.client.method == byIPXE })
		if i < 0 || e.Script(s.MAC).After(s.At.Add(-oneBoot)) {
			continue
		}
		x := e.exchange[i]
		told := "and is told no bootfile"
		if x.Bootfile != "" {
			told = "and is told to load " + x.words()
		}
		e.find(wire.Finding{ID: "machine.ipxe-loop", Severity: wire.SeverityError, SubjectKind: aClient, Subject: s.MAC, Title: "iPXE loops",
			What:     fmt.Sprintf("iPXE on %s asked for an address %d times in a row, %s; it has not asked for its script.", s.MAC, s.Count, told),
			Why:      "An iPXE that is given its own program again loads itself for ever.",
			Next:     "Let the next server be the appliance, which tells iPXE apart by itself; or let the DHCP server tell clients of the user class iPXE (option 77) the URL of /pxe-bootstrap.ipxe.",
			Snippets: byFirmware(), Page: "netboot"})
	}
}
