package boots

import (
	"os"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/diskimg"
)

// The images that all other tests flash really boot, from each kind of disk.
func TestDiskImagesBoot(t *testing.T) {
	for name, c := range map[string]struct {
		firmware testenv.Firmware
		table    diskimg.Table
		bus      testenv.Bus
	}{
		"BIOS MBR virtio": {testenv.BIOS, diskimg.MBR, testenv.VirtIO},
		"BIOS GPT ahci":   {testenv.BIOS, diskimg.GPT, testenv.AHCI},
		"UEFI MBR virtio": {testenv.UEFI, diskimg.MBR, testenv.VirtIO},
		"UEFI GPT nvme":   {testenv.UEFI, diskimg.GPT, testenv.NVMe},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := parallel(t)
			lan := openLAN(ctx, t)
			image := newImage(ctx, t, lan, "boot.img", diskimg.Spec{Line: "the disk of " + name, Size: diskimg.MinSize, Table: c.table})
			disk := newDisk(t, lan, "BOOT1", 16<<20)
			disk.Bus = c.bus
			content, err := os.Open(image.File)
			if err != nil {
				t.Fatal(err)
			}
			defer content.Close()
			if err := disk.Fill(content); err != nil {
				t.Fatal(err)
			}
			m := powerOn(ctx, t, lan, testenv.MachineConfig{
				Name: "m", Firmware: c.firmware, MemoryMiB: 512, NIC: testenv.NoNIC, Disks: []testenv.Disk{disk},
			})
			expect(ctx, t, m.Console, 2*time.Minute, `^the disk of `+name+`$`)
		})
	}
}
