//go:build long

package boots

import (
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
)

// The main job on arm64: UEFI asks the network, iPXE and the live environment of its own architecture
// come from the same appliance, and the flashed disk boots.
func TestFlashARM64(t *testing.T) {
	built(t, "live", "bty-live-arm64.initrd")
	ctx := parallelFor(t, 20*time.Minute)
	s := openSite(ctx, t)
	raw, packed := s.image(ctx, diskimg.Spec{Line: newLine, Size: 64 << 20})
	ref := s.publish(ctx, packed, packed.SHA256)
	s.bind(ctx, mac, appliance.Binding{Mode: "bty-flash-once", Image: ref, Serial: serial})
	disk := s.oldDisk(ctx, serial, 96<<20)
	disk.Bus = testenv.NVMe
	m := powerOn(ctx, t, s.lan, testenv.MachineConfig{
		Name: "m", MAC: mac, Firmware: testenv.ARM64, Disks: []testenv.Disk{disk},
	})
	start := time.Now()
	expect(ctx, t, m.Console, waitARM64, `^bty: flash complete`)
	flashed := time.Since(start)
	expect(ctx, t, m.Console, waitARM64, newLine)
	t.Logf("flashed after %.0f s, disk after %.0f s", flashed.Seconds(), time.Since(start).Seconds())
	s.checkDisk(disk, raw)
	if len(s.dhcp.Find(`bootfile-name  ipxe-arm64\.efi$`)) == 0 {
		t.Error("dnsmasq never named the boot program for arm64")
	}
	s.checkPlans(ctx, "flash")
	s.checkEvents(ctx, "machine.flashed", 1)
	if lines := m.Console.Find(oldLine); len(lines) > 0 {
		t.Error("the old disk was booted in between")
	}
}

// waitARM64 is a bound for a machine whose every instruction is translated.
const waitARM64 = 8 * time.Minute
