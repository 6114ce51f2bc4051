package doctor

import (
	"fmt"
	"slices"

	"bty/internal/wire"
)

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
