package fleet

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"

	"bty/internal/boot"
	"bty/internal/machine"
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
