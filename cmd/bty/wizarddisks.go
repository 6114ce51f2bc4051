package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"bty/internal/tui"
)

// Bounds of what is asked of disks: a dying one may never answer.
const (
	listFor  = time.Minute
	holdsFor = 5 * time.Second
)

// ownLabel is the label of the partition with the images on a stick that bty was started from.
const ownLabel = "\"BTY_IMAGES\""

// tuiDisks is every disk with what is on it, those that can be chosen first.
func (w wizard) tuiDisks(ctx context.Context) ([]tui.Disk, error) {
	list, err := within(ctx, listFor, func() ([]tui.Disk, error) { return w.allDisks(ctx) })
	if err != nil {
		return nil, err
	}
	fillHolds(ctx, list)
	for i, d := range list {
		if (d.Removable || d.Transport == "usb") && strings.Contains(d.Holds, ownLabel) && d.Why() == "" {
			list[i].Problem = "it holds the partition BTY_IMAGES: a stick that bty is started from"
		}
	}
	slices.SortStableFunc(list, func(a, b tui.Disk) int { return rank(a) - rank(b) })
	return list, nil
}

func rank(d tui.Disk) int {
	if d.Why() == "" {
		return 0
	}
	return 1
}

func (w wizard) allDisks(ctx context.Context) ([]tui.Disk, error) {
	disks, err := w.disks(ctx)
	if err != nil {
		return nil, err
	}
	var list []tui.Disk
	for _, d := range disks {
		list = append(list, tui.Disk{Device: d})
	}
	if w.others == nil {
		return list, nil
	}
	others, err := w.others()
	if err != nil {
		return list, nil // they are there for completeness
	}
	for _, o := range others {
		list = append(list, tui.Disk{Device: o.Device, Holds: "-", Problem: o.Why})
	}
	return list, nil
}

// within is a call that gets a limited time. What hangs in a system call is lost.
func within[T any](ctx context.Context, limit time.Duration, f func() (T, error)) (T, error) {
	type answer struct {
		is  T
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil { // the wizard has the terminal, which must be given back
				a.err = fmt.Errorf("a defect in bty: %v\n%s", p, debug.Stack())
			}
			answers <- a
		}()
		a.is, a.err = f()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var none T
	select {
	case a := <-answers:
		return a.is, a.err
	case <-timer.C:
		return none, fmt.Errorf("a disk of this machine does not answer, it may be dying (waited %v)", limit)
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// fillHolds asks all disks at once.
func fillHolds(ctx context.Context, list []tui.Disk) {
	var asked sync.WaitGroup
	for i := range list {
		if d := &list[i]; d.Holds == "" {
			asked.Go(func() {
				device := d.Device
				holds, err := within(ctx, holdsFor, func() (string, error) { return contents(device), nil })
				if err != nil {
					holds = "it does not answer"
				}
				d.Holds = holds
			})
		}
	}
	asked.Wait()
}
