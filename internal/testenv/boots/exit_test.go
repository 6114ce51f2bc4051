package boots

import (
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
)

// A machine that is to boot its own disk does: BIOS by sanboot, UEFI by leaving iPXE.
func TestExitBootsTheDisk(t *testing.T) {
	for _, firmware := range []testenv.Firmware{testenv.BIOS, testenv.UEFI, testenv.UEFIHTTP} {
		t.Run(string(firmware), func(t *testing.T) {
			ctx := parallel(t)
			s := openSite(ctx, t)
			s.bind(ctx, mac, appliance.Binding{Mode: "ipxe-exit"})
			m := powerOn(ctx, t, s.lan, testenv.MachineConfig{
				Name: "m", MAC: mac, Firmware: firmware, Disks: []testenv.Disk{s.oldDisk(ctx, serial, 16<<20)},
			})
			start := time.Now()
			expect(ctx, t, m.Console, 2*time.Minute, oldLine)
			t.Logf("disk after %v, %d contacts", time.Since(start), len(s.events(ctx, mac, "netboot.pxe.offered")))
		})
	}
}
