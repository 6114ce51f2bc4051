package fleet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"bty/internal/boot"
	"bty/internal/machine"
	"bty/internal/rule"
	"bty/internal/store"
)

// BenchmarkContact is a contact through the real store, durable before it is answered.
func BenchmarkContact(b *testing.B) {
	for _, callers := range []int{1, 64} {
		for _, known := range []int{1, 1000, 10_000} {
			b.Run(fmt.Sprintf("callers=%d/machines=%d", callers, known), func(b *testing.B) { benchContact(b, callers, known) })
		}
	}
}

func benchContact(b *testing.B, callers, known int) {
	s := newSite(b)
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		for i := range known {
			m := machine.New(nth(uint32(i)), s.now())
			m.Intent = machine.Intent{Mode: machine.FlashOnce, Image: ref, TargetSerial: "SER1"}
			m.Facts.Under = rule.Assign(m, nil, nil).Mark() // as every machine has that was saved
			if err := tx.PutMachine(m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	commits := s.store.Commits()
	var n atomic.Uint32
	b.SetParallelism(max(1, callers/2))
	b.ReportAllocs()
	b.ResetTimer()
	work := func() {
		if _, err := s.Contact(ctx, Contact{MAC: nth(n.Add(1) % uint32(known)), Asker: boot.Firmware, From: from}); err != nil {
			b.Error(err)
		}
	}
	if callers == 1 {
		for range b.N {
			work()
		}
	} else {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				work()
			}
		})
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "contacts/s")
	b.ReportMetric(float64(b.N)/float64(s.store.Commits()-commits), "contacts/commit")
}

func nth(i uint32) machine.MAC {
	m := machine.MAC{0x52, 0x54}
	binary.BigEndian.PutUint32(m[2:], i)
	return m
}

// BenchmarkList is a list of 10,000 machines, whole and a page of it.
func BenchmarkList(b *testing.B) {
	s := newSite(b)
	const known = 10_000
	size := "953.9G"
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		for i := range known {
			m := machine.New(nth(uint32(i)), s.now())
			if err := errors.Join(tx.PutMachine(m), tx.PutHardware(m.MAC, machine.Hardware{Disks: []machine.Disk{{Path: "/dev/nvme0n1", Size: &size}}})); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	page := func() ([]Record, error) {
		p, err := s.Page(Query{Sort: "last_seen_at", Limit: 100})
		return p.Records, err
	}
	for name, list := range map[string]func() ([]Record, error){"all": s.Machines, "page": page} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if records, err := list(); err != nil || len(records) == 0 {
					b.Fatal(len(records), err)
				}
			}
		})
	}
}

// BenchmarkContactOfRules is a contact of machines that rules decide for, of which the last of many
// is the one.
func BenchmarkContactOfRules(b *testing.B) {
	for _, rules := range []int{0, 10, 1000} {
		b.Run(fmt.Sprintf("rules=%d", rules), func(b *testing.B) { benchRules(b, rules) })
	}
}

func benchRules(b *testing.B, rules int) {
	const known = 1000
	s := newSite(b)
	always, serial := machine.FlashAlways, "SER1"
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		for i := range rules {
			r := rule.Rule{ID: rule.ID(i + 1), Order: i, Selector: rule.Selector{Labels: []string{"other"}, Vendor: "dell"},
				Assign: rule.Assignment{Mode: &always, Image: ref, Disk: &rule.DiskRule{Pick: rule.Only}}}
			if i == rules-1 {
				r.Selector.Labels = nil
			}
			if err := tx.PutRule(r); err != nil {
				return err
			}
		}
		for i := range known {
			m := machine.New(nth(uint32(i)), s.now())
			m.Intent.Labels = []string{"lab", "rack 1"}
			if err := tx.PutMachine(m); err != nil {
				return err
			}
			if err := tx.PutHardware(m.MAC, machine.Hardware{Vendor: "Dell Inc.", Disks: []machine.Disk{{Path: "/dev/sda", Serial: &serial}}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for i := range known { // the first contact of each notes its assignment
		if _, err := s.Contact(ctx, Contact{MAC: nth(uint32(i)), Asker: boot.Firmware, From: from}); err != nil {
			b.Fatal(err)
		}
	}
	before := cpuTime(b)
	var n atomic.Uint32
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Contact(ctx, Contact{MAC: nth(n.Add(1) % known), Asker: boot.Firmware, From: from}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "contacts/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-us")
}
