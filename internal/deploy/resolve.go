package deploy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"bty/internal/doctor"
)

// Resolve fills in what was not asked for: from the record, else from what was observed. It says what
// cannot be had, and warns of what will be missing.
func Resolve(o Observed, w Wanted) (s Site, warnings []string, problems []Problem) {
	was := Site{}
	if o.Record != nil {
		was = o.Record.Site
	}
	s = Site{Mode: cmp.Or(w.Mode, was.Mode, defaultMode(o)), Prefix: cmp.Or(w.Prefix, was.Prefix, DefaultPrefix), Without: w.Without}
	if s.Without == nil {
		s.Without = was.Without
	}
	s.Version, s.User = version(o, w, s.Mode), whose(o, s.Mode)
	problems = append(problems, leavable(s.Without)...)
	if o.Record != nil && o.Record.State != Initialised && s.Mode != was.Mode {
		problems = append(problems, Problem{"mode", fmt.Sprintf("%s holds a deployment in the mode %s, not %s.", w.Dir, was.Mode, s.Mode),
			fmt.Sprintf("Back it up, and take it away first: bty-lab purge %s. Its state does not move to another mode by itself.", w.Dir)})
	}
	switch s.Mode {
	case Host:
		s.Prefix = ""
	case Quadlet:
		if s.Lab = cmp.Or(o.Lab, was.Lab); s.Lab == "" {
			warnings = append(warnings, "Backups are made while bty-web runs, but not by the timer before it is first called: no service can run this bty-lab where it is. Put it into /usr/local/bin, and deploy from there.")
		}
	case Compose:
		if o.Root && w.Mode == "" && was.Mode == "" && o.Podman.Version != "" {
			warnings = append(warnings, fmt.Sprintf("Podman %s is too old for the mode quadlet, which is of 5.0, so this is the mode compose: without systemd's sockets, requests are refused while a container restarts.", o.Podman.Version))
		}
		if s.Has("bty-sniff") && o.Root {
			s.Without = append(slices.Clone(s.Without), "bty-sniff")
			warnings = append(warnings, "The compose file has no watch over DHCP (bty-sniff): machines are known from their first request on, and the doctor sees no DHCP servers. The mode quadlet has it.")
		}
	}
	address, warning, problem := chooseAddress(o, w, was.Address)
	s.Address = address
	if warning != "" {
		warnings = append(warnings, warning)
	}
	if problem != nil {
		problems = append(problems, *problem)
	}
	if !o.Root {
		warnings = append(warnings, withoutRoot(o, &s)...)
	}
	if was.Version != "" && s.Version != w.Version {
		warnings = append(warnings, fmt.Sprintf("This deployment runs version %s and this bty-lab is %s. It is left at its version; bty-lab upgrade brings it up.", s.Version, w.Version))
	}
	return s, warnings, problems
}

// defaultMode is the one that suits a host: what is installed counts most.
func defaultMode(o Observed) Mode {
	switch {
	case o.Package.Installed && o.Root:
		return Host
	case o.Root && o.Podman.atLeast(podmanFloor):
		return Quadlet
	}
	return Compose
}

// whose is the ordinary user whose systemd runs containers: who made the deployment, else who asks.
func whose(o Observed, mode Mode) *User {
	switch {
	case mode != Quadlet:
		return nil
	case o.Record != nil && o.Record.Mode == Quadlet && o.Record.State != Initialised:
		return o.Record.User
	}
	return o.User
}

// version is the package's in host mode. Containers stay at theirs: to change it is an upgrade.
func version(o Observed, w Wanted, mode Mode) string {
	switch {
	case mode == Host:
		return cmp.Or(o.Package.Version, w.Version)
	case o.Record != nil && o.Record.Version != "" && (o.Record.State == Deployed || !o.Record.Since.IsZero()): // also after a later run that was cut off
		return o.Record.Version
	}
	return w.Version
}

func leavable(names []string) (problems []Problem) {
	for _, name := range names {
		i := slices.IndexFunc(Services(), func(v Service) bool { return v.Name == name })
		if name != "bty-sniff" && (i < 0 || !Services()[i].Leave) { // which compose leaves out
			problems = append(problems, Problem{"without", fmt.Sprintf("%q cannot be left out.", name), "What can be left out: bty-tftp, bty-cache."})
		}
	}
	return problems
}

// chooseAddress is the address that was asked for, else the record's, else that of the outbound route.
func chooseAddress(o Observed, w Wanted, recorded netip.Addr) (a netip.Addr, warning string, _ *Problem) {
	own := func(a netip.Addr) bool {
		return slices.ContainsFunc(o.Addresses, func(x doctor.Address) bool { return x.Addr() == a })
	}
	switch {
	case w.Address.IsValid() && !own(w.Address):
		if w.Force && isReachable(w.Address) {
			return w.Address, fmt.Sprintf("%s is no address of this host. It is taken all the same: machines have to reach this host there, by NAT for example.", w.Address), nil
		}
		return w.Address, "", wrongAddress(o, w.Address)
	case w.Address.IsValid():
		return w.Address, "", nil
	case recorded.IsValid():
		if !own(recorded) && !w.Force {
			warning = fmt.Sprintf("%s, the address of this deployment, is no address of this host: %s. If it has moved, name the new one with --host-addr.", recorded, named(o.Addresses))
		}
		return recorded, warning, nil
	case own(o.Outbound):
		return o.Outbound, "", nil
	}
	four := slices.DeleteFunc(slices.Clone(o.Addresses), func(a doctor.Address) bool { return !a.Addr().Is4() })
	if len(four) == 1 {
		return four[0].Addr(), "", nil
	}
	return a, "", &Problem{"address", "No route leads out of this host, so which of its addresses machines reach it at cannot be told.",
		"Choose one with --host-addr: " + named(o.Addresses) + "."}
}

func wrongAddress(o Observed, a netip.Addr) *Problem {
	if !isReachable(a) {
		return &Problem{"address", fmt.Sprintf("No machine reaches this host at %s: such an address does not leave the host or its link.", a),
			"Choose another with --host-addr: " + named(o.Addresses) + "."}
	}
	return &Problem{"address", fmt.Sprintf("%s is no address of this host.", a),
		"Those it has: " + named(o.Addresses) + ". If machines reach it through NAT, --force takes any."}
}

// isReachable reports whether others on a LAN can reach a host at such an address.
func isReachable(a netip.Addr) bool { return a.IsGlobalUnicast() && !a.Is4In6() }

// named lists addresses with their links.
func named(list []doctor.Address) string {
	if len(list) == 0 {
		return "none (ip address shows what there is)"
	}
	var names []string
	for _, a := range list {
		names = append(names, fmt.Sprintf("%s (%s)", a.Addr(), a.Link))
	}
	return strings.Join(names, ", ")
}

// withoutRoot leaves out what only root can have, and says so.
func withoutRoot(o Observed, s *Site) []string {
	if s.Mode == Host {
		return nil
	}
	var lost []string
	if s.Has("bty-tftp") {
		s.Without = append(slices.Clone(s.Without), "bty-tftp")
		lost = append(lost, "TFTP (bty-tftp): port 69 belongs to root, so machines boot by UEFI HTTP Boot alone, or another TFTP server hands out the boot programs")
	}
	if s.Has("bty-sniff") {
		s.Without = append(slices.Clone(s.Without), "bty-sniff")
		lost = append(lost, "the watch over DHCP (bty-sniff): it needs the host's network and a packet socket, so machines are known from their first request on, and the doctor sees no DHCP servers")
	}
	if len(lost) == 0 {
		return nil
	}
	if s.Mode == Quadlet {
		lost = append(lost, "users of their own: the daemons run as this user, each in its container, and the control socket is this user's alone (there is no group bty-admin)")
	} else {
		lost = append(lost, "systemd: no socket activation, and a start with the host only with loginctl enable-linger")
		if o.User != nil && o.Podman.atLeast(podmanFloor) && o.Systemd.Away == "" && o.Systemd.Lingers {
			lost[len(lost)-1] += ". This user's own systemd has both: bty-lab deploy --mode quadlet"
		}
	}
	return []string{"As an ordinary user this leaves out:\n  - " + strings.Join(lost, ";\n  - ") + ".\n  All of it is there as root: sudo bty-lab deploy"}
}
