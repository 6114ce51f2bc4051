package deploy

import (
	"net/netip"
	"time"

	"bty/internal/doctor"
)

// Observed is all that a plan goes by. It is data, so that a plan can be made of a host that does not
// exist.
type Observed struct {
	At         time.Time // when that was
	Root       bool      // who asks is root
	User       *User     // who asks, if that is not root
	Package    Package
	Systemd    Systemd
	Podman     Podman
	Record     *Record
	Addresses  []doctor.Address // of this host that machines could reach
	Outbound   netip.Addr       // its own on the way to the outside; not valid without a route
	Ports      []doctor.Port
	Units      map[string]Unit
	Files      map[string]string // digests of those that the deployment has or would have, by path
	Password   PasswordKind      // where the operator's password is
	Config     string            // why the configuration is refused, "" if it is not
	Disks      []Disk
	Previous   *doctor.Previous // the previous system, as far as it is here; nil if nobody looked
	Snapshots  bool             // upgrades have left some
	Upgrading  bool             // an upgrade has not ended: its guard is in force
	Images     Images
	Lab        string          // this program, if services can run it
	Containers map[string]bool // that run, by name
	WebPort    int             // of bty-web, as its configuration says
	StateDir   string          // of the host's services, as it says; "" if it was not asked
}

// Package is the package of the appliance on this host.
type Package struct {
	Installed bool
	Version   string
}

// Systemd is that of this host, or of the ordinary user who asks.
type Systemd struct {
	Away    string // why it cannot be asked, "" if it can
	Creds   bool   // it has a tool that encrypts credentials
	Lingers bool   // it is a user's, and goes on when the user's last session has ended
}

// Podman is what runs containers here.
type Podman struct {
	Version string // "" if there is none
	Err     string // why it does not work
	Runtime string // that starts containers: crun, runc; "" if it does not say
	Compose string // the program that runs a compose file, "" for none
}

// Images are the containers' images that are loaded or could be.
type Images struct {
	Loaded   map[string]bool    // by name and tag
	Archives map[string]Archive // by service
	Folders  []string           // where archives were looked for
}

// Unit is a unit as systemd knows it.
type Unit struct {
	Load    string // loaded, not-found, masked
	Active  string
	Enabled string
	Stale   bool // its files have changed since systemd read them
}

func (u Unit) runs() bool {
	return u.Active == "active" || u.Active == "activating" || u.Active == "reloading"
}
func (u Unit) isEnabled() bool { return u.Enabled == "enabled" || u.Enabled == "enabled-runtime" }

// Disk is the file system of a folder that something is to be written into.
type Disk struct {
	Folder   string
	For      string
	ReadOnly bool
	Free     uint64 // bytes
	Need     uint64
	Err      string
}

// PasswordKind is where the operator's password is kept.
type PasswordKind string

// The kinds.
const (
	NoPassword PasswordKind = ""
	Credential PasswordKind = "credential"           // a file that only root reads
	Sealed     PasswordKind = "encrypted-credential" // one that only this host can decrypt
	Secret     PasswordKind = "podman-secret"
	Configured PasswordKind = "configuration" // somebody set it in bty.toml
	SecretFile PasswordKind = "secret-file"   // of a compose project
)

// words say it to people.
func (k PasswordKind) String() string {
	switch k {
	case NoPassword:
		return "somebody else's than deploy's"
	case Credential:
		return "a credential, " + credentialPath
	case Sealed:
		return "an encrypted credential, " + sealedPath
	case Secret:
		return "the Podman secret " + SecretName
	case Configured:
		return "admin.password of bty.toml"
	case SecretFile:
		return "a file of the project that only its owner reads"
	}
	return string(k)
}

// Where the password is.
const (
	credentialName = "bty.admin-password"
	credentialPath = "/etc/credstore/" + credentialName
	sealedPath     = "/etc/credstore.encrypted/" + credentialName
	passwordDropIn = "/etc/systemd/system/bty-web.service.d/50-deploy-password.conf"
	SecretName     = "bty-admin-password"
)
