package takeover

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"bty/internal/backup"
	"bty/internal/catalog"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/rule"
	"bty/internal/wire"
)

// taken is one machine of the previous system in the terms of this one.
type taken struct {
	machine.Machine
	disks []machine.Disk
	tree  json.RawMessage
	seen  fleet.Sight
	notes []string // what is not as it was
}

// parsed is a machine as it was read, and why it cannot be taken.
type parsed struct {
	taken
	wrong []string
}

func parseAll(machines []wire.PreviousMachine, now time.Time) []parsed {
	rows := make([]parsed, len(machines))
	for i, one := range machines {
		rows[i].taken, rows[i].wrong = parse(one, now)
	}
	return rows
}

// ramboot is the mode of the previous system that has no counterpart here.
const ramboot = "ramboot"

// oldNames are boot modes that the previous system has renamed.
var oldNames = map[string]machine.BootMode{"sanboot": machine.IPXEExit}

// parse reads a machine. What is wrong with it comes back as the reasons to refuse it.
func parse(in wire.PreviousMachine, now time.Time) (t taken, wrong []string) {
	f := fields{notes: slices.Clone(in.Notes)}
	if in.Problem != "" {
		f.wrong = append(f.wrong, in.Problem)
	}
	mac, err := machine.ParseTypedMAC(in.MAC)
	if err != nil && in.Problem == "" {
		f.refuse("its MAC is none: %s", shown(in.MAC))
	}
	t.Machine = machine.Machine{MAC: mac, Intent: f.intent(in), CreatedAt: f.when("created_at", in.CreatedAt), DiscoveredAt: f.when("discovered_at", in.DiscoveredAt), UpdatedAt: now}
	if t.CreatedAt.IsZero() {
		t.CreatedAt = now
	}
	t.Facts = f.facts(in, t.Intent.Mode)
	t.Facts.Under = under(t.Machine)
	t.disks, t.tree = f.inventory(in)
	t.seen = fleet.Sight{MAC: mac, At: f.when("last_seen_at", in.SeenAt)}
	t.seen.From, _ = netip.ParseAddr(in.SeenFrom) // it is shown and nothing else
	t.notes = f.notes
	return t, f.wrong
}

// under is the mark of what a machine was to do there, where no rules were.
func under(m machine.Machine) string {
	assigned := rule.Assign(m, nil, nil)
	return assigned.Mark()
}

// fields gathers what is wrong with a machine and what is not taken as it is.
type fields struct {
	wrong, notes []string
}

func (f *fields) refuse(format string, args ...any) {
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

func (f *fields) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

// when reads a time that nothing depends on.
func (f *fields) when(name, text string) time.Time {
	at := backup.ReadTime(text)
	if at.IsZero() && text != "" {
		f.note("its %s was left out: %s is no time", name, shown(text))
	}
	return at
}

// signal reads a time that says that a cycle is complete.
func (f *fields) signal(name, text string) time.Time {
	at := backup.ReadTime(text)
	if at.IsZero() && text != "" {
		f.refuse("its %s is no time: %s", name, shown(text))
	}
	return at
}

func (f *fields) intent(in wire.PreviousMachine) machine.Intent {
	i := machine.Intent{Mode: f.mode(in.Mode), Drive: in.Drive, TargetSerial: in.Serial, Labels: f.labels(in.Labels)}
	var err error
	if in.Image != "" {
		if i.Image, err = catalog.ParseRef(in.Image); err != nil {
			f.refuse("its bty_image_ref is none: %s", shown(in.Image))
		}
	}
	if i.Drive != "" && !machine.DrivePattern.MatchString(i.Drive) {
		f.refuse("its sanboot_drive is none: %s", shown(i.Drive))
	}
	if utf8.RuneCountInString(i.TargetSerial) > machine.MaxSerial {
		f.refuse("its target_disk_serial has more than %d characters", machine.MaxSerial)
	}
	// That is what the previous system makes of a machine that it sees for the first time.
	i.Free = i.Mode == machine.Inventory && i.Image.IsZero() && i.TargetSerial == "" && i.Drive == ""
	return i
}

func (f *fields) mode(name string) machine.BootMode {
	if mode, renamed := oldNames[name]; renamed {
		f.note("its mode %s is called %s here", name, mode)
		return mode
	}
	if name == ramboot {
		f.note("its mode ramboot has no counterpart here: it boots its own disk (%s) until another mode is set", machine.IPXEExit)
		return machine.IPXEExit
	}
	mode, err := machine.ParseBootMode(name)
	if err != nil {
		f.refuse("its boot_mode is not known: %s", shown(name))
	}
	return mode
}

func (f *fields) labels(given []string) []string {
	for _, label := range given {
		if utf8.RuneCountInString(label) > machine.MaxLabel || !machine.LabelPattern.MatchString(label) {
			f.refuse("its label %s is none: it begins with a letter or digit and has up to %d letters, digits, blanks, dots, dashes and underscores", shown(label), machine.MaxLabel)
		}
	}
	labels := slices.Compact(slices.Sorted(slices.Values(given)))
	if len(labels) > machine.MaxLabels {
		f.refuse("it has %d labels, and can have %d", len(labels), machine.MaxLabels)
	}
	return labels
}

// facts is where in its cycle a machine is. The bit says that the live environment was started, a
// time that a cycle was completed. That time stays there from one cycle to the next, so it counts
// only if no later start is known: a half-written disk is not booted as flashed.
func (f *fields) facts(in wire.PreviousMachine, mode machine.BootMode) machine.Facts {
	facts := machine.Facts{FlashedAt: f.signal("last_flashed_at", in.FlashedAt), InventoriedAt: f.signal("known_disks_at", in.DisksAt)}
	if !in.Started || !mode.Cycles() {
		return facts
	}
	completed := facts.FlashedAt
	if mode == machine.Inventory {
		completed = facts.InventoriedAt
	}
	facts.Attempts, facts.Launched = 1, true
	started := backup.ReadTime(in.StartedAt)
	facts.Completed = !completed.IsZero() && !started.After(completed)
	if !completed.IsZero() && !facts.Completed {
		f.note("it was started at %s, after its last completion: that one does not count for this start", started.Format(time.DateTime))
	}
	return facts
}

func (f *fields) inventory(in wire.PreviousMachine) ([]machine.Disk, json.RawMessage) {
	disks, err := backup.ReadDisks(in.Disks)
	if err != nil {
		f.note("known_disks was left out: %v", err)
	}
	tree, err := backup.ReadTree(in.Tree)
	if err != nil {
		f.note("hw_lshw was left out: %v", err)
	}
	return disks, tree
}

// reason is what the report says of a machine that is taken.
func (t taken) reason(more ...string) string { return strings.Join(append(t.notes, more...), "; ") }
