// Package health looks at what an installation needs before machines can be flashed, and says what
// is missing and what to do about it.
package health

import (
	"fmt"

	"golang.org/x/sys/unix"

	"bty/internal/tftp/probe"
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
	Missing   func(arch string) string       // the first file that is missing of a live environment
	Program   func(name string) (found bool) // whether firmware that asks for it gets a boot program
	Images    func() (int, error)            // how many images the catalog has
	Failures  func() (int, error)            // that nobody has acknowledged
	TFTP      func() (probe.Answer, bool)    // what became of asking the TFTP server, and whether it was asked
	IsDefault func() bool                    // whether the well-known password is in force
	StateDir  string
}

// Check looks at everything.
func (c Config) Check() []Finding {
	return append(c.service(), c.live(), c.programs(), c.catalog(), c.failures(), c.password(), c.space())
}

// service is empty until the TFTP server was asked.
func (c Config) service() []Finding {
	const name = "TFTP"
	switch answer, asked := c.TFTP(); {
	case !asked:
		return nil
	case answer.Outcome == probe.Serves:
		return []Finding{{OK, name, "It answers with bty's script.", "netboot"}}
	case answer.Outcome == probe.Refuses:
		return []Finding{{Warn, name, fmt.Sprintf("Another server answers at %s: it must have the boot programs itself.", answer.Host), "netboot"}}
	default:
		return []Finding{{Warn, name, fmt.Sprintf("Nobody answers at %s, port %d: only UEFI HTTP Boot works. systemctl enable --now bty-tftp.socket starts it.", answer.Host, answer.Port), "netboot"}}
	}
}

func (c Config) live() Finding {
	if missing := c.Missing("x86_64"); missing != "" {
		return Finding{Bad, "Live environment", missing + " is missing: machines cannot be flashed or inventoried. Install one.", "netboot"}
	}
	if c.Missing("arm64") != "" {
		return Finding{OK, "Live environment", "x86_64 is installed; arm64 is not.", "netboot"}
	}
	return Finding{OK, "Live environment", "x86_64 and arm64 are installed.", "netboot"}
}

// bootPrograms are what firmware asks for, by what kind it is.
var bootPrograms = []struct{ name, firmware string }{{"ipxe.efi", "UEFI"}, {"undionly.kpxe", "BIOS"}}

func (c Config) programs() Finding {
	var missing []string
	for _, p := range bootPrograms {
		if !c.Program(p.name) {
			missing = append(missing, fmt.Sprintf("%s for %s", p.name, p.firmware))
		}
	}
	const name = "Boot programs"
	switch len(missing) {
	case 0:
		return Finding{OK, name, "iPXE is there for UEFI and for BIOS.", "netboot"}
	case 1:
		return Finding{Warn, name, missing[0] + " is missing. Install the distribution's package ipxe.", "netboot"}
	}
	return Finding{Bad, name, missing[0] + " and " + missing[1] + " are missing: no machine can boot. Install the distribution's package ipxe.", "netboot"}
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

func (c Config) password() Finding {
	if c.IsDefault() {
		return Finding{Warn, "Password", "The well-known default is in force. Set your own: [admin] password in bty.toml, or BTY_ADMIN_PASSWORD.", "account"}
	}
	return Finding{OK, "Password", "Your own.", "account"}
}

// The least that should be free on the disk of the state folder, in bytes.
const (
	littleSpace = 2 << 30
	noSpace     = 200 << 20
)

func (c Config) space() Finding {
	const name = "Disk space"
	var fs unix.Statfs_t
	if err := unix.Statfs(c.StateDir, &fs); err != nil {
		return Finding{Warn, name, fmt.Sprintf("%s cannot be looked at: %v", c.StateDir, err), ""}
	}
	return spaceLeft(fs.Bavail*uint64(fs.Bsize), c.StateDir)
}

func spaceLeft(free uint64, dir string) Finding {
	f := Finding{OK, "Disk space", fmt.Sprintf("%.3g GB free for the state.", float64(free)/1e9), ""}
	switch {
	case free < noSpace:
		f.Level, f.Detail = Bad, fmt.Sprintf("Only %d MB free under %s: soon nothing can be recorded. Free some space.", free/1e6, dir)
	case free < littleSpace:
		f.Level, f.Detail = Warn, fmt.Sprintf("%.1f GB free under %s. That is little: a boot file or a backup may not fit.", float64(free)/1e9, dir)
	}
	return f
}

func unreadable(name string) Finding {
	return Finding{Bad, name, "It cannot be read; the journal has the cause: journalctl -u bty-web", ""}
}
