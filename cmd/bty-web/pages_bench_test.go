package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/machine"
	"bty/internal/store"
)

// manyMachines fills a state folder with machines as a large site has them: hardware, labels,
// images, each mode.
func manyMachines(t testing.TB, path string, n int) {
	t.Helper()
	s, err := store.Open(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	defer func() { cancel(); running.Wait(); _ = s.Close() }()
	ref, _ := catalog.RefOf("https://images.example/debian.img.zst")
	serial, size := "S5GX", "953.9G"
	for first := 0; first < n; first += 1000 {
		err := s.Update(ctx, func(tx *store.Tx) error {
			for i := first; i < min(n, first+1000); i++ {
				m := machine.New(machine.MAC{0x52, 0x54, 0, byte(i >> 16), byte(i >> 8), byte(i)}, time.Now())
				m.Intent = machine.Intent{Mode: machine.Modes[i%len(machine.Modes)], Image: ref, TargetSerial: serial, Labels: []string{fmt.Sprintf("rack-%d", i/40), "site-a"}}
				disk := machine.Disk{Path: "/dev/nvme0n1", Serial: &serial, Size: &size, Model: &serial}
				if err := tx.PutMachine(m); err != nil {
					return err
				}
				if err := tx.PutHardware(m.MAC, machine.Hardware{Vendor: "Example Inc.", Product: "PowerEdge R640", Disks: []machine.Disk{disk, disk}}); err != nil {
					return err
				}
			}
			return tx.PutImage(catalog.Entry{Ref: ref, Src: "https://images.example/debian.img.zst", Name: "debian.img.zst"})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkMachinesPage asks for pages of 100 rows out of 10,000 machines.
func BenchmarkMachinesPage(b *testing.B) {
	a := prepare(b, nil)
	mkdir(b, a.state)
	manyMachines(b, a.state+"/bty.db", 10_000)
	a.begin()
	a.signIn()
	for _, path := range []string{"/ui/machines?per_page=100", "/ui/machines?per_page=100&page=50", "/ui/machines?per_page=100&q=rack-17", "/ui/machines?per_page=100&q=poweredge",
		"/ui/machines?per_page=100&sort=last_seen_at&dir=desc", "/ui/dashboard", "/ui/machines/52:54:00:00:00:03", "/ui/images"} {
		b.Run(path, func(b *testing.B) {
			var took []time.Duration
			before := cpuTime()
			for b.Loop() {
				start := time.Now()
				request, _ := http.NewRequest("GET", a.url+path, nil)
				request.AddCookie(&http.Cookie{Name: "bty-token", Value: a.cookie})
				answer, err := a.http.Do(request)
				if err != nil || answer.StatusCode != 200 {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				took = append(took, time.Since(start))
			}
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/1000/float64(len(took)), "cpu-ms")
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		})
	}
}

func mkdir(t testing.TB, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o750); err != nil {
		t.Fatal(err)
	}
}

// cpuTime is what this process, server and client, has used of the processors. Unlike the time of
// the clock it says something on a machine that others use, too.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestManyMachines: a page of 10,000 machines may use ten times the processor time of its figure
// in docs/benchmarks.md, whatever else this host does.
func TestManyMachines(t *testing.T) {
	a := prepare(t, nil)
	mkdir(t, a.state)
	manyMachines(t, a.state+"/bty.db", 10_000)
	a.begin()
	for _, path := range []string{"/ui/machines?per_page=100&page=100", "/ui/machines?per_page=100&q=rack-17", "/ui/dashboard", "/ui/images"} {
		a.do("GET", path, nil).is(t, 200)
		before := cpuTime()
		for range 5 {
			a.do("GET", path, nil).is(t, 200)
		}
		if each := (cpuTime() - before) / 5; each > 500*time.Millisecond {
			t.Errorf("%s takes %v of processor time", path, each)
		}
	}
}
