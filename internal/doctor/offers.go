package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"bty/internal/nbp"
	"bty/internal/wire"
)

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
