package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/rule"
	"bty/internal/store"
)

const (
	manyMachines = 10_000
	manyEvents   = 100_000
	fewMachines  = 256 // of an empty database: one for each connection
	fillChunk    = 2000
)

// fill makes a database of a fleet: machines in a boot mode, each with a disk that it reported, and
// contacts of the last hours, none of them old enough to be folded.
func fill(machines, events int, mode machine.BootMode) func(state string) error {
	return func(state string) error {
		boot := filepath.Join(state, "boot")
		if err := os.MkdirAll(boot, 0o755); err != nil {
			return err
		}
		for _, name := range []string{"bty-live-x86_64.vmlinuz", "bty-live-x86_64.initrd"} {
			if err := os.WriteFile(filepath.Join(boot, name), make([]byte, 1<<10), 0o644); err != nil {
				return err
			}
		}
		s, err := store.Open(filepath.Join(state, "bty.db"), "bench")
		if err != nil {
			return err
		}
		go s.Run(context.Background())
		if err := inChunks(s, machines, func(tx *store.Tx, i int) error { return fillMachine(tx, i, mode) }); err != nil {
			return err
		}
		begin := time.Now().Add(-12 * time.Hour)
		err = inChunks(s, events, func(tx *store.Tx, i int) error {
			return tx.AppendEvent(contactOf(i%machines, begin.Add(time.Duration(i)*100*time.Millisecond)))
		})
		if err != nil {
			return err
		}
		return s.Close()
	}
}

func inChunks(s *store.Store, n int, fn func(*store.Tx, int) error) error {
	for from := 0; from < n; from += fillChunk {
		err := s.Update(context.Background(), func(tx *store.Tx) error {
			for i := from; i < min(from+fillChunk, n); i++ {
				if err := fn(tx, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func fillMachine(tx *store.Tx, i int, mode machine.BootMode) error {
	mac, err := machine.ParseMAC(macOf(i))
	if err != nil {
		return err
	}
	m := machine.New(mac, time.Now().Add(-24*time.Hour))
	m.Intent = machine.Intent{Mode: mode, Labels: []string{fmt.Sprintf("rack-%d", i/40)}}
	m.Facts.Under = rule.Assign(m, nil, nil).Mark() // as saving it leaves it
	if err := tx.PutMachine(m); err != nil {
		return err
	}
	size, model, serial, tran := "953.9G", "Fast 1TB", fmt.Sprintf("S%07d", i), "nvme"
	return tx.PutHardware(mac, machine.Hardware{Disks: []machine.Disk{{Path: "/dev/nvme0n1", Size: &size, Model: &model, Serial: &serial, Tran: &tran}}})
}

func contactOf(i int, at time.Time) *event.Event {
	mac := macOf(i)
	return &event.Event{At: at, Kind: event.PXEOffered, SubjectKind: event.Machine, SubjectID: mac, Actor: event.Client,
		Summary: mac + " asked what to boot: the boot mode is ipxe-exit",
		Details: ledger.Details(map[string]string{"boot_mode": "ipxe-exit", "offer": "sanboot", "offer_kind": "ipxe-exit", "rule": "exit", "sanboot_drive": "0x80"})}
}
