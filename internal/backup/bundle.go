package backup

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/wire"
)

// bundleVersion is the format of inventory.json: hardware only, so that any release can read it.
const bundleVersion = 3

// bundleHead is what the bundle begins with, bundleRow one machine in it. The names are those of
// the wire.
type bundleHead struct {
	Version    int          `json:"bty_export_version"`
	ExportedAt wire.IsoTime `json:"exported_at"`
	ExportedBy string       `json:"exported_by_bty_version"`
}

type bundleRow struct {
	MAC     string          `json:"mac"`
	Disks   []machine.Disk  `json:"known_disks"`
	DisksAt wire.IsoTime    `json:"known_disks_at"`
	LSHW    json.RawMessage `json:"hw_lshw"`
	LSHWAt  wire.IsoTime    `json:"hw_lshw_at"`
}

// source is where a bundle reads machines: one transaction.
type source interface {
	EachMachine(func(machine.Machine) error) error
	Hardware(machine.MAC) (machine.Hardware, bool, error)
	Tree(machine.MAC) (json.RawMessage, bool, error)
}

// writeBundle writes the hardware of all machines as format 3, in the order of their MACs. It
// calls each after every machine, whose error ends it.
func writeBundle(w io.Writer, from source, now time.Time, version string, each func(machine.Machine) error) error {
	out := bufio.NewWriterSize(w, 64<<10)
	head, err := json.MarshalIndent(bundleHead{bundleVersion, wire.IsoTime(now), version}, "", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s,\n  \"machines\": [", strings.TrimSuffix(string(head), "\n}"))
	separator := "\n"
	err = from.EachMachine(func(m machine.Machine) error {
		row, err := rowOf(from, m)
		if err != nil {
			return err
		}
		raw, err := json.MarshalIndent(row, "    ", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s    %s", separator, raw)
		separator = ",\n"
		return each(m)
	})
	if err != nil {
		return err
	}
	if separator == "\n" {
		fmt.Fprint(out, "]\n}\n")
	} else {
		fmt.Fprint(out, "\n  ]\n}\n")
	}
	return out.Flush() // which has the first error of them all
}

func rowOf(from source, m machine.Machine) (bundleRow, error) {
	row := bundleRow{MAC: m.MAC.String()}
	hardware, found, err := from.Hardware(m.MAC)
	if err != nil {
		return row, err
	}
	if found {
		row.Disks, row.DisksAt = hardware.Disks, wire.IsoTime(m.Facts.InventoriedAt)
	}
	tree, found, err := from.Tree(m.MAC)
	if found {
		row.LSHW, row.LSHWAt = tree, wire.IsoTime(m.Facts.InventoriedAt)
	}
	return row, err
}

// readBundle reads inventory.json. What is wrong with one machine is told in its row; what is wrong
// with the whole is the error.
func readBundle(r io.Reader) ([]fleet.ImportRow, error) {
	var bundle struct {
		Version  json.RawMessage   `json:"bty_export_version"`
		Machines []json.RawMessage `json:"machines"`
	}
	in := json.NewDecoder(r)
	if err := in.Decode(&bundle); err != nil {
		return nil, notABundle(err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, notABundle(fmt.Errorf("something follows after its end%w", errShape))
	}
	if err := checkVersion(string(bundle.Version)); err != nil {
		return nil, err
	}
	if bundle.Machines == nil {
		return nil, notABundle(fmt.Errorf(`it has no list "machines"%w`, errShape))
	}
	rows := make([]fleet.ImportRow, len(bundle.Machines))
	for i, raw := range bundle.Machines {
		rows[i] = readRow(raw)
	}
	return rows, nil
}

// errShape marks JSON that is no bundle; it says nothing by itself.
var errShape = errors.New("")

func notABundle(err error) error {
	_, isSyntax := errors.AsType[*json.SyntaxError](err)
	_, isType := errors.AsType[*json.UnmarshalTypeError](err)
	if !isSyntax && !isType && !errors.Is(err, io.EOF) && !errors.Is(err, errShape) {
		return err // of the way that it came
	}
	return fault.Wrap(fault.Rejected, err, "this is not an inventory bundle of bty: %v. Give the inventory.json of a backup or an export", err)
}

func checkVersion(version string) error {
	switch version {
	case "3":
		return nil
	case "1", "2":
		return fault.New(fault.Rejected, "the bundle has format %s, which releases of bty before 0.33.2 wrote; only format 3 can be imported. Import it into bty 0.65, export it there again, and import that", version)
	case "", "null":
		return notABundle(fmt.Errorf(`it has no "bty_export_version"%w`, errShape))
	}
	return fault.New(fault.Rejected, "the bundle has format %.40s and this release reads format 3; import it with the release that wrote it, or a newer one", version)
}
