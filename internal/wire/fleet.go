package wire

import (
	"encoding/json"

	"bty/internal/machine"
)

// Assignment is what a rule says of the machines that it selects; null says nothing.
type Assignment struct {
	BootMode        *machine.BootMode `json:"boot_mode"`
	ImageRef        *string           `json:"bty_image_ref"`
	TargetPick      *string           `json:"target_pick"` // how the target disk is chosen: only, smallest, largest
	TargetTransport string            `json:"target_transport"`
	TargetModel     string            `json:"target_model"`
	TargetMin       string            `json:"target_min"`
	TargetMax       string            `json:"target_max"`
}

// Rule is one assignment rule.
type Rule struct {
	ID        uint64   `json:"id"`
	Name      string   `json:"name"`
	Place     int      `json:"place"` // from 1: the order in which rules are asked
	Labels    []string `json:"labels"`
	NotLabels []string `json:"not_labels"`
	MACPrefix string   `json:"mac_prefix"`
	Vendor    string   `json:"vendor"`
	Product   string   `json:"product"`
	Arch      string   `json:"arch"`
	DiskMin   string   `json:"disk_min"`
	DiskMax   string   `json:"disk_max"`
	Assignment
	CreatedAt Time `json:"created_at"`
	UpdatedAt Time `json:"updated_at"`
}

// Rules is the answer to GET /api/v1/rules: in the order in which they are asked.
type Rules struct {
	Rules   []Rule     `json:"rules"`
	Default Assignment `json:"default"` // where no rule says anything
}

// NextBoot is what the next boot of a machine comes to.
type NextBoot struct {
	Rule         string           `json:"rule"` // of the boot policy
	Because      string           `json:"because"`
	BootMode     machine.BootMode `json:"boot_mode"`
	ImageRef     *string          `json:"bty_image_ref"`
	TargetSerial *string          `json:"target_disk_serial"`
	NoDisk       *string          `json:"no_disk"`
	Grow         bool             `json:"grow"`   // it flashes, and lets the last partition end with the disk
	Verify       bool             `json:"verify"` // it flashes, and reads the disk back
}

// NextBootChange is a machine whose next boot a change would change.
type NextBootChange struct {
	MAC    machine.MAC `json:"mac"`
	Labels []string    `json:"labels"`
	From   NextBoot    `json:"from"`
	To     NextBoot    `json:"to"`
}

// Preview is what a change would do, before it is made.
type Preview struct {
	Changes  []NextBootChange `json:"changes"`  // the first 200
	Total    int              `json:"total"`    // machines whose next boot would change
	Machines int              `json:"machines"` // that were looked at
}

// BulkResult is what an action came to for one machine.
type BulkResult struct {
	MAC     machine.MAC `json:"mac"`
	Result  string      `json:"result"` // changed, unchanged or refused
	Details string      `json:"details"`
}

// Bulk is the answer to POST /api/v1/bulk and its preview.
type Bulk struct {
	Changed   int          `json:"changed"`
	Unchanged int          `json:"unchanged"`
	Refused   int          `json:"refused"`
	Machines  []BulkResult `json:"machines"`
	// Fingerprint stands for the machines; sent along with the same selection it has nothing done
	// if that selects others by then.
	Fingerprint string   `json:"fingerprint"`
	Preview     *Preview `json:"preview"` // null unless it was asked for
}

// Verdict is what one rule came to for one machine.
type Verdict struct {
	Rule    uint64   `json:"rule"`
	Name    string   `json:"name"`
	Matches bool     `json:"matches"`
	Input   string   `json:"input"` // for which it does not match, "" if it does
	Because string   `json:"because"`
	Asked   bool     `json:"asked"`   // false: all was decided before its turn came
	Decided []string `json:"decided"` // what it decided: boot_mode, bty_image_ref, target_disk
}

// Explanation is the answer to GET /api/v1/machines/{mac}/explain.
type Explanation struct {
	MAC        machine.MAC     `json:"mac"`
	Known      bool            `json:"known"`
	Asker      string          `json:"asker"` // firmware or live
	Rule       string          `json:"rule"`  // of the boot policy
	Because    string          `json:"because"`
	OfferKind  string          `json:"offer_kind"`
	Offer      NextBoot        `json:"offer"`
	Own        Own             `json:"own"`
	AssignedBy AssignedBy      `json:"assigned_by"`
	Rules      []Verdict       `json:"rules"`
	Facts      ExplainedFacts  `json:"facts"`
	Script     *string         `json:"script"` // as firmware would be served it
	Plan       *Plan           `json:"plan"`   // as the live environment would be served it
	Then       string          `json:"then"`   // what comes after
	Trace      json.RawMessage `json:"trace"`  // as an answer stores it
}

// ExplainedFacts is what the decision read.
type ExplainedFacts struct {
	Cycle
	Labels        []string       `json:"labels"`
	Arch          *string        `json:"arch"`
	Vendor        *string        `json:"vendor"`
	Product       *string        `json:"product"`
	Disks         []machine.Disk `json:"disks" openapi:"null"` // null if it never reported any
	LastFlashedAt Time           `json:"last_flashed_at"`
	KnownDisksAt  Time           `json:"known_disks_at"`
	MissingFile   *string        `json:"missing_file"` // for want of which there is no live environment
}

// TimelineStage is one step of a boot.
type TimelineStage struct {
	Stage         string   `json:"stage"` // dhcp, nbp, script, kernel, initrd, inventory, plan, work, end, next
	Title         string   `json:"title"`
	State         string   `json:"state"` // reached, current, overdue, ahead, failed
	At            Time     `json:"at"`
	TookSeconds   *float64 `json:"took_seconds"` // null while not known
	Details       string   `json:"details"`
	WithinSeconds *float64 `json:"within_seconds"` // how long the step that is waited for usually takes
	Causes        []string `json:"causes"`         // of a step that is overdue
	Try           string   `json:"try"`            // the next step for who looks at it
}

// Timeline is the answer to GET /api/v1/machines/{mac}/timeline: the last boot of a machine.
type Timeline struct {
	MAC     machine.MAC     `json:"mac"`
	BeganAt Time            `json:"began_at"`
	Attempt int             `json:"attempt"`
	Where   string          `json:"where"`
	Stages  []TimelineStage `json:"stages"`
}
