package wire

import "encoding/json"

// PreviousState is what was read of the database of the previous system. Texts are as they stand
// there: whoever takes them in checks them. What could not even be read of a row is its Problem.
type PreviousState struct {
	Source   string            `json:"source"`
	Catalog  string            `json:"catalog"`  // file with its images, "" if none is known
	Mark     string            `json:"mark"`     // of the file as it was read; see takeover.Mark
	MadeBy   string            `json:"made_by"`  // version of the previous system
	Conflict string            `json:"conflict"` // refuse, replace or keep
	DryRun   bool              `json:"dry_run"`
	SkipBad  bool              `json:"skip_refused"` // take the rest in
	Events   int               `json:"events"`       // rows of its log, which are not taken
	Machines []PreviousMachine `json:"machines"`
	Images   []PreviousImage   `json:"images"`
	Settings []PreviousSetting `json:"settings"`
	Lost     []TakeoverRow     `json:"lost"` // what the reader leaves out by itself
}

// PreviousMachine is one machine of it. Times are ISO 8601, "" for none.
type PreviousMachine struct {
	MAC          string          `json:"mac"`
	Problem      string          `json:"problem,omitempty"`
	Notes        []string        `json:"notes,omitempty"` // what the reader left out or changed
	Mode         string          `json:"boot_mode"`
	Image        string          `json:"bty_image_ref"`
	Serial       string          `json:"target_disk_serial"`
	Drive        string          `json:"sanboot_drive"`
	Labels       []string        `json:"labels"`
	Started      bool            `json:"saw_flasher_boot"`
	StartedAt    string          `json:"started_at"` // of the newest event that says so
	FlashedAt    string          `json:"last_flashed_at"`
	DiscoveredAt string          `json:"discovered_at"`
	CreatedAt    string          `json:"created_at"`
	SeenAt       string          `json:"last_seen_at"`
	SeenFrom     string          `json:"last_seen_ip"`
	Disks        json.RawMessage `json:"known_disks,omitempty"`
	DisksAt      string          `json:"known_disks_at"`
	Tree         json.RawMessage `json:"hw_lshw,omitempty"`
	TreeAt       string          `json:"hw_lshw_at"`
}

// PreviousImage is one entry of its catalog.
type PreviousImage struct {
	Ref         string `json:"bty_image_ref"`
	Src         string `json:"src"`
	Problem     string `json:"problem,omitempty"`
	ResolvedSrc string `json:"resolved_src"`
	Digest      string `json:"disk_image_sha"`
	Name        string `json:"name"`
	DigestURL   string `json:"sha_url"`
	Format      string `json:"format"`
	Arch        string `json:"arch"` // "" if the name is to say it
	Size        int64  `json:"size_bytes"`
	Description string `json:"description"`
	AddedAt     string `json:"added_at"`
	Grow        *bool  `json:"grow,omitempty"` // a database has none of the two, a catalog.toml may
	Verify      *bool  `json:"verify,omitempty"`
}

// PreviousSetting is one stored setting.
type PreviousSetting struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Problem string `json:"problem,omitempty"`
}

// Takeover is what became, or would become, of a PreviousState.
type Takeover struct {
	Source    string         `json:"source"`
	Catalog   string         `json:"catalog"` // file that had the images, "" if none was known
	MadeBy    string         `json:"made_by"`
	DryRun    bool           `json:"dry_run"`
	Written   bool           `json:"written"`
	Outcomes  map[string]int `json:"outcomes"`   // rows by outcome
	WillFlash []string       `json:"will_flash"` // MACs of machines taken in that flash at their next boot
	Events    int            `json:"events"`     // rows of the old log, which are not taken
	Rows      []TakeoverRow  `json:"rows"`
}

// TakeoverRow is what became of one row.
type TakeoverRow struct {
	Kind    string `json:"kind"` // machine, image, setting or table
	ID      string `json:"id"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

// The outcomes of a row. With a conflict or a refusal nothing is written.
const (
	TakenNew       = "imported"
	TakenChanged   = "changed"   // imported, but not as it was
	TakenReplaced  = "replaced"  // what was known here
	TakenKept      = "kept"      // what is known here, because that was asked for
	TakenUnchanged = "unchanged" // known here as it is there
	TakenNot       = "left out"  // it has no counterpart here, or was to be left out
	TakenConflict  = "conflict"  // known here otherwise
	TakenRefused   = "refused"   // it cannot be taken
)
