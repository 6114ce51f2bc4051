package doctor

import (
	"cmp"
	"fmt"
	"strings"

	"bty/internal/wire"
)

// Previous is what of the previous system is on this host.
type Previous struct {
	Version    string              // of the one that answers, "" if none does
	Port       int                 // where it answers
	Quadlets   []string            // paths of its units, in the order in which it is stopped
	Containers []PreviousContainer // that run and are not of these units
	State      string              // folder of its state here, "" if that is not known
}

// PreviousContainer is one of its containers.
type PreviousContainer struct {
	Name, Image string
	Folder      string // of the compose file that made it, "" if none did
}

// MovedUnits is where the units are moved to, below the root.
const MovedUnits = "root/bty-before"

// IsThere reports whether anything of it is.
func (p *Previous) IsThere() bool {
	return p != nil && (p.Version != "" || len(p.Quadlets) > 0 || len(p.Containers) > 0)
}

// Signs says in words what there is.
func (p *Previous) Signs() (signs []string) {
	if p.Version != "" {
		signs = append(signs, fmt.Sprintf("bty %s answers on port %d", p.Version, p.Port))
	}
	if len(p.Containers) > 0 {
		var names []string
		for _, c := range p.Containers {
			names = append(names, c.Name+" ("+c.Image+")")
		}
		signs = append(signs, "it has the containers "+and(names))
	}
	if len(p.Quadlets) > 0 {
		signs = append(signs, "it has the Quadlet files "+and(p.Quadlets))
	}
	return signs
}

// Stop says how it is stopped so that no machine is cut off in its work, and stays off.
func (p *Previous) Stop() string {
	var steps []string
	if len(p.Quadlets) > 0 {
		var units []string
		for _, path := range p.Quadlets {
			units = append(units, strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], ".container")+".service")
		}
		steps = append(steps, fmt.Sprintf("systemctl stop %s; mkdir -p /%[3]s; mv %[2]s /%[3]s/; systemctl daemon-reload", strings.Join(units, " "), strings.Join(p.Quadlets, " "), MovedUnits))
	}
	for _, folder := range p.folders() {
		steps = append(steps, fmt.Sprintf("cd %s && podman-compose --profile tftp down", folder))
	}
	for _, c := range p.Containers {
		if c.Folder == "" {
			steps = append(steps, "podman stop "+c.Name)
		}
	}
	if len(steps) == 0 {
		return "stop that program"
	}
	return strings.Join(steps, "; ")
}

// StateOr is the folder of its state, or what stands for it if that is not known.
func (p *Previous) StateOr(unknown string) string { return cmp.Or(p.State, unknown) }

func (p *Previous) folders() (list []string) {
	seen := map[string]bool{}
	for _, c := range p.Containers {
		if c.Folder != "" && !seen[c.Folder] {
			seen[c.Folder] = true
			list = append(list, c.Folder)
		}
	}
	return list
}

// stack says that the previous system is on this host and how its work is taken over.
func (e *examination) stack() {
	p := e.Previous
	if !p.IsThere() {
		return
	}
	state := p.StateOr("STATE (the folder that its container has as /var/lib/bty)")
	why := "It has the appliance's ports, and machines get its answers."
	if len(p.Quadlets) > 0 {
		why += " Its bty-web.service and bty-tftp.service have the names of ours, and systemd takes them first."
	}
	e.onHost("host.previous-stack", wire.SeverityWarning, "Previous system", "", "The previous bty is on this host: "+strings.Join(p.Signs(), "; ")+".", why,
		fmt.Sprintf("See what would come over: bty-lab import --dry-run %s. Wait until no machine is being flashed, and none runs from nbdmux. Then: %s; systemctl enable --now bty-web.socket bty-tftp.socket; bty-lab import %s.", state, p.Stop(), state))
}
