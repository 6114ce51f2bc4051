package boots

import (
	"path/filepath"
	"testing"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
	"bty/internal/testenv/screen"
)

// A person at the second serial port of a machine that is to ask somebody: they press Enter there,
// choose the image of the server's catalog and a disk, type the word, and the disk holds the image.
// The first serial port, which is somebody's log, stays a log.
func TestWizardOnASerialConsole(t *testing.T) {
	ctx := parallel(t)
	s := openSite(ctx, t)
	raw, packed := s.image(ctx, diskimg.Spec{Line: newLine, Size: 64 << 20})
	s.bind(ctx, mac, appliance.Binding{Mode: "bty-tui"})
	s.publish(ctx, packed, packed.SHA256)
	disk := s.oldDisk(ctx, serial, 96<<20)
	port := filepath.Join(s.lan.Dir, "port")
	m := powerOn(ctx, t, s.lan, testenv.MachineConfig{
		Name: "live", MAC: mac, Firmware: testenv.BIOS, NIC: "e1000e", Disks: []testenv.Disk{disk}, NoReboot: true,
		Direct: &testenv.DirectBoot{
			Kernel: built(t, "live", "bty-live-x86_64.vmlinuz"), Initrd: built(t, "live", "bty-live-x86_64.initrd"),
			Append: "console=ttyS1,115200 console=ttyS0,115200 bty.hold=1 bty.server=" + appliance.URL + " bty.mac=" + mac,
		},
		Extra: []string{"-chardev", "socket,id=port,server=on,wait=off,path=" + port, "-serial", "chardev:port"},
	})
	person := screen.Open(t, 80, 24, "socat -,rawer UNIX-CONNECT:"+screen.Quote(port))
	expect(ctx, t, m.Console, waitFlash, `^bty: press Enter here for the wizard`)
	person.See("press Enter here for the wizard")
	person.Keys("Enter")
	expect(ctx, t, m.Console, waitShort, `^bty: the wizard is in use on /dev/ttyS1`)
	person.SeeWithin(waitShort, "[Image]", "image.img.zst", mac)
	person.Keys("Down", "Up", "Enter") // of three bytes each, the first of which alone is Esc
	person.SeeWithin(waitShort, "[Disk]", serial)
	person.Keys("Enter")
	person.See("[Confirm]", "serial  "+serial, "Type yes")
	person.Type("yes")
	person.Keys("Enter")
	person.SeeWithin(waitFlash, "[Done]", "image.img.zst is on /dev/", "> Reboot this machine")
	expect(ctx, t, m.Console, waitShort, `^bty: flash complete`)
	s.checkEvents(ctx, "machine.flashed", 1)
	s.checkEvents(ctx, "machine.picked", 1)
	s.checkDisk(disk, raw)
	person.Keys("Enter")
	s.off(ctx, m)
	if lines := m.Console.Find(`\[Image\]|Type yes`); len(lines) > 0 {
		t.Errorf("the log has the wizard in it: %q", lines[0].Text)
	}
}

// The same at the machine's own keyboard and screen, which is a Linux console: arrows, Esc, and the
// way back. The serial console beside it is only a log.
func TestWizardOnAScreen(t *testing.T) {
	ctx := parallel(t)
	s := openSite(ctx, t)
	raw, packed := s.image(ctx, diskimg.Spec{Line: newLine, Size: 64 << 20})
	s.bind(ctx, mac, appliance.Binding{Mode: "bty-tui"})
	s.publish(ctx, packed, packed.SHA256)
	first, second := s.oldDisk(ctx, "FIRST", 96<<20), s.oldDisk(ctx, serial, 96<<20)
	before := s.digest(first)
	m := powerOn(ctx, t, s.lan, testenv.MachineConfig{
		Name: "live", MAC: mac, Firmware: testenv.BIOS, NIC: "e1000e", Disks: []testenv.Disk{first, second}, NoReboot: true,
		Direct: &testenv.DirectBoot{
			Kernel: built(t, "live", "bty-live-x86_64.vmlinuz"), Initrd: built(t, "live", "bty-live-x86_64.initrd"),
			Append: "console=tty0 console=ttyS0,115200 bty.hold=1 bty.server=" + appliance.URL + " bty.mac=" + mac,
		},
		Extra: []string{"-vga", "std"},
	})
	see := func(wants ...string) {
		t.Helper()
		if err := m.WaitText(ctx, waitFlash, wants...); err != nil {
			t.Fatal(err)
		}
	}
	press := func(keys ...string) {
		t.Helper()
		if err := m.Press(ctx, keys...); err != nil {
			t.Fatal(err)
		}
	}
	expect(ctx, t, m.Console, waitFlash, `^bty: press Enter here for the wizard`)
	see("press Enter here for the wizard")
	press("ret")
	expect(ctx, t, m.Console, waitShort, `^bty: the wizard is in use on /dev/tty0`)
	see("[Image]", "> image.img.zst")
	press("ret")
	see("[Disk]", "FIRST", serial)
	press("ret")
	see("[Confirm]", "serial  FIRST")
	press("esc")
	see("[Disk]")
	press("down", "ret")
	see("[Confirm]", "serial  "+serial)
	press("y", "e", "s", "ret")
	see("[Done]", "> Reboot this machine")
	s.checkEvents(ctx, "machine.flashed", 1)
	s.checkDisk(second, raw)
	if s.digest(first) != before {
		t.Error("the other disk has been written to")
	}
	press("ret")
	s.off(ctx, m)
}
