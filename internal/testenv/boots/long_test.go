//go:build long

package boots

import (
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/appliance"
)

// The power fails again and again, a little later each time. What is on the disk never boots,
// until one flash is left alone and the disk is the image.
func TestManyPowerCuts(t *testing.T) {
	ctx := parallelFor(t, 40*time.Minute)
	s := openSite(ctx, t, "BTY_BOOT_MAX_ATTEMPTS=1000")
	raw := s.order(ctx, "bty-flash-once")
	disk := s.oldDisk(ctx, serial, 96<<20)
	s.host.SetRate(2 << 20)
	m := s.startLive(ctx, disk)
	cuts := 0
	for written := int64(1); written <= 30<<20; written += 1 << 20 {
		if err := m.WaitWritten(ctx, 0, written, waitFlash); err != nil {
			t.Fatal(err)
		}
		m.PowerCut()
		cuts++
		if first := firstSector(t, disk); strings.Trim(first, "\x00") != "" && s.digestOf(disk, raw.Size) != raw.SHA256 {
			t.Fatalf("after %d bytes the disk has a first sector but not the whole image", written)
		}
		if err := m.PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
	}
	s.host.SetRate(0)
	expect(ctx, t, m.Console, waitFlash, `^bty: flash complete`)
	s.off(ctx, m)
	s.checkDisk(disk, raw)
	s.checkEvents(ctx, "machine.flashed", 1)
	if got := strings.Count(s.plans(ctx, mac), "flash"); got != cuts+1 {
		t.Errorf("%d flash plans for %d cuts", got, cuts)
	}
}

// bty-web is killed every second of a flash. The flash does not notice, and every event that was
// there before a kill is there after it.
func TestManyServerKills(t *testing.T) {
	ctx := parallelFor(t, 20*time.Minute)
	s := openSite(ctx, t)
	raw := s.order(ctx, "bty-flash-always")
	disk := s.oldDisk(ctx, serial, 96<<20)
	s.host.SetRate(slow / 4)
	m := s.startLive(ctx, disk)
	s.wait(ctx, mac, waitFlash, func(m appliance.Machine) bool { return m.Cycle.Attempts == 1 })
	known := 0
	for range 40 {
		events, err := s.op.Events(ctx, mac)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) < known {
			t.Fatalf("%d events after a kill; %d before it", len(events), known)
		}
		known = len(events)
		s.app.KillWeb()
		if err := s.app.StartWeb(ctx); err != nil {
			t.Fatal(err)
		}
		select {
		case <-time.After(time.Second): // a second of the flash
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
	}
	s.host.SetRate(0)
	expect(ctx, t, m.Console, waitFlash, `^bty: flash complete`)
	s.off(ctx, m)
	s.checkDisk(disk, raw)
	s.checkPlans(ctx, "flash")
	s.checkEvents(ctx, "machine.flashed", 1)
}

// Ten rounds of flash-always: each reset button flashes, each reboot after a flash does not.
func TestAlwaysAlternates(t *testing.T) {
	ctx := parallelFor(t, 60*time.Minute)
	s := openSite(ctx, t)
	raw := s.order(ctx, "bty-flash-always")
	disk := s.oldDisk(ctx, serial, 96<<20)
	m := s.switchOn(ctx, "uefi-http", disk)
	for round := 1; round <= 10; round++ {
		expect(ctx, t, m.Console, waitFlash, `^bty: flash complete`)
		expect(ctx, t, m.Console, waitDisk, newLine)
		s.checkDisk(disk, raw)
		s.checkEvents(ctx, "machine.flashed", round)
		if err := m.Reset(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
