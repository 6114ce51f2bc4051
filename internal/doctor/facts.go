package doctor

import (
	"fmt"
	"time"

	"bty/internal/tftp/probe"
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
	// Optional: the daemon may be off. Then nobody is to have the port, or anybody may.
	Optional bool
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
	PID       int
	Name      string
	Unit      string
	Container string // its id, of one that is no unit's
	Engine    string // that runs it: podman, docker
}

func (p Process) String() string {
	s := p.Name
	if p.PID > 0 {
		s += fmt.Sprintf(" (pid %d", p.PID)
		switch {
		case p.Unit != "":
			s += ", " + p.Unit
		case p.Container != "":
			s += ", container " + p.Container
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
