package boots

import (
	"os"
	"strings"
	"testing"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
)

// A machine that nobody knows is recorded, reports its hardware, and boots its disk; at the next
// power-on it reports again.
func TestDiscovery(t *testing.T) {
	ctx := parallel(t)
	s := openSite(ctx, t)
	disk := s.oldDisk(ctx, serial, 16<<20)
	before := s.digest(disk)
	m := s.switchOn(ctx, testenv.UEFIHTTP, disk)
	expect(ctx, t, m.Console, waitFlash, `^bty: inventory delivered`)
	expect(ctx, t, m.Console, waitDisk, oldLine)
	s.checkEvents(ctx, "machine.discovered", 1)
	s.checkEvents(ctx, "machine.inventory", 1)
	s.checkPlans(ctx, "inventory")
	got := s.wait(ctx, mac, waitShort, func(appliance.Machine) bool { return true })
	if len(got.KnownDisks) != 1 || got.KnownDisks[0].Serial == nil || *got.KnownDisks[0].Serial != serial || got.BootMode != "bty-inventory" {
		t.Errorf("the machine is %+v; want bty-inventory and the disk %s", got, serial)
	}
	if s.digest(disk) != before {
		t.Error("the disk has been written to")
	}
	m.PowerCut()
	if err := m.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, m.Console, waitFlash, `^bty: inventory delivered`)
	s.checkEvents(ctx, "machine.discovered", 1)
	s.checkEvents(ctx, "machine.inventory", 2)
}

// flash-always: flash, disk, flash, disk. The firmware asks by PXE and then by HTTP Boot on its
// way to the disk, which is one power-on and not two.
func TestFlashAlways(t *testing.T) {
	ctx := parallel(t)
	s := openSite(ctx, t)
	raw := s.order(ctx, "bty-flash-always")
	disk := s.oldDisk(ctx, serial, 96<<20)
	m := s.switchOn(ctx, testenv.UEFI, disk)
	for round := 1; round <= 2; round++ {
		expect(ctx, t, m.Console, waitFlash, `^bty: flash complete`)
		expect(ctx, t, m.Console, waitDisk, newLine)
		s.checkDisk(disk, raw)
		s.checkEvents(ctx, "machine.flashed", round)
		s.checkPlans(ctx, []string{"flash", "flash"}[:round]...)
		if round == 2 {
			break
		}
		m.PowerCut()
		if err := disk.Fill(strings.NewReader(strings.Repeat("used", 1<<20))); err != nil {
			t.Fatal(err)
		}
		if err := m.PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if lines := s.dhcp.Find(`vendor class: HTTPClient:Arch:00016`); len(lines) == 0 {
		t.Error("the firmware never asked for HTTP Boot: this test did not see what it is for")
	}
}

// The power fails in the middle of a flash. What is on the disk then does not boot, and at the
// next power-on the machine is flashed again.
func TestPowerCut(t *testing.T) {
	ctx := parallel(t)
	s := openSite(ctx, t)
	raw := s.order(ctx, "bty-flash-once")
	disk := s.oldDisk(ctx, serial, 96<<20)
	s.host.SetRate(slow)
	m := s.switchOn(ctx, testenv.UEFIHTTP, disk)
	s.middle(ctx, m)
	m.PowerCut()

	for firmware, says := range map[testenv.Firmware]string{
		testenv.BIOS: `not a bootable disk`,
		testenv.UEFI: `BdsDxe: failed to load .*(Misc Device|QEMU).*Not Found|No bootable option or device was found`,
	} {
		alone := powerOn(ctx, t, s.lan, testenv.MachineConfig{
			Name: "alone-" + string(firmware), Firmware: firmware, NIC: testenv.NoNIC, MemoryMiB: 512, Disks: []testenv.Disk{disk},
		})
		expect(ctx, t, alone.Console, waitDisk, says)
		alone.PowerCut()
		if lines := alone.Console.Find(oldLine + "|" + newLine); len(lines) > 0 {
			t.Errorf("%s booted the half-written disk", firmware)
		}
	}

	s.host.SetRate(0)
	if err := m.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, m.Console, waitFlash, `^bty: flash complete`)
	expect(ctx, t, m.Console, waitDisk, newLine)
	s.checkDisk(disk, raw)
	s.checkPlans(ctx, "flash", "flash")
	s.checkEvents(ctx, "machine.flashed", 1)
	s.checkEvents(ctx, "machine.stuck", 0)
}

// A live environment that starts and is never heard of again: after max_attempts the machine is
// left to its disk until it is armed again.
func TestStuck(t *testing.T) {
	ctx := parallel(t)
	s := openSite(ctx, t, "BTY_BOOT_MAX_ATTEMPTS=2")
	raw := s.order(ctx, "bty-flash-once")
	disk := s.oldDisk(ctx, serial, 96<<20)
	s.host.Down() // so that it gets its plan and no further
	live := s.startLive(ctx, disk)
	for attempt := 1; attempt <= 2; attempt++ {
		s.wait(ctx, mac, waitFlash, func(m appliance.Machine) bool { return m.Cycle.Attempts == attempt })
		live.PowerCut()
		if attempt == 1 {
			if err := live.PowerOn(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	m := s.switchOn(ctx, testenv.UEFIHTTP, disk)
	expect(ctx, t, m.Console, waitFlash, oldLine)
	s.checkEvents(ctx, "machine.stuck", 1)
	m.PowerCut()
	// Who comes with a live environment of its own is told the same.
	if err := live.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	s.off(ctx, live)
	s.checkPlans(ctx, "flash", "flash", "exit")

	if err := s.host.Up(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.op.Arm(ctx, mac); err != nil {
		t.Fatal(err)
	}
	if err := live.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, live.Console, waitFlash, `^bty: flash complete`)
	s.off(ctx, live)
	s.checkDisk(disk, raw)
	s.checkPlans(ctx, "flash", "flash", "exit", "flash")
}

// One byte of the image is not what its publisher said: the flash fails, the disk does not boot,
// and nothing more is tried until the machine is armed again.
func TestWrongDigest(t *testing.T) {
	ctx := parallel(t)
	s := openSite(ctx, t)
	raw, _ := s.image(ctx, diskimg.Spec{Line: newLine, Size: 64 << 20})
	s.bind(ctx, mac, appliance.Binding{Mode: "bty-flash-once", Image: s.publish(ctx, raw, raw.SHA256), Serial: serial})
	s.spoil(raw)
	disk := s.oldDisk(ctx, serial, 96<<20)
	live := s.startLive(ctx, disk)
	expect(ctx, t, live.Console, waitFlash, `^bty: flash failed: .*(digest|SHA-256)`)
	s.off(ctx, live)
	s.checkEvents(ctx, "machine.flash_failed", 1)
	s.checkEvents(ctx, "machine.flashed", 0)
	if first := firstSector(t, disk); strings.Trim(first, "\x00") != "" {
		t.Error("the disk has a first sector: it may boot")
	}

	m := s.switchOn(ctx, testenv.UEFIHTTP, disk)
	expect(ctx, t, m.Console, waitFlash, `^bty: `+mac+` \(bty-flash-once\): .*failed.*booting the local disk`)
	m.PowerCut()
	if err := live.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	s.off(ctx, live)
	s.checkPlans(ctx, "flash", "exit")

	s.spoil(raw) // good again
	if err := s.op.Arm(ctx, mac); err != nil {
		t.Fatal(err)
	}
	if err := live.PowerOn(ctx); err != nil {
		t.Fatal(err)
	}
	expect(ctx, t, live.Console, waitFlash, `^bty: flash complete`)
	s.off(ctx, live)
	s.checkDisk(disk, raw)
	s.checkPlans(ctx, "flash", "exit", "flash")
}

func firstSector(t *testing.T, d testenv.Disk) string {
	t.Helper()
	f, err := os.Open(d.File)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sector := make([]byte, 512)
	if _, err := f.ReadAt(sector, 0); err != nil {
		t.Fatal(err)
	}
	return string(sector)
}
