package boots

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
)

// startLive starts the live environment as a boot loader would, for tests whose subject comes
// after the firmware. When it reboots, the machine goes off.
func (s *site) startLive(ctx context.Context, disks ...testenv.Disk) *testenv.Machine {
	s.t.Helper()
	return s.startLiveOn(ctx, "e1000e", "", disks...)
}

// switchOn starts a machine with firmware.
func (s *site) switchOn(ctx context.Context, firmware testenv.Firmware, disks ...testenv.Disk) *testenv.Machine {
	s.t.Helper()
	return powerOn(ctx, s.t, s.lan, testenv.MachineConfig{Name: string(firmware), MAC: mac, Firmware: firmware, Disks: disks})
}

// off waits for the end of a machine that reboots.
func (s *site) off(ctx context.Context, m *testenv.Machine) {
	s.t.Helper()
	if err := m.WaitOff(ctx, waitShort); err != nil {
		s.t.Fatal(err)
	}
}

// Bounds, not figures: what takes ten seconds alone may take a minute beside other work.
const (
	waitShort = time.Minute
	waitFlash = 3 * time.Minute // from power-on to the end of a flash
	waitDisk  = 2 * time.Minute // from a reboot to the disk
)

// order binds an image to the machine and returns the raw image.
func (s *site) order(ctx context.Context, mode string) diskimg.Image {
	s.t.Helper()
	raw, packed := s.image(ctx, diskimg.Spec{Line: newLine, Size: 64 << 20})
	s.bind(ctx, mac, appliance.Binding{Mode: mode, Image: s.publish(ctx, packed, packed.SHA256), Serial: serial})
	return raw
}

// middle waits until a throttled flash has written a part of the image, and is not near its end.
func (s *site) middle(ctx context.Context, m *testenv.Machine) {
	s.t.Helper()
	if err := m.WaitWritten(ctx, 0, 12<<20, waitFlash); err != nil {
		s.t.Fatal(err)
	}
	if n := len(s.events(ctx, mac, "machine.flashed")); n > 0 {
		s.t.Fatal("the flash is over; the image host is too fast for this test")
	}
}

// slow makes a flash of 16 MiB of packed image take about 20 s.
const slow = 800 << 10

// checkPlans compares the plans that the machine got.
func (s *site) checkPlans(ctx context.Context, want ...string) {
	s.t.Helper()
	if got := s.plans(ctx, mac); got != strings.Join(want, " ") {
		s.t.Errorf("the machine got the plans %q; want %q", got, want)
	}
}

// checkEvents compares how many events of a kind there are.
func (s *site) checkEvents(ctx context.Context, kind string, want int) {
	s.t.Helper()
	if got := s.events(ctx, mac, kind); len(got) != want {
		s.t.Errorf("%d events %s: %q; want %d", len(got), kind, got, want)
	}
}

// The origin is away for ten seconds: the flash takes up again where it was.
func TestOriginDies(t *testing.T) {
	ctx := parallel(t)
	s := openSite(ctx, t)
	raw := s.order(ctx, "bty-flash-once")
	disk := s.oldDisk(ctx, serial, 96<<20)
	s.host.SetRate(slow)
	m := s.startLive(ctx, disk)
	s.middle(ctx, m)
	s.host.Down()
	time.Sleep(10 * time.Second) // the outage itself
	s.host.SetRate(0)
	if err := s.host.Up(ctx); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, m.Console, waitShort, `^bty: flash complete`)
	s.off(ctx, m)
	s.checkDisk(disk, raw)
	s.checkPlans(ctx, "flash")
	s.checkEvents(ctx, "machine.flashed", 1)
	ranges := s.host.Ranges()
	if last := ranges[len(ranges)-1]; !strings.HasPrefix(last, "bytes=") || strings.HasPrefix(last, "bytes=0-") {
		t.Errorf("the image was asked for with the ranges %q; want the last from where it was", ranges)
	}
}

// bty-web ends in the middle of a flash, in an orderly way or not, and comes back.
func TestServerRestarts(t *testing.T) {
	for name, away := range map[string]func(context.Context, *site, *testenv.Machine){
		"systemctl restart": func(ctx context.Context, s *site, _ *testenv.Machine) {
			if err := s.app.StopWeb(); err != nil {
				s.t.Errorf("bty-web did not end well: %v", err)
			}
			s.host.SetRate(0)
		},
		// It is away until the flash is over: only the report of it waits.
		"kill -9": func(ctx context.Context, s *site, m *testenv.Machine) {
			s.app.KillWeb()
			s.host.SetRate(0)
			expect(ctx, s.t, m.Console, waitShort, `^bty: (sync|table|write 100%)`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := parallel(t)
			s := openSite(ctx, t)
			raw := s.order(ctx, "bty-flash-once")
			disk := s.oldDisk(ctx, serial, 96<<20)
			s.host.SetRate(slow)
			m := s.startLive(ctx, disk)
			s.middle(ctx, m)
			away(ctx, s, m)
			if err := s.app.StartWeb(ctx); err != nil {
				t.Fatal(err)
			}
			expect(ctx, t, m.Console, waitFlash, `^bty: flash complete`)
			s.off(ctx, m)
			s.checkDisk(disk, raw)
			s.checkPlans(ctx, "flash")
			s.checkEvents(ctx, "machine.flashed", 1)
			if got := s.wait(ctx, mac, waitShort, func(appliance.Machine) bool { return true }); got.Cycle.Attempts != 1 || !got.Cycle.Completed {
				t.Errorf("the cycle is %+v; want one attempt, completed", got.Cycle)
			}
		})
	}
}

// No disk has the serial that the operator set, or two have it: nothing is written to any disk.
func TestWrongDisk(t *testing.T) {
	for name, serials := range map[string][]string{
		"no disk":   {"OTHER1", "OTHER2"},
		"two disks": {serial, serial},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := parallel(t)
			s := openSite(ctx, t)
			s.order(ctx, "bty-flash-once")
			var disks []testenv.Disk
			var before []string
			for i, serial := range serials {
				disk := s.oldDisk(ctx, serial+string(rune('a'+i)), 96<<20)
				disk.Serial = serial
				disks = append(disks, disk)
				before = append(before, s.digest(disk))
			}
			m := s.startLiveOn(ctx, "e1000e", " bty.log=server", disks...)
			expect(ctx, t, m.Console, waitFlash, `^bty: flash failed: .*`+serial)
			s.off(ctx, m)
			s.checkLog(ctx, `] bty: entered v`, `] bty: flash failed: `, `] bty: exiting v`)
			for i, disk := range disks {
				if s.digest(disk) != before[i] {
					t.Errorf("disk %d has been written to", i)
				}
			}
			s.checkEvents(ctx, "machine.flash_failed", 1)
			s.checkEvents(ctx, "machine.flashed", 0)
			if got := s.wait(ctx, mac, waitShort, func(appliance.Machine) bool { return true }); !got.Cycle.Failed || !strings.Contains(got.Cycle.Reason, serial) {
				t.Errorf("the cycle is %+v; want failed, with the serial in the reason", got.Cycle)
			}
			if len(s.host.Ranges()) > 0 {
				t.Errorf("the image was asked for with the ranges %q; want not at all", s.host.Ranges())
			}
		})
	}
}

// checkLog looks for lines in what the machine's live environment sent of its log, each once.
func (s *site) checkLog(ctx context.Context, wanted ...string) {
	s.t.Helper()
	text, err := s.op.Log(ctx, mac)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, want := range wanted {
		if strings.Count(text, want) != 1 {
			s.t.Errorf("the log that the appliance has contains %q %d times; want once\n%s", want, strings.Count(text, want), text)
		}
	}
}

// digest is that of the whole disk.
func (s *site) digest(d testenv.Disk) string {
	s.t.Helper()
	info, err := os.Stat(d.File)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.digestOf(d, info.Size())
}

func (s *site) digestOf(d testenv.Disk, size int64) string {
	s.t.Helper()
	sum, err := d.Digest(size)
	if err != nil {
		s.t.Fatal(err)
	}
	return sum
}

// spoil changes one byte in the middle of a published file, and back.
func (s *site) spoil(image diskimg.Image) {
	s.t.Helper()
	f, err := os.OpenFile(filepath.Clean(image.File), os.O_RDWR, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], image.Size/2); err != nil {
		s.t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], image.Size/2); err != nil {
		s.t.Fatal(err)
	}
}
