package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/machine"
)

// ImportRow is one machine of a bundle: its hardware, which is all that a bundle carries.
type ImportRow struct {
	Given   string // the MAC as it was written, for reports
	MAC     machine.MAC
	Disks   []machine.Disk  // nil if the bundle has none
	Tree    json.RawMessage // canonical, nil if the bundle has none
	At      time.Time       // when the machine reported it; zero if that is not known
	Problem string          // why the row cannot be used, "" if it can
	Note    string          // what was left out of it
}

// Outcome is what became of one row.
type Outcome string

const (
	ImportCreated   Outcome = "created"
	ImportMerged    Outcome = "merged"    // known: its hardware was taken, its settings kept
	ImportReplaced  Outcome = "replaced"  // known: reset, as if it had come for the first time
	ImportUnchanged Outcome = "unchanged" // known, and what is known of it is not older
	ImportRejected  Outcome = "rejected"
)

// Imported is what became of one row, and why.
type Imported struct {
	Given   string
	Outcome Outcome
	Reason  string
}

// Import takes the machines of a bundle in, all in one transaction. A machine that is known keeps
// what the operator set and gets the hardware that is newer, or is missing; with replace it is
// reset like one that is new. The report has a line for each row, in their order.
func (f *Fleet) Import(ctx context.Context, rows []ImportRow, replace bool, source string, who Who) ([]Imported, error) {
	now := f.Now()
	var report []Imported
	err := f.commit(ctx, func(tx Tx) ([]event.Event, error) {
		report = make([]Imported, len(rows))
		seen := make(map[machine.MAC]bool, len(rows))
		count := f.Count()
		for i, row := range rows {
			if seen[row.MAC] && row.Problem == "" {
				row.Problem = "the bundle has this MAC twice; the first was taken"
			}
			seen[row.MAC] = true
			outcome, reason, err := importRow(tx, row, replace, count, now)
			if err != nil {
				return nil, err
			}
			if outcome == ImportCreated {
				count++
			}
			report[i] = Imported{row.Given, outcome, reason}
		}
		return []event.Event{importEvent(report, replace, source, who.From, now)}, nil
	})
	if err != nil {
		return nil, err
	}
	f.machines.Add(int64(tally(report)[ImportCreated]))
	return report, nil
}

func importRow(tx Tx, row ImportRow, replace bool, count int64, now time.Time) (Outcome, string, error) {
	if row.Problem != "" {
		return ImportRejected, row.Problem, nil
	}
	m, found, err := tx.Machine(row.MAC)
	switch {
	case err != nil:
		return "", "", err
	case !found && count >= maxMachines:
		return ImportRejected, fmt.Sprintf("%d machines are known, which is the limit; delete some and import again", count), nil
	case !found:
		return ImportCreated, row.Note, reset(tx, row, machine.Machine{MAC: row.MAC, CreatedAt: now}, now)
	case replace:
		return ImportReplaced, row.Note, reset(tx, row, m, now)
	}
	taken, err := merge(tx, row, m, now)
	if err != nil || taken {
		return ImportMerged, row.Note, err
	}
	return ImportUnchanged, "what is known of it is not older", nil
}

// reset stores a machine as an import does: it is asked for its hardware at its next boot.
func reset(tx Tx, row ImportRow, was machine.Machine, now time.Time) error {
	if err := tx.DeleteMachine(row.MAC); err != nil { // with hardware that the bundle does not have
		return err
	}
	m := machine.Machine{MAC: row.MAC, Intent: canonical(machine.Intent{Free: true}), CreatedAt: was.CreatedAt, UpdatedAt: now}
	m.Facts.InventoriedAt = row.At
	if err := tx.PutMachine(m); err != nil {
		return err
	}
	return putHardware(tx, row)
}

func putHardware(tx Tx, row ImportRow) error { return StoreHardware(tx, row.MAC, row.Disks, row.Tree) }

// StoreHardware stores what was read of a machine's hardware; what is nil stays as it is known.
func StoreHardware(tx Tx, mac machine.MAC, disks []machine.Disk, tree json.RawMessage) error {
	h, found, err := tx.Hardware(mac)
	if err != nil {
		return err
	}
	if disks != nil {
		h.Disks = disks
	}
	if tree != nil {
		h.Describe(tree)
	}
	if found || disks != nil {
		if err := tx.PutHardware(mac, h); err != nil {
			return err
		}
	}
	if tree != nil {
		return tx.PutTree(mac, tree)
	}
	return nil
}

// merge takes what is newer than what is known, and what is not known at all.
func merge(tx Tx, row ImportRow, m machine.Machine, now time.Time) (taken bool, err error) {
	known := m.Facts.InventoriedAt
	isNewer := !known.IsZero() && row.At.After(known)
	if !isNewer {
		if row, err = missing(tx, row); err != nil {
			return false, err
		}
	}
	if row.Disks == nil && row.Tree == nil {
		return false, nil
	}
	if isNewer {
		m.Facts.InventoriedAt = row.At
	}
	m.UpdatedAt = now
	if err := tx.PutMachine(m); err != nil {
		return false, err
	}
	return true, putHardware(tx, row)
}

// missing leaves of a row what is not known of its machine.
func missing(tx Tx, row ImportRow) (ImportRow, error) {
	_, hasDisks, err := tx.Hardware(row.MAC)
	if err != nil {
		return row, err
	}
	_, hasTree, err := tx.Tree(row.MAC)
	if hasDisks {
		row.Disks = nil
	}
	if hasTree {
		row.Tree = nil
	}
	return row, err
}

func tally(report []Imported) map[Outcome]int {
	n := map[Outcome]int{}
	for _, r := range report {
		n[r.Outcome]++
	}
	return n
}

// maxRejectedNamed bounds what an event carries.
const maxRejectedNamed = 20

func importEvent(report []Imported, replace bool, source string, from netip.Addr, now time.Time) event.Event {
	n := tally(report)
	var rejected []string
	for _, r := range report {
		if r.Outcome == ImportRejected && len(rejected) < maxRejectedNamed {
			rejected = append(rejected, r.Given+": "+r.Reason)
		}
	}
	return event.Event{
		At: now, Kind: event.BundleImported, SubjectKind: event.Backup, SubjectID: source, Actor: event.Operator, SourceIP: from,
		Summary: fmt.Sprintf("%d machines imported from %s: %d created, %d merged, %d replaced, %d unchanged; %d rejected",
			len(report)-n[ImportRejected], source, n[ImportCreated], n[ImportMerged], n[ImportReplaced], n[ImportUnchanged], n[ImportRejected]),
		Details: ledger.Details(struct {
			Source    string   `json:"source"`
			Replace   bool     `json:"replace"`
			Machines  int      `json:"machines"`
			Created   int      `json:"created"`
			Merged    int      `json:"merged"`
			Replaced  int      `json:"replaced"`
			Unchanged int      `json:"unchanged"`
			Rejected  int      `json:"rejected"`
			Reasons   []string `json:"reasons"`
		}{source, replace, len(report), n[ImportCreated], n[ImportMerged], n[ImportReplaced], n[ImportUnchanged], n[ImportRejected], slices.Clip(rejected)}),
	}
}
