package fleet

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"bty/internal/boot"
	"bty/internal/machine"
	"bty/internal/store"
	"bty/internal/wire"
)

// rack saves four machines that differ in all that a query looks at.
func rack(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	save := func(i uint32, intent machine.Intent) {
		if _, err := s.Save(ctx, nth(i), intent, who); err != nil {
			t.Fatal(err)
		}
	}
	save(1, machine.Intent{Mode: machine.FlashOnce, Image: ref, TargetSerial: "A", Labels: []string{"lab", "Rack 1"}})
	save(2, machine.Intent{Mode: machine.FlashOnce, Image: ref, TargetSerial: "B", Labels: []string{"lab"}})
	save(3, machine.Intent{Mode: machine.IPXEExit, Labels: []string{"laboratory"}})
	if _, err := s.Contact(ctx, Contact{MAC: nth(4), Asker: boot.Firmware, From: netip.MustParseAddr("192.0.2.44")}); err != nil {
		t.Fatal(err)
	}
	err := s.Inventory(ctx, nth(3), from, wire.Inventory{LSHW: []byte(`[{"vendor":" Dell  Inc.","product":"PowerEdge R640","size":1}]`)})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Launch(ctx, nth(2), from, "k"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Status(ctx, nth(2), from, wire.Status{Status: wire.StatusFailed, Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestQuery(t *testing.T) {
	s := rack(t)
	yes, no, exit := true, false, machine.IPXEExit
	for _, one := range []struct {
		name string
		q    Query
		want []uint32
	}{
		{"all", Query{}, []uint32{1, 2, 3, 4}},
		{"label in part", Query{Text: "LAB"}, []uint32{1, 2, 3}},
		{"label", Query{Label: "lab"}, []uint32{1, 2}},
		{"label with a space", Query{Text: "rack 1"}, []uint32{1}},
		{"MAC in part", Query{Text: "00:00:04"}, []uint32{4}},
		{"MAC with hyphens", Query{Text: "52-54-00-00-00-02"}, []uint32{2}},
		{"bare MAC", Query{Text: "525400000003"}, []uint32{3}},
		{"MAC as switches show it", Query{Text: "5254.0000.0003"}, []uint32{3}},
		{"image by name", Query{Text: "Debian"}, []uint32{1, 2}},
		{"image by ref", Query{Text: ref.String()[:12]}, []uint32{1, 2}},
		{"address", Query{Text: "192.0.2.44"}, []uint32{4}},
		{"vendor and product", Query{Text: "inc. poweredge"}, []uint32{3}},
		{"nothing", Query{Text: "nowhere"}, nil},
		{"mode", Query{Mode: &exit}, []uint32{3}},
		{"state", Query{Phase: machine.Failed}, []uint32{2}},
		{"pending", Query{Phase: machine.Pending}, []uint32{1, 4}},
		{"assigned", Query{Assigned: &yes}, []uint32{1, 2}},
		{"discovered", Query{Assigned: &no}, []uint32{3, 4}},
		{"image", Query{Image: &ref}, []uint32{1, 2}},
		{"two at once", Query{Image: &ref, Text: "rack"}, []uint32{1}},
		{"backwards", Query{Desc: true}, []uint32{4, 3, 2, 1}},
		{"by mode", Query{Sort: "boot_mode"}, []uint32{1, 2, 4, 3}},
		{"by address", Query{Sort: "last_seen_ip", Desc: true}, []uint32{4, 2, 3, 1}},
		{"by image", Query{Sort: "bty_image_ref", Desc: true}, []uint32{1, 2, 3, 4}},
		{"by vendor", Query{Sort: "vendor", Desc: true}, []uint32{3, 1, 2, 4}},
		{"page", Query{Offset: 1, Limit: 2}, []uint32{2, 3}},
		{"beyond the end", Query{Offset: 9, Limit: 2}, nil},
	} {
		page, err := s.Page(one.q)
		if err != nil {
			t.Fatal(err)
		}
		var got []uint32
		for _, r := range page.Records {
			got = append(got, uint32(r.MAC[5]))
		}
		if !slices.Equal(got, one.want) {
			t.Errorf("%s: %v, want %v", one.name, got, one.want)
		}
		if one.q.Limit == 0 && page.Total != len(one.want) || page.All != 4 {
			t.Errorf("%s: %d of %d", one.name, page.Total, page.All)
		}
	}
	if page, err := s.Page(Query{Offset: 1, Limit: 2}); err != nil || page.Total != 4 {
		t.Errorf("a page says %d machines in all: %v", page.Total, err)
	}
	macs, err := s.Select(Query{Label: "lab"})
	if err != nil || !slices.Equal(macs, []machine.MAC{nth(1), nth(2)}) {
		t.Errorf("selected %v: %v", macs, err)
	}
}

// BenchmarkPage is one page of 100 out of 10,000 machines, in the ways in which people ask for it.
func BenchmarkPage(b *testing.B) {
	s := newSite(b)
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		for i := range uint32(10_000) {
			m := machine.New(nth(i), s.now())
			m.Intent = machine.Intent{Mode: machine.FlashOnce, Image: ref, TargetSerial: "SER1", Labels: []string{fmt.Sprintf("rack-%d", i/40)}}
			serial, size := fmt.Sprintf("S%d", i), "953.9G"
			h := machine.Hardware{Vendor: "Dell Inc.", Product: "PowerEdge R640", Disks: []machine.Disk{{Path: "/dev/sda", Serial: &serial, Size: &size}}}
			if err := tx.PutMachine(m); err != nil {
				return err
			}
			if err := tx.PutHardware(m.MAC, h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, one := range []struct {
		name string
		q    Query
	}{
		{"first", Query{}}, {"last", Query{Offset: 9900}}, {"by-state", Query{Sort: "last_seen_at", Desc: true}},
		{"search-vendor", Query{Text: "r640"}}, {"search-nothing", Query{Text: "nowhere", Sort: "vendor"}}, {"sort-vendor", Query{Sort: "vendor"}},
	} {
		one.q.Limit = 100
		b.Run(one.name, func(b *testing.B) {
			var took []time.Duration
			if _, err := s.Page(one.q); err != nil { // the first reader decodes
				b.Fatal(err)
			}
			before := cpuTime(b)
			for b.Loop() {
				begin := time.Now()
				if _, err := s.Page(one.q); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begin))
			}
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(len(took)), "cpu-ms") // what it takes where nothing else runs
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
