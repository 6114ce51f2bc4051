package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bty/internal/nbp"
	"bty/internal/tftp/probe"
	"bty/internal/wire"
)

// TFTP is what became of asking the TFTP server.
type TFTP struct {
	Outcome probe.Outcome
	Host    string
	Port    int
}

// Port is one that a daemon of the appliance is to have.
type Port struct {
	Network string // udp or tcp
	Number  int
	Daemon  string // that is to have it
	Unit    string // whose socket unit
	// Holders are who has it: none is nobody. Hidden are holders that cannot be seen without rights.
	Holders []Process
	Hidden  bool
}

func (p Port) String() string {
	return fmt.Sprintf("%s port %d", map[string]string{"udp": "UDP", "tcp": "TCP"}[p.Network], p.Number)
}

// Process is one of this host. For a socket that systemd holds it is systemd, and Unit the
// socket's unit.
type Process struct {
	PID  int
	Name string
	Unit string
}

func (p Process) String() string {
	s := p.Name
	if p.PID > 0 {
		s += fmt.Sprintf(" (pid %d", p.PID)
		if p.Unit != "" {
			s += ", " + p.Unit
		}
		return s + ")"
	}
	return s
}

// Firewall is what the host's packet filter does with requests of machines.
type Firewall struct {
	By      string   // which was looked at
	Blocked []string // what it drops, in words: "UDP port 69"
	Unsure  []string // what it may drop: by rules that depend on more than the port
	Blind   string   // why it could not be looked at, "" if it could
	Next    string   // how to open what it drops
}

// Clock is the host's.
type Clock struct {
	Now          time.Time
	Synchronised bool
	Unknown      bool // whether it is synchronised could not be found out
}

// Disk is the file system that a folder is on.
type Disk struct {
	Folder     string
	For        string // what it is for
	Free, Size uint64 // bytes
	Err        string
}

// host looks at the machine that the appliance runs on.
func (e *examination) host() {
	e.down()
	e.advertised()
	e.tftp()
	e.ports()
	e.firewall()
	e.live()
	e.programs()
	e.clock()
	e.disks()
	e.password()
	e.instances()
	e.previous()
}

func (e *examination) onHost(id string, s wire.Severity, title, page, what, why, next string) {
	e.find(wire.Finding{ID: id, Severity: s, SubjectKind: host, Subject: host, Title: title, Page: page, What: what, Why: why, Next: next})
}

func (e *examination) down() {
	if e.Down == "" {
		return
	}
	e.onHost("host.down", wire.SeverityError, "bty-web", "", "bty-web could not be asked: "+e.Down+".",
		"What it knows of the LAN and of itself is missing here; if it is down, no machine gets an answer.",
		"Start it: systemctl enable --now bty-web.socket. journalctl -u bty-web says why it ended.")
}

func (e *examination) tftp() {
	const id, title = "host.tftp", "TFTP"
	switch a := e.TFTP; {
	case a == nil:
	case a.Outcome == probe.Serves:
		e.onHost(id, wire.SeverityOK, title, "netboot", "It answers with bty's script.", "", "")
	case a.Outcome == probe.Refuses:
		e.onHost(id, wire.SeverityWarning, title, "netboot", fmt.Sprintf("Another server answers at %s.", a.Host),
			"Machines that boot over PXE load from that one.", "It must have the boot programs itself; or stop it, and start ours: systemctl enable --now bty-tftp.socket.")
	default:
		e.onHost(id, wire.SeverityWarning, title, "netboot", fmt.Sprintf("Nobody answers at %s, port %d.", a.Host, a.Port),
			"Only UEFI HTTP Boot works.", "Start it: systemctl enable --now bty-tftp.socket.")
	}
}

// ports finds who has the ports that the daemons are to have.
func (e *examination) ports() {
	for _, p := range e.Ports {
		subject := fmt.Sprintf("%s/%d", p.Network, p.Number)
		f := wire.Finding{ID: "host.port-taken", SubjectKind: host, Subject: subject, Title: p.String(), Page: "netboot"}
		strangers := slices.DeleteFunc(slices.Clone(p.Holders), func(h Process) bool { return p.isOurs(h) })
		switch {
		case len(strangers) > 0:
			f.Severity = wire.SeverityError
			f.What = fmt.Sprintf("%s is held by %s.", p, and(processes(strangers)))
			f.Why = fmt.Sprintf("%s cannot have it: machines reach the other program, or nobody.", p.Daemon)
			f.Next = fmt.Sprintf("Stop that program and see that it stays off (%s), then: systemctl enable --now %s.", stop(strangers[0]), p.Unit)
		case p.Hidden:
			f.ID, f.Severity = "host.port-hidden", wire.SeverityNote
			f.What = fmt.Sprintf("%s is held by a process that this user may not see.", p)
			f.Why = fmt.Sprintf("It may be %s, or a program in its way.", p.Daemon)
			f.Next = "Run bty-lab doctor as root."
		case len(p.Holders) == 0:
			f.ID, f.Severity = "host.port-free", wire.SeverityWarning
			f.What = fmt.Sprintf("Nobody listens on %s.", p)
			f.Why = fmt.Sprintf("%s does not run, and nothing starts it.", p.Daemon)
			f.Next = fmt.Sprintf("systemctl enable --now %s starts it.", p.Unit)
		default:
			f.ID, f.Severity = "host.port", wire.SeverityOK
			f.What = fmt.Sprintf("%s is held by %s.", p, and(processes(p.Holders)))
		}
		e.find(f)
	}
}

// isOurs reports whether a holder is the daemon itself, or systemd for its socket unit.
func (p Port) isOurs(h Process) bool {
	if h.Name == p.Daemon {
		return true
	}
	return h.PID == 1 && (h.Unit == "" || h.Unit == p.Unit)
}

func stop(p Process) string {
	if p.Unit != "" {
		return "systemctl disable --now " + p.Unit
	}
	return fmt.Sprintf("kill %d", p.PID)
}

func processes(list []Process) (names []string) {
	for _, p := range list {
		names = append(names, p.String())
	}
	return names
}

func (e *examination) firewall() {
	const title = "Firewall"
	switch w := e.Rules; {
	case w == nil:
	case w.Blind != "":
		e.onHost("host.firewall-unseen", wire.SeverityNote, title, "", "The firewall could not be looked at: "+w.Blind+".",
			"It may drop requests of machines.", cmp.Or(w.Next, "Run bty-lab doctor as root on the appliance's host."))
	case len(w.Blocked) > 0:
		e.onHost("host.firewall", wire.SeverityError, title, "", fmt.Sprintf("%s drops what comes to %s.", w.By, and(w.Blocked)),
			"Machines' requests do not arrive.", w.Next)
	case len(w.Unsure) > 0:
		e.onHost("host.firewall-unsure", wire.SeverityNote, title, "", fmt.Sprintf("%s may drop what comes to %s: that depends on where from, or on rules that were not understood.", w.By, and(w.Unsure)),
			"Machines' requests may not arrive.", "See that the machines' LAN is let in. "+w.Next)
	default:
		e.onHost("host.firewall", wire.SeverityOK, title, "", w.By+" lets machines in.", "", "")
	}
}

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

func (e *examination) clock() {
	c := e.Clock
	if c == nil {
		return
	}
	const id, title = "host.clock", "Clock"
	switch year := c.Now.Year(); {
	case year < firstYear || year > lastYear:
		e.onHost(id, wire.SeverityError, title, "", fmt.Sprintf("The clock says %s.", c.Now.UTC().Format("2006-01-02 15:04 MST")),
			"Events get wrong times, sessions and certificates do not hold, and backups are pruned by the wrong day.", "Set it: timedatectl set-ntp true, or timedatectl set-time.")
	case c.Unknown:
	case !c.Synchronised:
		e.onHost(id, wire.SeverityWarning, title, "", "The clock is not synchronised.", "Times of events drift away from those of other hosts.", "timedatectl set-ntp true starts it; timedatectl timesync-status says why it does not work.")
	default:
		e.onHost(id, wire.SeverityOK, title, "", "It is synchronised.", "", "")
	}
}

// Years that a clock which was ever set can say.
const firstYear, lastYear = 2025, 2100

// The least that should be free on a disk, in bytes and in parts of it.
const (
	littleSpace = 1 << 30
	noSpace     = 200 << 20
	littlePart  = 10 // percent
)

func (e *examination) disks() {
	for _, d := range e.Disks {
		f := wire.Finding{ID: "host.space", Severity: wire.SeverityOK, SubjectKind: host, Subject: d.Folder, Title: "Disk space"}
		switch {
		case d.Err != "":
			f.Severity, f.What, f.Why, f.Next = wire.SeverityWarning, d.Folder+" cannot be looked at: "+d.Err+".", "It holds "+d.For+".", "See that it is there and that bty-web may read it."
		case d.Free < noSpace:
			f.Severity, f.What = wire.SeverityError, fmt.Sprintf("Only %d MB are free under %s.", d.Free/1e6, d.Folder)
			f.Why, f.Next = "Soon nothing can be recorded.", "Free some space."
		case d.Free < littleSpace || d.Size > 0 && d.Free < d.Size/littlePart:
			f.Severity, f.What = wire.SeverityWarning, fmt.Sprintf("%.1f GB of %.0f GB are free under %s.", float64(d.Free)/1e9, float64(d.Size)/1e9, d.Folder)
			f.Why, f.Next = "A boot file or a backup may not fit.", "Free some space."
		default:
			f.What = fmt.Sprintf("%.3g GB are free for %s.", float64(d.Free)/1e9, d.For)
		}
		e.find(f)
	}
}

func (e *examination) password() {
	const id, title = "host.password", "Password"
	switch {
	case e.Default == nil:
	case *e.Default:
		e.onHost(id, wire.SeverityWarning, title, "account", "The well-known default is in force.", "Whoever reaches the port is the operator.",
			"Set your own: [admin] password in bty.toml, or BTY_ADMIN_PASSWORD.")
	default:
		e.onHost(id, wire.SeverityOK, title, "account", "Your own.", "", "")
	}
}

func (e *examination) instances() {
	if len(e.Daemons) < 2 {
		return
	}
	e.onHost("host.instances", wire.SeverityWarning, "Two instances", "", fmt.Sprintf("%d bty-web run on this host: %s.", len(e.Daemons), and(processes(e.Daemons))),
		"Machines talk to one of them, and you perhaps to the other.", "Stop those that are not meant.")
}

func (e *examination) previous() {
	if e.OldDB == "" {
		return
	}
	e.onHost("host.previous", wire.SeverityNote, "Previous system", "", e.OldDB+" is the database of the previous bty; it was not read.",
		"Its machines and images are not known here.", "Take them over: bty-lab import "+e.OldDB+".")
}

func ofVersion(v string) string {
	if v == "" {
		return ""
	}
	return " " + v
}
