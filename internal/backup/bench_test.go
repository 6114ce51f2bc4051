package backup

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/boot"
	"bty/internal/event"
	"bty/internal/fleet"
	"bty/internal/job"
	"bty/internal/machine"
	"bty/internal/store"
)

const (
	benchMachines = 10_000
	benchEvents   = 100_000
	benchWindow   = 8 * time.Second
)

// BenchmarkContactDuringBackup compares the p99 of contacts with and without a backup at work, with
// 10,000 machines and 100,000 events. Windows of both alternate, so that what else the machine does
// hits both alike. An iteration is a pair of windows.
func BenchmarkContactDuringBackup(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchBackup(b, callers) })
	}
}

func benchBackup(b *testing.B, callers int) {
	dir := os.Getenv("BTY_BENCH_DIR") // of a real disk, where the temporary folder is none
	if dir == "" {
		dir = b.TempDir()
	}
	dir, err := os.MkdirTemp(dir, "backup-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := siteIn(b, dir, "")
	b.Cleanup(s.stop)
	s.populate()
	var quiet, busy []time.Duration
	var took time.Duration // of all backups
	var size int64
	b.ResetTimer()
	for range b.N {
		quiet = append(quiet, s.contacts(callers, before(time.Now().Add(benchWindow)))...)
		s.pass(time.Second)
		state, err := s.Begin(b.Context(), ByHand, netip.Addr{})
		if err != nil {
			b.Fatal(err)
		}
		begun := time.Now()
		busy = append(busy, s.contacts(callers, func(time.Time) bool { return s.isAtWork(state.Key) })...)
		took += time.Since(begun)
		size = s.ended(state.Key, job.Completed).Detail.Total
	}
	b.StopTimer()
	b.ReportMetric(took.Seconds()/float64(b.N), "s/backup")
	b.ReportMetric(float64(size)/(1<<20), "MiB")
	report := func(name string, p float64) {
		without, with := percentile(quiet, p), percentile(busy, p)
		b.ReportMetric(float64(without.Microseconds()), name+"-µs")
		b.ReportMetric(float64(with.Microseconds()), name+"-backup-µs")
		b.ReportMetric(float64(with)/float64(without), name+"-ratio")
	}
	report("p50", .5)
	report("p99", .99)
	b.ReportMetric(float64(len(busy))/took.Seconds()/(float64(len(quiet))/(float64(b.N)*benchWindow.Seconds())), "rate-ratio")
	b.ReportMetric(0, "ns/op")
}

func nth(n uint32) machine.MAC {
	m := machine.MAC{0x52, 0x54}
	binary.BigEndian.PutUint32(m[2:], n)
	return m
}

// populate fills the database as a large site does.
func (s *site) populate() {
	s.Helper()
	tree := []byte(fmt.Sprintf(`{"children":[%s{}],"class":"system","id":"x"}`, slices.Repeat([]byte(`{"class":"memory","description":"DIMM DDR4 Synchronous"},`), 40)))
	serial := "SER1"
	for from := 0; from < benchMachines; from += 500 {
		err := s.store.Update(s.Context(), func(tx *store.Tx) error {
			for n := from; n < from+500; n++ {
				m := machine.New(nth(uint32(n)), s.now())
				m.Intent.Mode = machine.IPXEExit
				if err := tx.PutMachine(m); err != nil {
					return err
				}
				if err := tx.PutHardware(m.MAC, machine.Hardware{Disks: []machine.Disk{{Path: "/dev/sda", Serial: &serial}}}); err != nil {
					return err
				}
				if err := tx.PutTree(m.MAC, tree); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			s.Fatal(err)
		}
	}
	for from := 0; from < benchEvents; from += 2000 {
		err := s.store.Update(s.Context(), func(tx *store.Tx) error {
			for n := from; n < from+2000; n++ {
				mac := nth(uint32(n % benchMachines)).String()
				e := event.Event{At: s.now(), Kind: event.PXEOffered, SubjectKind: event.Machine, SubjectID: mac, Actor: event.Client,
					SourceIP: netip.MustParseAddr("192.0.2.1"), Summary: mac + " was offered its own disk: boot mode ipxe-exit"}
				if err := tx.AppendEvent(&e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			s.Fatal(err)
		}
	}
}

func before(end time.Time) func(time.Time) bool {
	return func(now time.Time) bool { return now.Before(end) }
}

func (s *site) isAtWork(id string) bool {
	now, err := s.Job(id)
	return err == nil && !now.Status.Ended()
}

// contacts has machines ask while goesOn and returns how long each waited.
func (s *site) contacts(callers int, goesOn func(time.Time) bool) []time.Duration {
	s.Helper()
	var n atomic.Uint32
	took := make([][]time.Duration, callers)
	var work sync.WaitGroup
	for worker := range callers {
		work.Go(func() {
			for begun := time.Now(); goesOn(begun); begun = time.Now() {
				_, err := s.Fleet.Contact(context.Background(), fleet.Contact{MAC: nth(n.Add(7919) % benchMachines), Asker: boot.Firmware, From: netip.MustParseAddr("192.0.2.1")})
				if err != nil {
					s.Error(err)
					return
				}
				took[worker] = append(took[worker], time.Since(begun))
			}
		})
	}
	work.Wait()
	return slices.Concat(took...)
}

func percentile(d []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[int(float64(len(sorted)-1)*p)]
}
