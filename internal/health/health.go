// Package health looks at what an installation needs before machines can be flashed, and says what
// is missing and what to do about it.
package health

import (
	"fmt"
	"slices"
	"strings"

	"bty/internal/wire"
)

// Level says how bad a finding is.
type Level string

const (
	OK   Level = "ok"
	Warn Level = "warn" // works, but somebody should look
	Bad  Level = "bad"  // machines cannot be flashed
)

// Finding is what one look found.
type Finding struct {
	Level  Level
	Name   string // of what was looked at
	Detail string // how it is, and the next step if it is not well
	Page   string // the section of the pages where it can be mended, "" for none
}

// Config is what to look at.
type Config struct {
	Doctor   func() wire.Diagnosis // of netboot and of the host
	Images   func() (int, error)   // how many images the catalog has
	Failures func() (int, error)   // that nobody has acknowledged
}

// Check looks at everything.
func (c Config) Check() []Finding {
	findings := c.Doctor().Findings
	return append(onHost(findings), c.catalog(), c.failures(), dhcp(findings))
}

var levels = map[wire.Severity]Level{wire.SeverityOK: OK, wire.SeverityNote: OK, wire.SeverityWarning: Warn, wire.SeverityError: Bad}

// onHost is what the doctor says of the appliance itself. What is only good to know is on its own page.
func onHost(findings []wire.Finding) (list []Finding) {
	for _, f := range findings {
		if strings.HasPrefix(f.ID, "host.") && f.Severity != wire.SeverityNote {
			list = append(list, Finding{levels[f.Severity], f.Title, strings.TrimSpace(f.What + " " + f.Next), f.Page})
		}
	}
	slices.SortStableFunc(list, func(a, b Finding) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// dhcp is one line for all that the doctor says of the LAN, which may be much.
func dhcp(findings []wire.Finding) Finding {
	const name, page = "DHCP", "netboot"
	well, worst, many := 0, Finding{}, 0
	for _, f := range findings {
		switch {
		case strings.HasPrefix(f.ID, "host."):
		case f.Severity == wire.SeverityOK:
			well++
		case f.Severity != wire.SeverityNote:
			if many++; many == 1 { // they come the worst first
				worst = Finding{levels[f.Severity], name, f.What, page}
			}
		}
	}
	switch {
	case many > 1:
		worst.Detail += fmt.Sprintf(" The Netboot page has %d more.", many-1)
		return worst
	case many == 1:
		worst.Detail += " The Netboot page says what to do."
		return worst
	case well > 0:
		return Finding{OK, name, "Machines that were seen are told the right things.", page}
	}
	return Finding{OK, name, "Nothing is known to be wrong: no machine was seen that was told what to load.", page}
}

func (c Config) catalog() Finding {
	const name = "Catalog"
	n, err := c.Images()
	switch {
	case err != nil:
		return unreadable(name)
	case n == 0:
		return Finding{Bad, name, "There is no image to flash. Add one.", "images"}
	case n == 1:
		return Finding{OK, name, "1 image.", "images"}
	}
	return Finding{OK, name, fmt.Sprintf("%d images.", n), "images"}
}

func (c Config) failures() Finding {
	const name = "Failures"
	n, err := c.Failures()
	switch {
	case err != nil:
		return unreadable(name)
	case n == 0:
		return Finding{OK, name, "None that nobody has looked at.", "events"}
	}
	return Finding{Warn, name, fmt.Sprintf("%d that nobody has acknowledged.", n), "events"}
}

func unreadable(name string) Finding {
	return Finding{Bad, name, "It cannot be read; the journal has the cause: journalctl -u bty-web", ""}
}
