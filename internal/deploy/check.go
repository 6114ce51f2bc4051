package deploy

import (
	"fmt"
	"strings"
)

// check finds what stands in the way of a site, all of it at once.
func check(o Observed, s Site, files []File, force, brought bool) (problems []Problem) {
	problems = append(problems, checkUser(o, s)...)
	problems = append(problems, checkSystem(o, s)...)
	problems = append(problems, checkImages(o, s)...)
	problems = append(problems, checkPrevious(o)...)
	problems = append(problems, checkPorts(o, s)...)
	problems = append(problems, checkDisks(o)...)
	problems = append(problems, checkPassword(o, s, brought)...)
	if o.Upgrading {
		problems = append(problems, Problem{"upgrade", "An upgrade is under way, or was cut off: " + o.guard() + " is there.",
			"Wait until it has ended. bty-lab upgrade takes one up that was cut off, bty-lab upgrade --back undoes it."})
	}
	if o.Config != "" {
		problems = append(problems, Problem{"configuration", o.Config, "Correct it; bty.toml(5) has every key. The daemons would not start with it."})
	}
	if !force {
		problems = append(problems, checkFiles(o, files)...)
	}
	return problems
}

func checkSystem(o Observed, s Site) (problems []Problem) {
	switch {
	case s.Mode == Compose:
	case s.User != nil:
		problems = append(problems, checkLinger(o)...)
	case o.Systemd.Away != "":
		problems = append(problems, Problem{"systemd", "systemd cannot be asked: " + o.Systemd.Away + ".",
			"Run it on a host whose PID 1 is systemd, with D-Bus (apt-get install dbus)."})
	}
	switch s.Mode {
	case Host:
		if !o.Package.Installed {
			problems = append(problems, Problem{"package", "The package of the appliance is not installed.",
				"Install it (apt install ./bty_*.deb, dnf install ./bty-*.rpm), or deploy containers: --mode quadlet."})
		}
	case Quadlet:
		problems = append(problems, checkPodman(o)...)
	case Compose:
		if o.Root && o.Podman.Version == "" && o.Podman.Err == "" {
			return append(problems, Problem{"nothing", "This host has neither the package of the appliance nor Podman.",
				"Install the package (apt install ./bty_*.deb, dnf install ./bty-*.rpm), or Podman 5 or newer (apt-get install podman), and deploy again."})
		}
		if o.Podman.Compose == "" {
			problems = append(problems, Problem{"compose", "There is no program here that runs a compose file.", "Install one: apt-get install podman-compose."})
		}
		if o.Podman.Err != "" {
			problems = append(problems, brokenPodman(o))
		}
	}
	return problems
}

// checkPassword: the container does not start without the secret, which counts more than bty.toml.
func checkPassword(o Observed, s Site, brought bool) []Problem {
	if s.Mode != Quadlet || o.Password != Configured || brought {
		return nil
	}
	return []Problem{{"password", "admin.password is set in the configuration, and the container of bty-web takes it from the Podman secret " + SecretName + ", which is not there.",
		"Bring it as the secret: bty-lab deploy --password-file FILE. From then on that counts, and the line in the configuration can go."}}
}

func checkPodman(o Observed) []Problem {
	switch {
	case o.Podman.Err != "":
		return []Problem{brokenPodman(o)}
	case o.Podman.Version == "":
		return []Problem{{"podman", "Podman is not installed.", "Install it (apt-get install podman, dnf install podman), version 5.0 or newer; or install the package of the appliance instead."}}
	case !o.Podman.atLeast(podmanFloor):
		return []Problem{{"podman", fmt.Sprintf("Podman %s is too old: its Quadlets know no drop-ins, which are of 5.0.", o.Podman.Version),
			"Use a release with Podman 5 (Debian 13, RHEL 9.5, Fedora 40 or newer); or install the package of the appliance, which needs no Podman."}}
	case o.Root && o.Podman.Runtime != "" && o.Podman.Runtime != "crun":
		return []Problem{{"runtime", fmt.Sprintf("Podman starts containers with %s, which cannot leave them the host's groups; these need the group bty to open their sockets.", o.Podman.Runtime),
			"Install crun (apt-get install crun, dnf install crun), and see that runtime in containers.conf does not name another."}}
	}
	return nil
}

func brokenPodman(o Observed) Problem {
	return Problem{"podman", "Podman does not work here: " + o.Podman.Err + ".", "podman info says more."}
}

// checkPrevious: the previous system has the same ports and the same names.
func checkPrevious(o Observed) (problems []Problem) {
	if !o.Previous.IsThere() {
		return nil
	}
	return []Problem{{"previous", "The previous system is on this host: " + strings.Join(o.Previous.Signs(), "; ") + ".",
		fmt.Sprintf("Stop it so that it stays off; its data stays: %s. Deploy then, and bty-lab import %s takes its machines over.", o.Previous.Stop(), o.Previous.StateOr("STATE"))}}
}

func checkPorts(o Observed, s Site) (problems []Problem) {
	for _, p := range o.Ports {
		if !s.Has(p.Daemon) || s.Mode == Compose && o.Containers[p.Daemon] || s.User != nil && o.Units[p.Unit].runs() {
			continue // it has its port
		}
		if p.Hidden {
			problems = append(problems, Problem{"port", fmt.Sprintf("%s, which is %s's, is held by a process that this user may not see.", p, p.Daemon), "See who has it: sudo bty-lab doctor."})
		}
		strangers := p.Strangers()
		if len(strangers) == 0 {
			continue
		}
		var names []string
		for _, h := range strangers {
			names = append(names, h.String())
		}
		next := fmt.Sprintf("Stop that program and see that it stays off: %s.", strangers[0].Stop())
		if service(p.Daemon).Leave {
			next += fmt.Sprintf(" Or deploy without it: --without %s.", p.Daemon)
		} else {
			next += fmt.Sprintf(" Or give %s another port with a drop-in (port.conf in the folder of drop-ins).", p.Unit)
		}
		problems = append(problems, Problem{"port", fmt.Sprintf("%s, which is %s's, is held by %s.", p, p.Daemon, strings.Join(names, ", ")), next})
	}
	return problems
}

func service(name string) Service {
	for _, s := range Services() {
		if s.Name == name {
			return s
		}
	}
	return Service{}
}

func checkDisks(o Observed) (problems []Problem) {
	for _, d := range o.Disks {
		switch {
		case d.Err != "":
			problems = append(problems, Problem{"disk", fmt.Sprintf("%s (%s) cannot be looked at: %s.", d.Folder, d.For, d.Err), "See what is mounted there: findmnt -T " + d.Folder + "."})
		case d.ReadOnly:
			problems = append(problems, Problem{"disk", fmt.Sprintf("%s (%s) is on a file system that can only be read.", d.Folder, d.For),
				"Mount it for writing (findmnt -T " + d.Folder + " shows it), or name another folder."})
		case d.Free < d.Need:
			problems = append(problems, Problem{"disk", fmt.Sprintf("%s (%s) has %d MB free, and %d MB are needed.", d.Folder, d.For, d.Free/1e6, d.Need/1e6),
				"Make room: df -h " + d.Folder + ", podman image prune."})
		}
	}
	return problems
}

// checkFiles: a file of somebody else's is not overwritten.
func checkFiles(o Observed, files []File) (problems []Problem) {
	for _, f := range files {
		there := o.Files[f.Path]
		if there == "" || there == digest(f.Content) || o.recorded(f.Path) != nil {
			continue
		}
		problems = append(problems, Problem{"file", f.Path + " is there already, and is not of this deployment.",
			"Move it away, or have it overwritten with --force."})
	}
	return problems
}

// recorded is what the record says of a file, nil if nothing.
func (o Observed) recorded(path string) *Written {
	if o.Record == nil {
		return nil
	}
	for i, w := range o.Record.Files {
		if w.Path == path {
			return &o.Record.Files[i]
		}
	}
	return nil
}
