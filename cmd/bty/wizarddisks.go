package main

import (
	"context"
	"time"

	"bty/internal/disk"
	"bty/internal/tui"
)

// holdsFor is how long a disk may take to say what is on it: a dying one may never.
const holdsFor = 5 * time.Second

// tuiDisks is every disk with what is on it, those that can be chosen first.
func (w wizard) tuiDisks(ctx context.Context) ([]tui.Disk, error) {
	disks, err := w.disks(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]tui.Disk, 0, len(disks))
	for _, d := range disks {
		list = append(list, tui.Disk{Device: d})
	}
	fillHolds(ctx, list)
	if w.others == nil {
		return list, nil
	}
	others, err := w.others()
	if err != nil {
		return list, nil // they are there for completeness
	}
	for _, o := range others {
		list = append(list, tui.Disk{Device: o.Device, Problem: o.Why})
	}
	return list, nil
}

// fillHolds asks all disks at once.
func fillHolds(ctx context.Context, list []tui.Disk) {
	type answer struct {
		at    int
		holds string
	}
	answers := make(chan answer, len(list))
	for i, d := range list {
		list[i].Holds = "it does not answer"
		go func(d disk.Device) { answers <- answer{i, contents(d)} }(d.Device) // lost if the disk hangs
	}
	limit := time.NewTimer(holdsFor)
	defer limit.Stop()
	for range list {
		select {
		case a := <-answers:
			list[a.at].Holds = a.holds
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
