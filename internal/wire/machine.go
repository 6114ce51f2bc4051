package wire

import (
	"time"

	"bty/internal/machine"
)

// Time is a point in time as machines carry it: RFC 3339 in UTC with microseconds, without a
// fraction when that is zero. The zero Time is null.
type Time time.Time

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return stamp(time.Time(t), "Z") }

// IsoTime is a point in time as events and the catalog carry it: the same with a numeric zone.
type IsoTime time.Time

// MarshalJSON implements json.Marshaler.
func (t IsoTime) MarshalJSON() ([]byte, error) { return stamp(time.Time(t), "+00:00") }

// UnmarshalJSON implements json.Unmarshaler.
func (t *IsoTime) UnmarshalJSON(raw []byte) error { return (*time.Time)(t).UnmarshalJSON(raw) }

func stamp(t time.Time, zone string) ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	layout := "2006-01-02T15:04:05"
	if t = t.UTC().Truncate(time.Microsecond); t.Nanosecond() != 0 {
		layout += ".000000"
	}
	return []byte(`"` + t.Format(layout) + zone + `"`), nil
}

// Machine is one machine as GET /machines lists it.
type Machine struct {
	MAC           machine.MAC      `json:"mac"`
	ImageRef      *string          `json:"bty_image_ref"`
	Labels        []string         `json:"labels"`
	DiscoveredAt  Time             `json:"discovered_at"`
	LastSeenAt    Time             `json:"last_seen_at"`
	LastSeenIP    *string          `json:"last_seen_ip"`
	BootMode      machine.BootMode `json:"boot_mode"`
	SanbootDrive  *string          `json:"sanboot_drive"`
	LastFlashedAt Time             `json:"last_flashed_at"`
	KnownDisks    []machine.Disk   `json:"known_disks" openapi:"null"` // null if it never reported any
	KnownDisksAt  Time             `json:"known_disks_at"`
	TargetSerial  *string          `json:"target_disk_serial"`
	CreatedAt     Time             `json:"created_at"`
	UpdatedAt     Time             `json:"updated_at"`

	State    string           `json:"state"` // for people: where the machine is in its cycle
	Cycle    Cycle            `json:"cycle"`
	Progress *MachineProgress `json:"progress"` // null unless the live environment is at work

	KernelWords *string `json:"kernel_words"` // for its live environment
	Grow        *bool   `json:"grow"`         // whether the last partition is to end with the disk; null: as the image says, else [flash] grow
	Verify      *bool   `json:"verify"`       // whether the disk is read back; null: as the image says, else [flash] verify

	Own        Own        `json:"own"`         // what was set for the machine itself
	AssignedBy AssignedBy `json:"assigned_by"` // who decided what boot_mode and the others above say
	Vendor     *string    `json:"vendor"`
	Product    *string    `json:"product"`
}

// Own is what was set for a machine itself; null leaves it to the rules.
type Own struct {
	BootMode     *machine.BootMode `json:"boot_mode"`
	ImageRef     *string           `json:"bty_image_ref"`
	TargetSerial *string           `json:"target_disk_serial"`
}

// AssignedBy says who decided: "own", "default", or "rule/" and the ID of a rule; null if there is
// nothing to decide.
type AssignedBy struct {
	BootMode     *string `json:"boot_mode"`
	ImageRef     *string `json:"bty_image_ref"`
	TargetSerial *string `json:"target_disk_serial"`
	NoDisk       *string `json:"no_disk"` // why a disk rule chose none
	First        *string `json:"first"`   // the boot mode that follows once the disks are known
}

// Cycle is the facts of the current cycle, from arming to completion.
type Cycle struct {
	Armed     bool   `json:"armed"`    // the live environment was started
	Attempts  int    `json:"attempts"` // how often
	Completed bool   `json:"completed"`
	Failed    bool   `json:"failed"`
	Reason    string `json:"reason,omitempty"` // of the failure
	Stuck     bool   `json:"stuck"`
}

// MachineProgress is the last Progress of a machine and when it was said.
type MachineProgress struct {
	Progress
	At      Time `json:"at"`
	StageAt Time `json:"stage_at"` // when the stage began
}

// MachinePage is the answer to GET /api/v1/machines.
type MachinePage struct {
	Machines []Machine `json:"machines"`
	Total    int       `json:"total"` // machines that the query selects
	All      int       `json:"all"`   // machines that are known
	Offset   int       `json:"offset"`
	Limit    int       `json:"limit"`
}
