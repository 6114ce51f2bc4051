package doctor

import (
	"fmt"

	"bty/internal/nbp"
	"bty/internal/wire"
)

func (e *examination) live() {
	if e.Boot == nil || len(e.Boot.Live) == 0 {
		return
	}
	const id, title = "host.live", "Live environment"
	var there, missing []string
	for _, l := range e.Boot.Live {
		if l.Missing == "" {
			there = append(there, l.Arch)
		} else {
			missing = append(missing, l.Arch)
		}
	}
	first := e.Boot.Live[0] // what most machines are
	switch {
	case first.Missing != "":
		e.onHost(id, wire.SeverityError, title, "netboot", first.Missing+" is missing.", "Machines cannot be flashed or inventoried: they boot their disk.",
			"Install one: bty-lab liveenv build --install, or fetch a release on the Netboot page.")
	case len(missing) > 0:
		e.onHost(id, wire.SeverityOK, title, "netboot", fmt.Sprintf("%s is installed; %s is not.", and(there), and(missing)), "", "")
	default:
		e.onHost(id, wire.SeverityOK, title, "netboot", and(there)+" are installed.", "", "")
	}
}

// programs looks at what firmware is served. The first two of the list are what most machines ask
// for; without the others nothing is wrong.
func (e *examination) programs() {
	if e.Boot == nil || len(e.Boot.Programs) == 0 {
		return
	}
	const title, page = "Boot programs", "netboot"
	e.missingPrograms(title, page)
	for _, p := range e.Boot.Programs {
		if c := p.Content; p.Path != "" && c.Readable && !c.Autoexec {
			e.find(wire.Finding{ID: "host.program-old", Severity: wire.SeverityWarning, SubjectKind: host, Subject: p.Name, Title: title, Page: page,
				What: fmt.Sprintf("%s, which machines get for %s, is an iPXE%s that does not ask for autoexec.ipxe.", p.Path, p.Name, ofVersion(c.Version)),
				Why:  "iPXE does so since 2021, and finds its script without a rule in the DHCP server. An older one gets it when it asks for its program again, which takes longer and fails behind a DHCP server that tells iPXE apart wrongly.",
				Next: "Put a newer iPXE into the boot folder: that of Debian 13 or Fedora, or upstream's."})
		}
		if c := p.Content; p.Path != "" && c.Firmware != "" && !c.Firmware.Runs(nbp.FirmwareOf(p.Name)) {
			e.find(wire.Finding{ID: "host.program-wrong", Severity: wire.SeverityError, SubjectKind: host, Subject: p.Name, Title: title, Page: page,
				What: fmt.Sprintf("%s, which machines get for %s, is a program for %s.", p.Path, p.Name, c.Firmware),
				Why:  fmt.Sprintf("%s cannot run it.", p.For), Next: "Put the right file in its place."})
		}
	}
}

func (e *examination) missingPrograms(title, page string) {
	var missing []string
	for i, p := range e.Boot.Programs {
		if p.Path == "" && i < 2 {
			missing = append(missing, fmt.Sprintf("%s (%s)", p.Name, p.For))
		}
	}
	const id, next = "host.programs", "Install the distribution's package ipxe (Debian) or ipxe-bootimgs-x86 (Fedora), or put the file into the boot folder."
	switch len(missing) {
	case 0:
		e.onHost(id, wire.SeverityOK, title, page, "iPXE is there for BIOS and for UEFI.", "", "")
	case 1:
		e.onHost(id, wire.SeverityWarning, title, page, missing[0]+" is missing.", "Machines of that kind cannot boot from here.", next)
	default:
		e.onHost(id, wire.SeverityError, title, page, and(missing)+" are missing.", "No machine can boot from here.", next)
	}
}
