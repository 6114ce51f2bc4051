package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"bty/internal/nbp"
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

// disagreements are machines to which servers name different programs: which one they take depends
// on who is faster, and on the firmware.
func (e *examination) disagreements(g group) {
	said := map[string]string{} // by server
	var machines []string
	for _, list := range byMachine(g.told) {
		told := map[string]string{} // by server
		different := map[string]bool{}
		for _, x := range list {
			if x.Bootfile != "" || x.isMenu() {
				told[x.server()] = x.words()
				different[x.words()] = true
			}
		}
		if len(told) < 2 || len(different) < 2 {
			continue
		}
		machines = append(machines, list[0].MAC)
		for server, what := range told {
			said[server] = what
		}
	}
	if len(machines) == 0 {
		return
	}
	var list []string
	for server, what := range said {
		list = append(list, server+" says "+what)
	}
	slices.Sort(list)
	e.find(wire.Finding{ID: "dhcp.servers-disagree", Severity: wire.SeverityWarning, SubjectKind: clients, Subject: g.subject(), Title: "Servers disagree",
		What: fmt.Sprintf("Several servers tell %s what to load: %s.", g.client, and(list)),
		Why:  "Which one a machine takes depends on which answers first, and on its firmware: it may boot today and not tomorrow.",
		Next: "Leave the boot options to one server, and take option 60, 66, 67 and the next server out of the others.", Machines: few(machines), Snippets: byFirmware(), Page: "netboot"})
}

// isMenu reports whether a proxy names itself alone: it is asked for the program on port 4011.
func (x exchange) isMenu() bool { return x.Bootfile == "" && x.Address == "" && x.Class == classPXE }

// words say what a machine is told to load.
func (x exchange) words() string {
	if x.isMenu() {
		return "to ask it on port 4011"
	}
	if x.isURL() {
		return x.Bootfile
	}
	return fmt.Sprintf("%s from %s", x.Bootfile, x.target().name)
}

// offers looks at each thing that is told: each kind of mistake is said once for a server and a kind
// of client.
func (e *examination) offers(g group) {
	for _, x := range g.told {
		if x.Bootfile == "" {
			continue
		}
		for _, f := range e.offer(x) {
			f.SubjectKind, f.Page = aServer, "netboot"
			f.Subject = x.server() + ", " + g.subject()
			e.also(f, x.MAC)
		}
	}
}

// also adds a finding about a machine, or the machine to the one that is there.
func (e *examination) also(f wire.Finding, mac string) {
	if len(e.findings) > 10*maxFindings {
		return
	}
	i := slices.IndexFunc(e.findings, func(known wire.Finding) bool { return known.Key() == f.Key() })
	if i < 0 {
		i = len(e.findings)
		e.find(f)
	}
	if known := &e.findings[i]; len(known.Machines) < fewMachines && !slices.Contains(known.Machines, mac) {
		known.Machines = append(known.Machines, mac)
	}
}

func (e *examination) offer(x exchange) []wire.Finding {
	switch {
	case x.client.method == overHTTP && !x.isURL():
		return []wire.Finding{{ID: "dhcp.http-no-url", Severity: wire.SeverityError, Title: "No URL",
			What:     fmt.Sprintf("%s tells %s to load %q, which is no URL.", x.server(), x.client, x.Bootfile),
			Why:      "UEFI HTTP Boot takes nothing but a URL that begins with http://.",
			Next:     fmt.Sprintf("Tell these clients (option 93 is 16 for x86_64, 19 for arm64) a URL: %s.", e.example(x.client)),
			Snippets: byFirmware()}}
	case x.client.method == overHTTP && !strings.HasPrefix(x.Class, classHTTP):
		return append(e.where(x), wire.Finding{ID: "dhcp.http-no-echo", Severity: wire.SeverityError, Title: "No HTTPClient",
			What:     fmt.Sprintf("%s tells %s to load %s without the vendor class HTTPClient in option 60.", x.server(), x.client, x.Bootfile),
			Why:      "UEFI takes an answer without it for one that has nothing to do with HTTP Boot, and drops it.",
			Next:     "Send option 60 with the value HTTPClient to clients that ask with that class.",
			Snippets: byFirmware()})
	case x.client.method == overTFTP && x.isURL() && !strings.HasPrefix(x.Bootfile, "tftp://"):
		return []wire.Finding{{ID: "dhcp.url-for-pxe", Severity: wire.SeverityError, Title: "URL for PXE",
			What:     fmt.Sprintf("%s tells %s to load %s.", x.server(), x.client, x.Bootfile),
			Why:      "PXE loads over TFTP: the firmware asks for a file of that name, which nobody has.",
			Next:     fmt.Sprintf("Tell these clients the name of a file: %s. Only clients of the class HTTPClient are to get a URL.", e.example(x.client)),
			Snippets: byFirmware()}}
	}
	if program := nbp.FirmwareOf(x.target().file); x.client.isFirmware() && !x.client.firmware.Runs(program) {
		return []wire.Finding{{ID: "dhcp.wrong-program", Severity: wire.SeverityError, Title: "Wrong program",
			What:     fmt.Sprintf("%s tells %s to load %s, which is for %s.", x.server(), x.client, x.Bootfile, program),
			Why:      "The firmware loads it, cannot run it, and goes on to its next boot device.",
			Next:     fmt.Sprintf("Tell kinds of firmware apart by option 93: these are to load %s.", e.example(x.client)),
			Snippets: byFirmware()}}
	}
	return e.where(x)
}

// example is the bootfile that is right for a kind of client.
func (e *examination) example(c client) string {
	names := map[nbp.Firmware]string{nbp.BIOS: "undionly.kpxe", nbp.ARM64: "ipxe-arm64.efi", nbp.IA32: "ipxe-i386.efi", nbp.RISCV64: "ipxe-riscv64.efi", nbp.Loong64: "ipxe-loong64.efi"}
	name := cmp.Or(names[c.firmware], "ipxe.efi")
	if c.method != overHTTP {
		return name
	}
	at := "ADDRESS"
	if a := e.address(); a.IsValid() {
		at = fmt.Sprintf("%s:%d", a, e.Network.Port)
	}
	return "http://" + at + "/boot/" + name
}

// where looks at the place that a machine is sent to.
func (e *examination) where(x exchange) []wire.Finding {
	to := x.target()
	ours, known := e.isOurs(to.host)
	switch {
	case !known:
		return nil
	case !ours:
		return []wire.Finding{e.elsewhere(x, to)}
	case to.url != nil && to.url.Scheme == "http" && cmp.Or(to.url.Port(), "80") != fmt.Sprint(e.Network.Port):
		return []wire.Finding{{ID: "dhcp.wrong-port", Severity: wire.SeverityError, Title: "Wrong port",
			What:     fmt.Sprintf("%s sends %s to port %s of the appliance: %s.", x.server(), x.client, cmp.Or(to.url.Port(), "80"), x.Bootfile),
			Why:      fmt.Sprintf("bty-web listens on port %d.", e.Network.Port),
			Next:     fmt.Sprintf("Set the URL's port to %d.", e.Network.Port),
			Snippets: byFirmware()}}
	}
	if e.Boot == nil || e.has(to) {
		return nil
	}
	f := wire.Finding{ID: "dhcp.missing-file", Severity: wire.SeverityError, Title: "Missing file",
		What: fmt.Sprintf("%s tells %s to load %s from the appliance, which has no such file.", x.server(), x.client, x.Bootfile),
		Why:  "The machine asks for it, is refused, and goes on to its next boot device.",
		Next: fmt.Sprintf("Put the file into the boot folder, or name one that is there: %s.", e.example(x.client)), Snippets: anyBootfile()}
	if advice := nbp.Advice(to.file); advice != "" && to.url == nil {
		f.Next = fmt.Sprintf("To have %s, %s.", to.file, advice)
		f.Snippets = nil
	}
	return []wire.Finding{f}
}

// has reports whether the appliance answers a request for what a machine is sent to.
func (e *examination) has(to target) bool {
	if to.url == nil {
		return nbp.IsAutoexec(to.file) || e.Boot.Has(to.file)
	}
	name, isBoot := strings.CutPrefix(to.file, "boot/")
	switch {
	case isBoot:
		return nbp.IsAutoexec(name) || e.Boot.Has(name)
	default:
		return to.file == "pxe-bootstrap.ipxe" || strings.HasPrefix(to.file, "pxe/")
	}
}

func (e *examination) elsewhere(x exchange, to target) wire.Finding {
	f := wire.Finding{ID: "dhcp.other-host", Severity: wire.SeverityWarning, Title: "Another host",
		What:     fmt.Sprintf("%s sends %s to %s for %s, which is not this appliance.", x.server(), x.client, to.name, x.Bootfile),
		Why:      "The machine loads what that host has: it never asks here, unless that is an iPXE that is led here.",
		Next:     fmt.Sprintf("Set the next server (siaddr) and option 66 to %s.", e.ownAddress()),
		Snippets: anyBootfile()}
	if to.name == x.server() && x.NextServer == "" && !x.isURL() {
		f.Why = "No next server is named, so that firmware takes the DHCP server itself for it. " + f.Why
	}
	if x.client.method == byIPXE {
		f.Why = "iPXE that is given its own program again from a host that does not tell it apart loads itself for ever."
	}
	if to.url != nil {
		f.Next = fmt.Sprintf("Let the URL name %s.", e.ownAddress())
	}
	return f
}

func (e *examination) ownAddress() string {
	if a := e.address(); a.IsValid() {
		return a.String()
	}
	return "the appliance's address"
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
