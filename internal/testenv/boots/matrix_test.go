package boots

import (
	"context"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
)

// The live environment's kernel on each kind of NIC and of disk that QEMU 7.2 has and that machines
// in the field are made of. Each pair flashes; igb needs QEMU 8, so vmxnet3 stands for the NICs
// with queues of their own.
func TestDevices(t *testing.T) {
	for name, c := range map[string]struct {
		nic string
		bus testenv.Bus
	}{
		"e1000e, NVMe":         {"e1000e", testenv.NVMe},
		"vmxnet3, AHCI":        {"vmxnet3", testenv.AHCI},
		"rtl8139, virtio-scsi": {"rtl8139", testenv.SCSI},
		"virtio, virtio-blk":   {"virtio-net-pci", testenv.VirtIO},
		"e1000e, USB":          {"e1000e", testenv.USB},
		"virtio, SD":           {"virtio-net-pci", testenv.SD},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := parallel(t)
			s := openSite(ctx, t)
			raw, packed := s.image(ctx, diskimg.Spec{Line: newLine, Size: diskimg.MinSize})
			disk := newDisk(t, s.lan, serial, 64<<20) // a power of two: an SD card has no other size
			disk.Bus = c.bus
			s.bind(ctx, mac, appliance.Binding{Mode: "bty-flash-once", Image: s.publish(ctx, packed, packed.SHA256), Serial: s.serialOf(disk)})
			start := time.Now()
			m := s.startLiveOn(ctx, c.nic, "", disk)
			expect(ctx, t, m.Console, waitFlash, `^bty: flash complete`)
			t.Logf("flashed after %.0f s", time.Since(start).Seconds())
			s.off(ctx, m)
			s.checkDisk(disk, raw)
			s.checkEvents(ctx, "machine.flashed", 1)
		})
	}
}

// serialOf is what the machine sees as the disk's serial: an SD card has a number of QEMU's.
func (s *site) serialOf(disk testenv.Disk) string {
	if disk.Bus == testenv.SD {
		return testenv.SDSerial
	}
	return disk.Serial
}

// startLiveOn starts the live environment with a NIC and more words on its command line.
func (s *site) startLiveOn(ctx context.Context, nic, words string, disks ...testenv.Disk) *testenv.Machine {
	s.t.Helper()
	return powerOn(ctx, s.t, s.lan, testenv.MachineConfig{
		Name: "live", MAC: mac, Firmware: testenv.BIOS, NIC: nic, Disks: disks, NoReboot: true,
		Direct: &testenv.DirectBoot{
			Kernel: built(s.t, "live", "bty-live-x86_64.vmlinuz"), Initrd: built(s.t, "live", "bty-live-x86_64.initrd"),
			Append: "console=ttyS0 bty.hold=1 bty.server=" + appliance.URL + " bty.mac=" + mac + words,
		},
	})
}
