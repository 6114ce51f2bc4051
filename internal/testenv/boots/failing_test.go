package boots

import (
	"bytes"
	"os"
	"testing"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
)

// A disk that refuses a block in the middle, and one that is pulled in the middle: the server learns
// why the flash failed, and the disk does not boot.
func TestDiskFails(t *testing.T) {
	for name, tc := range map[string]struct {
		bus     testenv.Bus
		failsAt int64
		says    string
	}{
		"a bad block": {testenv.VirtIO, 20 << 20, `write /dev/vda at byte \d+: input/output error`},
		"pulled":      {testenv.USB, 0, `/dev/sda.*the disk is gone: `},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := parallel(t)
			s := openSite(ctx, t)
			s.order(ctx, "bty-flash-once")
			disk := s.oldDisk(ctx, serial, 96<<20)
			disk.Bus, disk.FailsAt = tc.bus, tc.failsAt
			if tc.failsAt == 0 {
				s.host.SetRate(slow)
			}
			m := s.startLive(ctx, disk)
			if tc.failsAt == 0 {
				s.middle(ctx, m)
				if err := m.Unplug(ctx, 0); err != nil {
					t.Fatal(err)
				}
			}
			expect(ctx, t, m.Console, waitFlash, `^bty: flash failed: the disk could not be written: .*`+tc.says+`.*will not boot`)
			s.off(ctx, m)
			s.checkUnbootable(disk)
			s.checkEvents(ctx, "machine.flash_failed", 1)
			s.checkEvents(ctx, "machine.flashed", 0)
			if got := s.wait(ctx, mac, waitShort, func(appliance.Machine) bool { return true }); !got.Cycle.Failed || got.Cycle.Completed {
				t.Errorf("the cycle is %+v; want failed", got.Cycle)
			}
		})
	}
}

// checkUnbootable compares the disk's beginning, which held a boot record, with zeros.
func (s *site) checkUnbootable(d testenv.Disk) {
	s.t.Helper()
	f, err := os.Open(d.File)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	head := make([]byte, 1<<20)
	if _, err := f.ReadAt(head, 0); err != nil {
		s.t.Fatal(err)
	}
	if len(bytes.Trim(head, "\x00")) > 0 {
		s.t.Error("the disk's beginning is not wiped")
	}
}
