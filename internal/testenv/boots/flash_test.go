package boots

import (
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
)

const (
	mac    = "52:54:00:b7:00:01"
	serial = "TARGET1"
)

// The main job on each kind of firmware: from power-on through one bootfile to a flashed disk,
// and from there on to the machine's own disk, once and for all.
func TestFlashOnce(t *testing.T) {
	for name, c := range map[string]struct {
		firmware testenv.Firmware
		nic      string
		bus      testenv.Bus
		bootfile string // in dnsmasq's log
		again    bool   // switch it on once more
	}{
		"BIOS over TFTP": {testenv.BIOS, "virtio-net-pci", testenv.AHCI, `bootfile-name  undionly\.kpxe$`, false},
		"UEFI over TFTP": {testenv.UEFI, "virtio-net-pci", testenv.NVMe, `bootfile-name  ipxe\.efi$`, false},
		"UEFI HTTP Boot": {testenv.UEFIHTTP, "virtio-net-pci", testenv.VirtIO, `bootfile-name  http://.*/boot/ipxe\.efi$`, true},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := parallel(t)
			s := openSite(ctx, t)
			raw, packed := s.image(ctx, diskimg.Spec{Line: newLine, Size: 64 << 20})
			ref := s.publish(ctx, packed, packed.SHA256)
			s.bind(ctx, mac, appliance.Binding{Mode: "bty-flash-once", Image: ref, Serial: serial})
			disk := s.oldDisk(ctx, serial, 96<<20)
			disk.Bus = c.bus
			m := powerOn(ctx, t, s.lan, testenv.MachineConfig{
				Name: "m", MAC: mac, Firmware: c.firmware, NIC: c.nic, Disks: []testenv.Disk{disk},
			})
			start := time.Now()
			expect(ctx, t, m.Console, waitFlash, `^bty: flash complete`)
			flashed := time.Since(start)
			expect(ctx, t, m.Console, waitDisk, newLine)
			t.Logf("flashed after %.0f s, disk after %.0f s", flashed.Seconds(), time.Since(start).Seconds())
			s.checkDisk(disk, raw)
			if len(s.dhcp.Find(c.bootfile)) == 0 {
				t.Errorf("dnsmasq's log has no line like %q", c.bootfile)
			}
			if c.again { // the reboot was one power-on already; firmware makes no difference here
				m.PowerCut()
				if err := m.PowerOn(ctx); err != nil {
					t.Fatal(err)
				}
				expect(ctx, t, m.Console, waitDisk, newLine)
			}
			s.checkPlans(ctx, "flash")
			s.checkEvents(ctx, "machine.flashed", 1)
			if lines := m.Console.Find(oldLine); len(lines) > 0 {
				t.Error("the old disk was booted in between")
			}
		})
	}
}
