package machine

import (
	"slices"
	"time"

	"bty/internal/catalog"
)

// Machine is one machine that the appliance knows: the operator's intent and, beside it, the
// facts. The two never write each other.
type Machine struct {
	MAC          MAC       `json:"mac"`
	Intent       Intent    `json:"intent"`
	Facts        Facts     `json:"facts"`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
	DiscoveredAt time.Time `json:"discovered_at,omitzero"` // first contact; zero if it never asked
	Arch         string    `json:"arch,omitempty"`         // as its iPXE named it last, "" if none did
}

// Intent is what the operator set for the machine itself. Where it says nothing (Free, no image,
// no target disk), rules may say something. A machine that stands under the rules has an Intent,
// too: what it is to do, whoever decided it.
type Intent struct {
	Mode         BootMode         `json:"boot_mode"`
	Free         bool             `json:"free,omitempty"` // nobody set Mode: rules decide it
	Image        catalog.ImageRef `json:"image,omitzero"`
	TargetSerial string           `json:"target_serial,omitempty"`
	Drive        string           `json:"drive,omitempty"` // BIOS drive for sanboot, "" is 0x80
	Labels       []string         `json:"labels,omitempty"`
	KernelWords  string           `json:"kernel_words,omitempty"` // for its live environment, behind those of the site
	Grow         catalog.Choice   `json:"grow,omitempty"`         // whether the last partition is to end with the disk
	Verify       catalog.Choice   `json:"verify,omitempty"`       // whether the disk is to be read back
}

// Facts is what happened in the current cycle. A cycle starts when it is armed: by the act of
// the operator or a change of mode, image or disk.
type Facts struct {
	// Under is what was assigned when all this happened: mode, image and disk in short. Facts of
	// another assignment count for nothing.
	Under string `json:"under,omitempty"`

	Attempts  int    `json:"attempts,omitempty"`  // starts of the live environment in this cycle
	Launched  bool   `json:"launched,omitempty"`  // started since the last script that asked for it
	Planned   bool   `json:"planned,omitempty"`   // the running live environment got its flash plan
	Completed bool   `json:"completed,omitempty"` // the completion signal came, newer than the start
	Failed    bool   `json:"failed,omitempty"`    // the live environment reported a failure
	Reason    string `json:"reason,omitempty"`    // of that failure
	Stuck     bool   `json:"stuck,omitempty"`     // too many attempts without a completion

	// How and when the end of the last cycle was answered with the disk; zero once the next
	// cycle has begun.
	DiskVia Via       `json:"disk_via,omitempty"`
	DiskAt  time.Time `json:"disk_at,omitzero"`

	FlashedAt     time.Time `json:"flashed_at,omitzero"`     // last status=done since the last change
	InventoriedAt time.Time `json:"inventoried_at,omitzero"` // last inventory since the last change
}

// Via is how firmware loaded the boot program that asks; "" if it did not say (a stick, an iPXE
// with a script of its own).
type Via string

const (
	ViaTFTP Via = "tftp" // PXE
	ViaHTTP Via = "http" // UEFI HTTP Boot
)

// New returns a machine that was seen for the first time: it is asked for its hardware.
func New(mac MAC, now time.Time) Machine {
	return Machine{MAC: mac, Intent: Intent{Mode: Inventory, Free: true}, CreatedAt: now, UpdatedAt: now, DiscoveredAt: now}
}

// Armed reports whether the live environment was started in this cycle.
func (f Facts) Armed() bool { return f.Attempts > 0 }

// Halted reports whether the cycle ended badly: nothing more is tried until it is armed again.
func (f Facts) Halted() bool { return f.Failed || f.Stuck }

// Equal reports whether two intents ask for the same.
func (i Intent) Equal(o Intent) bool {
	return i.Mode == o.Mode && i.Free == o.Free && i.Image == o.Image && i.TargetSerial == o.TargetSerial &&
		i.Drive == o.Drive && i.KernelWords == o.KernelWords && i.Grow == o.Grow && i.Verify == o.Verify &&
		slices.Equal(i.Labels, o.Labels)
}

// Arm starts a new cycle: nothing that happened before counts any more.
func (m *Machine) Arm(now time.Time) {
	m.Facts = Facts{Under: m.Facts.Under}
	m.UpdatedAt = now
}

// Launch records that the machine fetched a file of the live environment. The first fetch after
// a script is one start, whatever follows it (kernel, initrd, a HEAD before each). It reports
// whether this start armed the cycle and whether anything changed.
func (m *Machine) Launch() (armed, changed bool) {
	f := &m.Facts
	if !m.Intent.Mode.Cycles() || f.Launched || f.Completed || f.Halted() {
		return false, false
	}
	armed = !f.Armed()
	f.Launched, f.Planned = true, false
	f.Attempts++
	return armed, true
}

// Done records that the live environment wrote the image. It completes the cycle only if this
// cycle was started: the end of an older one is history, not a completion.
func (m *Machine) Done(now time.Time) {
	m.Facts.FlashedAt = now
	m.UpdatedAt = now
	if m.Intent.Mode.Flashes() && m.Facts.Armed() {
		m.complete()
	}
}

// Fail records that the live environment gave up.
func (m *Machine) Fail(reason string, now time.Time) {
	m.UpdatedAt = now
	if !m.Intent.Mode.Cycles() || !m.Facts.Armed() {
		return
	}
	m.Facts.Failed, m.Facts.Reason = true, reason
	m.Facts.Completed = false
}

// Inventoried records that the machine reported its hardware.
func (m *Machine) Inventoried(now time.Time) {
	m.Facts.InventoriedAt = now
	m.UpdatedAt = now
	if m.Intent.Mode == Inventory && m.Facts.Armed() {
		m.complete()
	}
}

func (m *Machine) complete() {
	m.Facts.Completed = true
	m.Facts.Failed, m.Facts.Reason, m.Facts.Stuck = false, "", false
}

// WithoutDisk reports whether the intent is to flash, but not which disk: nothing would be written.
func (i Intent) WithoutDisk() bool { return i.Mode.Flashes() && i.TargetSerial == "" }
