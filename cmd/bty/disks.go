package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"bty/internal/agent"
	"bty/internal/disk"
)

// diskJSON is a disk in the JSON of bty.
type diskJSON struct {
	Path      string   `json:"path"`
	SizeBytes int64    `json:"size_bytes"`
	Vendor    string   `json:"vendor"`
	Model     string   `json:"model"`
	Serial    string   `json:"serial"` // "" if the disk has none
	WWN       string   `json:"wwn"`
	Transport string   `json:"tran"`
	Removable bool     `json:"removable"`
	ReadOnly  bool     `json:"readonly"`
	Uses      []string `json:"uses"`               // why it must not be written; empty if it may be
	Contents  string   `json:"contents,omitempty"` // for people
}

func newDiskJSON(d disk.Device) diskJSON {
	j := diskJSON{
		Path: d.Path, SizeBytes: d.Size, Vendor: d.Vendor, Model: d.Model, Serial: d.Serial, WWN: d.WWN,
		Transport: d.Transport, Removable: d.Removable, ReadOnly: d.ReadOnly, Uses: []string{},
	}
	for _, u := range d.Uses {
		j.Uses = append(j.Uses, u.String())
	}
	return j
}

func listDisks(ctx context.Context, e env, args []string) error {
	f := newFlags("disks")
	asJSON := f.Bool("json", false, "")
	if err := f.parse(args); err != nil {
		return err
	}
	disks, err := e.disks(ctx)
	if err != nil {
		return err
	}
	if *asJSON {
		list := []diskJSON{}
		for _, d := range disks {
			j := newDiskJSON(d)
			j.Contents = contents(d)
			list = append(list, j)
		}
		return writeJSON(e.stdout, list)
	}
	if len(disks) == 0 {
		fmt.Fprintln(e.stdout, "no disk is present")
		return nil
	}
	return e.diskTable(disks)
}

func (e env) diskTable(disks []disk.Device) error {
	table := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DISK\tSIZE\tSERIAL\tMODEL\tTRAN\tIN USE\tHOLDS")
	for _, d := range disks {
		row := []string{d.Path, disk.HumanSize(d.Size), dash(d.Serial), dash(d.Model),
			dash(d.Transport), inUse(d), contents(d)}
		for i := range row {
			row[i] = agent.Printable(row[i])
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}

func inUse(d disk.Device) string {
	var uses []string
	for _, u := range d.Uses {
		uses = append(uses, u.String())
	}
	if d.ReadOnly {
		uses = append(uses, "read-only")
	}
	return dash(strings.Join(uses, ", "))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// find is the disk that a person named: by a path, or by a serial number or WWN as it is listed.
func (e env) find(ctx context.Context, named string) (disk.Device, error) {
	if isPath(named) {
		return e.inspect(named)
	}
	disks, err := e.disks(ctx)
	if err != nil {
		return disk.Device{}, err
	}
	return disk.Match(disks, named)
}

func isPath(named string) bool { return strings.HasPrefix(named, "/") }
