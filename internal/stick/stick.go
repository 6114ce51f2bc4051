// Package stick makes images of USB sticks that boot on UEFI and on BIOS. One kind holds the live
// environment and room for images, the other only leads to an appliance. Everything is done on
// files by mtools and its kind: it needs no root and mounts nothing.
package stick

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Label is the name of the partition with images and catalogs (exFAT), by which the live
// environment finds it.
const Label = "BTY_IMAGES"

// Options say what goes on a stick.
type Options struct {
	Out  string // the image, a file; it gets this name when it is complete
	Boot Boot
	Room int64 // bytes of the partition for images; 0 = none
}

// Boot is what a stick boots: *Live or *Chain.
type Boot interface {
	// files are those of the FAT file system, found and checked.
	files() ([]file, error)
	// bios says whether a BIOS can start it.
	bios() bool
	// space is what the FAT file system has at least, in bytes.
	space() int64
}

// file is one of the FAT file system: what From has, or else Data.
type file struct {
	Name string // with slashes, below the root
	From string
	Data string
}

func (f file) size() (int64, error) {
	if f.From == "" {
		return int64(len(f.Data)), nil
	}
	info, err := os.Stat(f.From)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Report is what was made.
type Report struct {
	Out   string
	Size  int64
	BIOS  bool
	Boot  int64 // bytes of the partition that boots
	Room  int64
	Files []string
}

// Build makes the image. What is missing is said before anything is written.
func Build(ctx context.Context, o Options) (Report, error) {
	tools, err := findTools(o)
	if err != nil {
		return Report{}, err
	}
	files, err := o.Boot.files()
	if err != nil {
		return Report{}, err
	}
	plan, err := layOut(o, files)
	if err != nil {
		return Report{}, err
	}
	part := o.Out + ".part"
	defer os.Remove(part)
	for _, step := range []func() error{
		func() error { return create(part, plan.boot.end()) }, // mkfs.fat takes the file's end into account
		func() error { return makeFAT(ctx, tools, part, plan, files) },
		func() error { return makeBootable(ctx, tools, part, plan, o.Boot.bios()) },
		func() error { return makeRoom(ctx, tools, part, plan) },
		func() error { return settle(part, o.Out) },
	} {
		if err := step(); err != nil {
			return Report{}, err
		}
	}
	return report(o, plan, files), nil
}

func report(o Options, p plan, files []file) Report {
	r := Report{Out: o.Out, Size: p.size(), BIOS: o.Boot.bios(), Boot: p.boot.size, Room: p.room.size}
	for _, f := range files {
		r.Files = append(r.Files, f.Name)
	}
	return r
}

// create makes a file that takes no room yet.
func create(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// settle gives the image its name when it is on the disk.
func settle(part, out string) error {
	f, err := os.OpenFile(part, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	return os.Rename(part, out)
}
