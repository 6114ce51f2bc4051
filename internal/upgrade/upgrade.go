// Package upgrade brings an appliance from one release to another and, where that one does not become
// healthy, back to the release and the state before. What the two ways need is made ready before
// anything that runs is touched, and each step can be repeated: a run that was cut off is taken up from
// its record.
//
// The database is kept at the one moment at which nobody writes to it and nothing acknowledged is
// missing from it: between the end of the old server and the start of the new one. systemd runs the
// guard there (guard.go), while the sockets stay open and requests wait in them.
package upgrade

import (
	"context"
	"time"

	"bty/internal/client"
	"bty/internal/deploy"
	"bty/internal/systemd/manager"
)

// Place is where an appliance runs, and how a release is put there: the host's packages, containers of
// systemd, a compose project.
type Place interface {
	// Look finds out what is there and what is brought, and touches nothing.
	Look(ctx context.Context) (Look, error)
	// Prepare puts all that either way needs into a folder.
	Prepare(ctx context.Context, folder string) error
	// Switch puts the new release in place and has its services run; Return does so with the old one.
	// Both may have been done before, or half.
	Switch(ctx context.Context, folder string) error
	Return(ctx context.Context, folder string) error
	// Refresh has the services run what is in place, where they still run something else.
	Refresh(ctx context.Context) error
	// Settled is told once, when an upgrade is over, which release is in place.
	Settled(ctx context.Context, folder string, release string) error
}

// Look is what a Place sees.
type Look struct {
	From, To string // versions in place, and brought
	// Units are the services that run the release; the first is the server's.
	Units    []string
	Database string
	State    string   // folder
	Apart    []string // folders that are no configuration, of backups and boot files
	Configs  []string // files and folders that are the site's
	Marks    []string // files whose content tells the old release from any other
	Room     []Room   // beyond the database's
	Changes  []Change // what the new release brings, for people
	Edited   []Edited // what the site has changed of the old release's files
	Notes    []string
}

// Room is what a folder's disk must have free.
type Room struct {
	Folder string
	Bytes  int64
	For    string
}

// Change is one file or image that another release has differently.
type Change struct {
	What string `json:"what"` // changed, new, gone
	Name string `json:"name"`
}

// Edited is a file of a release that the site has changed.
type Edited struct {
	Path string `json:"path"`
	Fate string `json:"fate"` // what becomes of it
}

// Upgrade is one run.
type Upgrade struct {
	Dir     string // of the deployment
	Mode    deploy.Mode
	Site    deploy.Site // whose systemd runs it; the zero Site is the host's
	Place   Place
	Control *client.Control
	Manager manager.Manager
	Self    string // path of this program, which is the guard
	By      string // its version
	Now     func() time.Time
	Tell    func(step string) // before each step
	Limit   time.Duration     // for a release to become healthy
	Guarded bool              // systemd runs the guard; else the Place has it run

	Downgrade bool // an older release is meant
	Yes       bool // rows that only the new release knows may be put aside
}

// kept is how many snapshots stay.
const kept = 3
