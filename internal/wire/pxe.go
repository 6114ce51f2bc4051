// Package wire holds the JSON shapes that servers and clients share, and nothing else.
package wire

import (
	"encoding/json"

	"bty/internal/machine"
)

// Modes of a Plan. A client treats any other mode as PlanInteractive.
const (
	PlanFlash       = "flash"
	PlanInventory   = "inventory"
	PlanInteractive = "interactive"
	PlanExit        = "exit"
)

// Plan is the answer to GET /pxe/{mac}/plan: what a live environment is to do.
// Keys that do not belong to the mode are absent.
type Plan struct {
	Mode             string `json:"mode"`
	Image            string `json:"image,omitempty"` // http(s) or oras URL; that of a cache has its origin in it, see catalog.CacheSource
	TargetDiskSerial string `json:"target_disk_serial,omitempty"`
	Name             string `json:"name,omitempty"`
	DiskImageSHA     string `json:"disk_image_sha,omitempty"` // bare hex SHA-256 of the bytes as transferred
	Format           string `json:"format,omitempty"`
	SizeBytes        int64  `json:"size_bytes,omitempty"` // length of the bytes as transferred
	Verify           bool   `json:"verify,omitempty"`     // read the disk back before it is called done; interactive: what the wizard begins with
	Grow             bool   `json:"grow,omitempty"`       // make the last partition as large as the disk allows; interactive: the same
	GrowSet          bool   `json:"grow_set,omitempty"`   // interactive: growing was decided for this machine, so that no image changes it
	VerifySet        bool   `json:"verify_set,omitempty"` // interactive: the same of verify
	Catalog          string `json:"catalog,omitempty"`
	Reason           string `json:"reason,omitempty"` // for people: why this is an exit
}

// Inventory is the body of POST /pxe/{mac}/inventory.
type Inventory struct {
	Disks []machine.Disk  `json:"disks"`
	LSHW  json.RawMessage `json:"lshw,omitempty"` // object or array in the shape of `lshw -json`
}

// Terminal states of a Status.
const (
	StatusDone   = "done"
	StatusFailed = "failed"
)

// MaxReason is the longest reason, in characters, that the server accepts.
const MaxReason = 500

// Status is the body of POST /pxe/{mac}/status.
type Status struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// Progress is the body of POST /pxe/{mac}/progress, sent about once a second while a live
// environment works and at each change of stage. Answered 204.
type Progress struct {
	Stage string  `json:"stage"` // lower-case word: open, write, sync, verify, table; origin, once, when the image cache is gone
	Bytes int64   `json:"bytes"` // of the transferred image; in verify and after it, of the disk that is read back
	Total int64   `json:"total"` // 0 while not known
	Rate  float64 `json:"rate"`  // bytes per second over the last seconds

	Detail string `json:"detail,omitempty"` // for people; with the stage origin: why the image comes from there
}

// MaxDetail is the longest detail, in characters, that the server accepts.
const MaxDetail = 500

// StagePicked is the stage of a Picked.
const StagePicked = "picked"

// Picked is the body of POST /pxe/{mac}/progress when somebody chose at a machine's console what
// is written now. Servers that do not know it refuse it; that changes nothing for the machine.
type Picked struct {
	Stage string `json:"stage"`
	Pick  Pick   `json:"pick"`
}

// Pick is what somebody chose.
type Pick struct {
	Image  string `json:"image"`         // its name in the catalog, or its URL
	Ref    string `json:"ref,omitempty"` // its bty_image_ref, "" for one that is in no catalog
	Serial string `json:"serial"`        // of the disk, "" if it has none
	Disk   string `json:"disk"`          // its path on the machine
}

// MaxPicked is the longest name of an image in a Pick, in characters.
const MaxPicked = 500

// MaxLog is the most that one POST /pxe/{mac}/log takes, in bytes. The body is text/plain: the
// next piece of what the live environment logs. Answered 204; 503 if it comes too fast.
const MaxLog = 64 << 10
