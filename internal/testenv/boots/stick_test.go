package boots

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"bty/internal/liveenv/builder"
	"bty/internal/stick"
	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
	"bty/internal/testenv/screen"
)

// newStick makes a stick's image and a USB disk of it.
func newStick(ctx context.Context, t *testing.T, lan *testenv.LAN, boot stick.Boot, room int64) (testenv.Disk, stick.Report) {
	t.Helper()
	r, err := stick.Build(ctx, stick.Options{Out: filepath.Join(lan.Dir, "stick.img"), Boot: boot, Room: room})
	if err != nil {
		t.Fatal(err)
	}
	return testenv.Disk{File: r.Out, Serial: "STICK", Bus: testenv.USB}, r
}

func liveStick(t *testing.T) *stick.Live {
	return &stick.Live{
		Arch: builder.X86_64, Dir: filepath.Dir(built(t, "live", "bty-live-x86_64.vmlinuz")),
		Arguments: stick.Arguments + " bty.hold=1", Loaders: stick.Loaders,
	}
}

// A machine without a network is started from a stick, and a person puts an image of the stick's
// exFAT partition on its disk. The stick itself is not to be chosen.
func TestStickFlashes(t *testing.T) {
	for _, firmware := range []testenv.Firmware{testenv.BIOS, testenv.UEFI} {
		t.Run(string(firmware), func(t *testing.T) {
			ctx := parallel(t)
			lan := openLAN(ctx, t)
			raw := newImage(ctx, t, lan, "image.img", diskimg.Spec{Line: newLine, Size: 64 << 20})
			packed, err := diskimg.Pack(ctx, raw, ".zst")
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(packed.File)
			if err != nil {
				t.Fatal(err)
			}
			usb, made := newStick(ctx, t, lan, liveStick(t), 128<<20)
			if err := diskimg.PutExFAT(usb.File, made.Size-made.Room, "Debian Ü.img.zst", data); err != nil {
				t.Fatal(err)
			}
			disk := newDisk(t, lan, serial, 96<<20)
			port := filepath.Join(lan.Dir, "port")
			m := powerOn(ctx, t, lan, testenv.MachineConfig{
				Name: "m", Firmware: firmware, NIC: testenv.NoNIC, Disks: []testenv.Disk{usb, disk}, NoReboot: true,
				Extra: []string{"-chardev", "socket,id=port,server=on,wait=off,path=" + port, "-serial", "chardev:port"},
			})
			person := screen.Open(t, 80, 24, "socat -,rawer UNIX-CONNECT:"+screen.Quote(port))
			expect(ctx, t, m.Console, waitFlash, `^bty: images of /dev/sd.* \(BTY_IMAGES\) are in`)
			expect(ctx, t, m.Console, waitFlash, `^bty: press Enter here for the wizard`)
			person.SeeWithin(waitShort, "press Enter here for the wizard")
			person.Keys("Enter")
			person.SeeWithin(waitShort, "[Catalog]", "Images on this machine")
			person.Keys("Enter")
			person.SeeWithin(waitShort, "[Image]", "Debian ?.img.zst") // a serial line gets ASCII
			person.Keys("Enter")
			person.SeeWithin(waitShort, "[Disk]", serial, "STICK")
			person.Keys("Enter")
			person.See("[Confirm]", "serial  "+serial)
			person.Type("yes")
			person.Keys("Enter")
			person.SeeWithin(waitFlash, "[Done]")
			if got, err := disk.Digest(raw.Size); err != nil || got != raw.SHA256 {
				t.Errorf("the disk has %s, %v; want the image %s", got, err, raw.SHA256)
			}
		})
	}
}

// A stick that only leads to the appliance: the machine is not asked to boot from the network, and
// the appliance comes to know it and its hardware.
func TestStickLeadsToTheAppliance(t *testing.T) {
	for _, firmware := range []testenv.Firmware{testenv.BIOS, testenv.UEFI} {
		t.Run(string(firmware), func(t *testing.T) {
			ctx := parallel(t)
			s := openSite(ctx, t)
			usb, _ := newStick(ctx, t, s.lan, &stick.Chain{
				Host: testenv.ServerIP + ":8080", Programs: []string{filepath.Dir(built(t, "ipxe", "ipxe.lkrn"))},
			}, 0)
			m := powerOn(ctx, t, s.lan, testenv.MachineConfig{
				Name: "m", MAC: mac, Firmware: firmware, Disks: []testenv.Disk{usb}, FromDisk: true,
			})
			expect(ctx, t, m.Console, waitFlash, `^bty: inventory delivered`)
			s.checkEvents(ctx, "machine.discovered", 1)
			s.wait(ctx, mac, waitShort, func(m appliance.Machine) bool { return len(m.KnownDisks) == 1 })
		})
	}
}
