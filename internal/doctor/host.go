package doctor

import (
	"cmp"
	"fmt"
	"slices"

	"bty/internal/owner"
	"bty/internal/tftp/probe"
	"bty/internal/wire"
)

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
	e.cache()
	e.password()
	e.instances()
	e.previous()
	e.stack()
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
		fmt.Sprintf("Start it: %s. %s says why it ended.", e.systemctl("enable --now bty-web.socket"), e.journalctl("-u bty-web")))
}

// systemctl is a command for the appliance's units.
func (f *Facts) systemctl(words string) string { return f.ofManager("systemctl ", words) }

func (f *Facts) journalctl(words string) string { return f.ofManager("journalctl ", words) }

func (f *Facts) ofManager(program, words string) string {
	if f.OfUser {
		return program + "--user " + words
	}
	return program + words
}

func (e *examination) tftp() {
	const id, title = "host.tftp", "TFTP"
	_, start := owner.Switch("bty-tftp.socket", e.InContainer)
	switch a := e.TFTP; {
	case a == nil:
	case a.Outcome == probe.Serves:
		e.onHost(id, wire.SeverityOK, title, "netboot", "It answers with bty's script.", "", "")
	case a.Outcome == probe.Refuses:
		e.onHost(id, wire.SeverityWarning, title, "netboot", fmt.Sprintf("Another server answers at %s.", a.Host),
			"Machines that boot over PXE load from that one.", "It must have the boot programs itself; or stop it, and start ours: "+start+".")
	default:
		e.onHost(id, wire.SeverityWarning, title, "netboot", fmt.Sprintf("Nobody answers at %s, port %d.", a.Host, a.Port),
			"Only UEFI HTTP Boot works.", "Start it: "+start+".")
	}
}

// ports finds who has the ports that the daemons are to have.
func (e *examination) ports() {
	for _, p := range e.Ports {
		subject := fmt.Sprintf("%s/%d", p.Network, p.Number)
		f := wire.Finding{ID: "host.port-taken", SubjectKind: host, Subject: subject, Title: p.String(), Page: "netboot"}
		strangers := p.Strangers()
		switch {
		case p.Optional && len(p.Holders) == 0:
			continue
		case p.Optional && len(strangers) > 0:
			f.ID, f.Severity = "host.port-other", wire.SeverityNote
			f.What = fmt.Sprintf("%s is held by %s.", p, and(processes(strangers)))
			f.Why = fmt.Sprintf("%s, which is off, could not have it.", p.Daemon)
			f.Next = fmt.Sprintf("Nothing, if that is meant. Else free it (%s) and %s, or give %s another port with a drop-in.", strangers[0].Stop(), e.systemctl("enable --now "+p.Unit), p.Unit)
		case len(strangers) > 0:
			f.Severity = wire.SeverityError
			f.What = fmt.Sprintf("%s is held by %s.", p, and(processes(strangers)))
			f.Why = fmt.Sprintf("%s cannot have it: machines reach the other program, or nobody.", p.Daemon)
			f.Next = fmt.Sprintf("Stop that program and see that it stays off (%s), then: %s.", strangers[0].Stop(), e.systemctl("enable --now "+p.Unit))
		case p.Hidden:
			f.ID, f.Severity = "host.port-hidden", wire.SeverityNote
			f.What = fmt.Sprintf("%s is held by a process that this user may not see.", p)
			f.Why = fmt.Sprintf("It may be %s, or a program in its way.", p.Daemon)
			f.Next = "Run bty-lab doctor as root."
		case len(p.Holders) == 0:
			f.ID, f.Severity = "host.port-free", wire.SeverityWarning
			f.What = fmt.Sprintf("Nobody listens on %s.", p)
			f.Why = fmt.Sprintf("%s does not run, and nothing starts it.", p.Daemon)
			f.Next = e.systemctl("enable --now "+p.Unit) + " starts it."
		default:
			f.ID, f.Severity = "host.port", wire.SeverityOK
			f.What = fmt.Sprintf("%s is held by %s.", p, and(processes(p.Holders)))
		}
		e.find(f)
	}
}

// Strangers are the holders that are neither the daemon itself nor systemd for its socket unit.
func (p Port) Strangers() []Process {
	return slices.DeleteFunc(slices.Clone(p.Holders), p.isOurs)
}

// isOurs reports whether a holder is the daemon itself, or systemd for its socket unit.
func (p Port) isOurs(h Process) bool {
	if h.Name == p.Daemon || h.Unit == p.Daemon+".service" { // whose process has another name until it has begun
		return true
	}
	return h.PID == 1 && (h.Unit == "" || h.Unit == p.Unit)
}

// Stop is a command that ends the process, and keeps it off if it is a unit's.
func (p Process) Stop() string {
	switch {
	case p.Unit != "":
		return "systemctl disable --now " + p.Unit
	case p.Container != "":
		return p.Engine + " stop " + p.Container
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
