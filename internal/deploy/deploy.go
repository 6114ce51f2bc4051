// Package deploy brings the appliance up on a host and takes it away again. A command observes the
// host, a pure function makes of what was observed and what is wanted a list of steps, and a runner
// carries them out. Each step is idempotent, so a run that was cut off at any point is repeated from
// the start and comes to the same end.
package deploy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Mode is how the daemons run.
type Mode string

// The modes.
const (
	Host    Mode = "host"    // services of the package
	Quadlet Mode = "quadlet" // containers as services of systemd
	Compose Mode = "compose" // containers of podman-compose, without systemd
)

// Modes are all of them.
var Modes = []Mode{Host, Quadlet, Compose}

// ParseMode reads a mode; "" is one too, for "whatever suits this host".
func ParseMode(s string) (Mode, error) {
	if s == "" || slices.Contains(Modes, Mode(s)) {
		return Mode(s), nil
	}
	return "", fmt.Errorf("%q is no mode; the modes are host, quadlet and compose", s)
}

// DefaultDir is where a deployment keeps its record.
const DefaultDir = "/opt/bty"

// DefaultPrefix is in front of the names of images that were built here.
const DefaultPrefix = "localhost"

// Site is all that is chosen for a deployment. It is kept in the record: a later run goes by it
// wherever nothing else is said.
type Site struct {
	Mode    Mode       `json:"mode"`
	Address netip.Addr `json:"address"`                // at which machines reach this host
	Prefix  string     `json:"image_prefix,omitempty"` // of the containers' images
	Version string     `json:"version"`
	Without []string   `json:"without,omitempty"` // services that are left out
	Lab     string     `json:"bty_lab,omitempty"` // the program that backups are made with
	User    *User      `json:"user,omitempty"`    // whose systemd runs it; nil is root, and the host's
}

// Has reports whether a service is part of the site.
func (s Site) Has(service string) bool { return !slices.Contains(s.Without, service) }

// IsRegistry reports whether images are pulled from a registry: its name has a dot or a port, as
// container engines tell registries from folders of names.
func IsRegistry(prefix string) bool {
	host, _, _ := strings.Cut(prefix, "/")
	return host != "localhost" && strings.ContainsAny(host, ".:")
}

// Wanted is what a command asks for. What is empty is taken from the record, else found out.
type Wanted struct {
	Dir      string
	Mode     Mode
	Address  netip.Addr
	Prefix   string
	Version  string // of this bty-lab, and of the images it would bring
	Without  []string
	Images   string // folder of archives, "" for where they usually are
	Password bool   // one is brought, and replaces what is set
	Force    bool   // takes an address that this host does not have
}
