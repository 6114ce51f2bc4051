package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"bty/internal/client"
	"bty/internal/deploy"
	"bty/internal/doctor"
	"bty/internal/host"
	"bty/internal/nbp"
	"bty/internal/release"
	"bty/internal/wire"
)

// diagnose says what bty-web finds and what can be seen on the host besides: as root, that is more
// than bty-web sees. It works without bty-web, and says so.
func diagnose(ctx context.Context, e env) error {
	a := &appliance{env: e}
	flags := a.flagSet("doctor", "doctor [--json]\n\nSays what is wrong with netboot and with this host, why it matters and what to do. As root it sees\nwho has which port, and the firewall. The exit status is 1 if a finding is an error.")
	asJSON := flags.Bool("json", false, "print it as JSON, as GET /api/v1/doctor has it")
	if err := a.read(flags, 0); err != nil {
		return err
	}
	d, err := a.diagnosis(ctx, doctorTime)
	if err != nil {
		return err
	}
	if *asJSON {
		out := json.NewEncoder(a.stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(d); err != nil {
			return err
		}
	} else if err := a.printDiagnosis(d); err != nil {
		return err
	}
	if n := errorsOf(d); n > 0 {
		return fmt.Errorf("errors were found: %d", n)
	}
	return nil
}

func errorsOf(d wire.Diagnosis) (n int) {
	for _, f := range d.Findings {
		if f.Severity == wire.SeverityError {
			n++
		}
	}
	return n
}

// diagnosis is bty-web's, which may take patience, with what was seen here in place of what it could
// see less of.
func (a *appliance) diagnosis(ctx context.Context, patience time.Duration) (wire.Diagnosis, error) {
	d := wire.Diagnosis{Findings: []wire.Finding{}, Servers: []wire.DHCPServer{}, Snippets: []wire.DoctorSnippet{}}
	server := a.server()
	defer server.Close()
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := server.Call(asking, "GET", "/api/v1/doctor", nil, &d)
	if ctx.Err() != nil {
		return d, context.Cause(ctx)
	}
	f := a.facts(ctx)
	if err != nil {
		f.Down = reason(err)
		a.withoutServer(&f)
	}
	if d.At.IsZero() {
		d.At = f.Clock.Now
	}
	own := doctor.ExamineHost(f, f.Clock.Now)
	d.Findings = slices.DeleteFunc(d.Findings, func(known wire.Finding) bool { return isOld(known, own) })
	d.Findings = append(d.Findings, own...)
	doctor.Sort(d.Findings)
	return d, nil
}

// isOld reports whether what was seen here says more than what bty-web found, or says otherwise: it
// asked the TFTP server some seconds ago.
func isOld(known wire.Finding, own []wire.Finding) bool {
	return slices.ContainsFunc(own, func(f wire.Finding) bool {
		return f.ID == known.ID || known.ID == "host.tftp" && strings.HasPrefix(f.Subject, "udp/") && doctor.IsBad(f.Severity)
	})
}

// doctorTime is how long bty-web may take: it may be starting.
const doctorTime = 20 * time.Second

func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it does not answer"
	}
	if client.IsAbsent(err) {
		return "nobody listens on its control socket"
	}
	return strings.TrimSuffix(err.Error(), ".")
}

// facts are those that bty-web cannot find out.
func (a *appliance) facts(ctx context.Context) doctor.Facts {
	clock := host.Clock()
	cfg := a.config
	web := doctor.Port{Network: "tcp", Number: cfg.Server.Port, Daemon: "bty-web", Unit: "bty-web.socket"}
	tftp := doctor.Port{Network: "udp", Number: cfg.TFTP.Port, Daemon: "bty-tftp", Unit: "bty-tftp.socket"}
	cache := doctor.Port{Network: "tcp", Number: cfg.Cache.Port, Daemon: "bty-cache", Unit: "bty-cache.socket", Optional: true}
	ports := []doctor.Port{web, tftp, cache}
	composed := a.isComposed()
	if deploy.OwnRun() != "" || composed && !deploy.Runs(ctx, tftp.Daemon) { // TFTP is left out of it
		ports = []doctor.Port{web, cache}
	}
	seen := deploy.OwnPorts(ctx, host.Ports(ctx, ports...))
	if composed {
		seen = deploy.PublishedPorts(ctx, seen)
	}
	doors := []host.Door{{Network: web.Network, Port: web.Number, Service: "bty"}, {Network: tftp.Network, Port: tftp.Number, Service: "bty-tftp"}}
	if exists(cfg.CacheSocket()) { // it is on
		doors = append(doors, host.Door{Network: cache.Network, Port: cache.Number, Service: "bty-cache"})
	}
	rules := host.Firewall(ctx, doors...)
	return doctor.Facts{Clock: &clock, Ports: seen, Rules: &rules, Daemons: host.Daemons("bty-web"), Cache: a.cacheFacts(ctx), Previous: host.Previous(ctx, "/", cfg.Server.Port),
		OfUser: deploy.OwnRun() != ""}
}

// withoutServer adds what bty-web would say of the host if it could be asked.
func (a *appliance) withoutServer(f *doctor.Facts) {
	cfg := a.config
	if addresses, err := host.Addresses(); err == nil {
		set, _ := netip.ParseAddr(cfg.Netboot.Address) // "" is none
		f.Network = &doctor.Network{Addresses: addresses, Contained: host.IsApart(), Advertised: set, Port: cfg.Server.Port}
	}
	f.Disks = host.Disks(map[string]string{cfg.Paths.StateDir: "the state", cfg.Paths.BootDir: "boot files", cfg.Paths.BackupDir: "backups"},
		cfg.Paths.StateDir, cfg.Paths.BootDir, cfg.Paths.BackupDir)
	if old := filepath.Join(cfg.Paths.StateDir, "state.db"); exists(old) {
		f.OldDB = old
	}
	f.Boot = bootOf(cfg.Paths.BootDir, cfg.Netboot.ArtifactVersion)
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// bootOf is what machines would get from the boot folder; nil if it cannot be read.
func bootOf(dir, version string) *doctor.Boot {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	b := &doctor.Boot{Has: func(string) bool { return false }} // nobody was told to load anything
	live := release.Folder{Root: root, Version: version}
	for _, arch := range []string{"x86_64", "arm64"} {
		_, missing := live.Live(arch)
		b.Live = append(b.Live, doctor.Live{Arch: arch, Missing: missing})
	}
	programs := nbp.Library{Boot: dir, System: nbp.SystemDirs()}
	for _, p := range []doctor.Program{{Name: "undionly.kpxe", For: "BIOS over TFTP"}, {Name: "ipxe.efi", For: "64-bit UEFI"}, {Name: "ipxe-arm64.efi", For: "arm64 UEFI"}} {
		if file, err := programs.Open(p.Name); err == nil {
			p.Path = file.Name()
			p.Content, _ = nbp.Inspect(file) // one that cannot be read says nothing
			file.Close()
		}
		b.Programs = append(b.Programs, p)
	}
	return b
}

var words = map[wire.Severity]string{wire.SeverityOK: "ok", wire.SeverityNote: "note", wire.SeverityWarning: "WARNING", wire.SeverityError: "ERROR"}

// printDiagnosis writes it for people.
func (a *appliance) printDiagnosis(d wire.Diagnosis) error {
	for _, f := range d.Findings {
		fmt.Fprintf(a.stdout, "%-8s %s: %s\n", words[f.Severity], f.Title, f.What)
		if f.Severity == wire.SeverityOK {
			continue
		}
		if len(f.Machines) > 0 {
			fmt.Fprintf(a.stdout, "         Seen: %s\n", strings.Join(f.Machines, " "))
		}
		fmt.Fprintf(a.stdout, "         %s\n         -> %s\n", f.Why, f.Next)
		if len(f.Snippets) > 0 {
			fmt.Fprintf(a.stdout, "         The Netboot page has it ready to copy: %s\n", strings.Join(f.Snippets, ", "))
		}
	}
	if len(d.Servers) == 0 {
		return nil
	}
	fmt.Fprintln(a.stdout)
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DHCP SERVER\tSEEN ON\tTELLS\tOPTION 60\tNEXT SERVER\tOPTION 66\tBOOTFILE")
	for _, s := range d.Servers {
		on := s.Link
		if s.VLAN != 0 {
			on += fmt.Sprintf(" VLAN %d", s.VLAN)
		}
		for _, o := range s.Offers {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Server, dash(on), o.Client, dash(o.Class), dash(o.NextServer), dash(o.TFTPServer), dash(o.Bootfile))
		}
	}
	return table.Flush()
}

func dash(s string) string { return cmp.Or(s, "-") }
