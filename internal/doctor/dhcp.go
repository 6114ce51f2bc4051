package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bty/internal/wire"
)

// Kinds of subjects.
const (
	host    = "host"
	aServer = "server"
	clients = "clients"
	aClient = "machine"
)

// fewMachines is how many a finding names.
const fewMachines = 5

// group is all that clients of one kind were told in one LAN.
type group struct {
	lan    lan
	client client
	told   []exchange
}

func (g group) subject() string {
	s := g.client.String()
	if g.lan.link != "" {
		s += " on " + g.lan.link
	}
	if g.lan.vlan != 0 {
		s += fmt.Sprintf(" VLAN %d", g.lan.vlan)
	}
	return s
}

// dhcp looks at what servers tell machines that boot.
func (e *examination) dhcp() {
	groups := e.groups()
	for _, g := range groups {
		before := len(e.findings)
		if g.client.isFirmware() {
			e.withoutBootfile(g)
			e.disagreements(g)
		}
		e.offers(g)
		if len(e.findings) == before && g.client.isFirmware() {
			e.well(g)
		}
	}
	e.leases()
	e.silence()
}

func (e *examination) groups() (list []group) {
	type key struct {
		lan    lan
		client client
	}
	at := map[key]int{}
	for _, x := range e.exchange {
		if x.client.method == other {
			continue
		}
		k := key{x.lan, x.client}
		i, known := at[k]
		if !known {
			i = len(list)
			at[k] = i
			list = append(list, group{lan: x.lan, client: x.client})
		}
		list[i].told = append(list[i].told, x)
	}
	return list
}

// byMachine is what each machine was told.
func byMachine(list []exchange) (each [][]exchange) {
	at := map[string]int{}
	for _, x := range list {
		i, known := at[x.MAC]
		if !known {
			i = len(each)
			at[x.MAC] = i
			each = append(each, nil)
		}
		each[i] = append(each[i], x)
	}
	return each
}

// macs are the machines of exchanges, each once.
func macs(list []exchange) (names []string) {
	for _, told := range byMachine(list) {
		names = append(names, told[0].MAC)
	}
	return names
}

func few(names []string) []string { return names[:min(len(names), fewMachines)] }

// withoutBootfile are machines to which no server named a program. A proxy that names itself alone
// is asked on port 4011, where its answer is for one machine and may not be seen.
func (e *examination) withoutBootfile(g group) {
	var without []exchange
	for _, told := range byMachine(g.told) {
		if !slices.ContainsFunc(told, func(x exchange) bool { return x.Bootfile != "" || x.isMenu() }) {
			without = append(without, told...)
		}
	}
	if len(without) == 0 {
		return
	}
	f := wire.Finding{ID: "dhcp.no-bootfile", Severity: wire.SeverityError, SubjectKind: clients, Subject: g.subject(), Title: "No bootfile",
		What: fmt.Sprintf("%s offers %s an address and no bootfile (option 67), and nobody else offers one.", and(serversOf(without)), g.client),
		Why:  "The firmware has nothing to load and goes on to its next boot device.",
		Next: "Set the bootfile and the next server in the LAN's DHCP server. If that one cannot be changed, dnsmasq as a proxy beside it adds them.", Machines: few(macs(without)), Snippets: anyBootfile(), Page: "netboot"}
	if g.client.method == overHTTP {
		f.Snippets = byFirmware()
		f.What = fmt.Sprintf("%s offers %s an address and no URL, and nobody else offers one.", and(serversOf(without)), g.client)
		if e.getByPXE(without) {
			f.ID, f.Severity, f.Title = "dhcp.no-http-boot", wire.SeverityNote, "No HTTP Boot"
			f.Why = "Nothing is wrong: the same machines are told a program over PXE. HTTP Boot is faster, and needs no TFTP."
			f.Next = "To have it, tell these clients apart by option 93."
		}
	}
	e.find(f)
}

// getByPXE reports whether all of these machines are told a program when they ask over PXE.
func (e *examination) getByPXE(list []exchange) bool {
	told := map[string]bool{}
	for _, x := range e.exchange {
		told[x.MAC] = told[x.MAC] || x.client.method == overTFTP && x.Bootfile != ""
	}
	return !slices.ContainsFunc(list, func(x exchange) bool { return !told[x.MAC] })
}

func serversOf(list []exchange) (names []string) {
	for _, x := range list {
		if name := x.server(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// well says what works.
func (e *examination) well(g group) {
	var told []string
	last := time.Time{}
	for _, x := range g.told {
		if x.Bootfile == "" {
			continue
		}
		if words := x.words(); !slices.Contains(told, words) {
			told = append(told, words)
		}
		if x.At.After(last) {
			last = x.At
		}
	}
	if len(told) == 0 {
		return
	}
	e.find(wire.Finding{ID: "dhcp.well", Severity: wire.SeverityOK, SubjectKind: clients, Subject: g.subject(), Title: "DHCP",
		What: fmt.Sprintf("%s is told to load %s.", g.client, and(told)), Why: "That is right.", Machines: few(macs(g.told)), Page: "netboot"})
}

// leases says when several servers give addresses in one LAN.
func (e *examination) leases() {
	by := map[lan][]exchange{}
	for _, x := range e.exchange {
		if x.Address != "" {
			by[x.lan] = append(by[x.lan], x)
		}
	}
	for l, list := range by {
		names := serversOf(list)
		if len(names) < 2 {
			continue
		}
		subject := cmp.Or(l.link, "the LAN")
		if l.vlan != 0 {
			subject += fmt.Sprintf(" VLAN %d", l.vlan)
		}
		e.find(wire.Finding{ID: "dhcp.two-servers", Severity: wire.SeverityNote, SubjectKind: clients, Subject: subject, Title: "Several DHCP servers",
			What: fmt.Sprintf("%s give addresses on %s.", and(names), subject),
			Why:  "A pair that shares its leases does so on purpose. Others give away each other's addresses.",
			Next: "If they are no pair, switch one of them off, or keep them apart by VLAN.", Machines: few(macs(list)), Page: "netboot"})
	}
}
