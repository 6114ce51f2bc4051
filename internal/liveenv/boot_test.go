package liveenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestBoot boots Debian's kernel with a stand-in for bty: everything between the kernel's
// hand-over and the reboot is real.
func TestBoot(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a machine")
	}
	need(t, "qemu-system-x86_64", "qemu-system-x86")
	live := initOf(t, "probe")
	if live.InitrdSize > 40<<20 {
		t.Errorf("the initrd has %d bytes; it must stay under 40 MiB", live.InitrdSize)
	}
	if len(live.Missing) > 0 {
		t.Errorf("modules depend on %q, which Debian's kernel has", live.Missing)
	}
	run := func(name string, f func(t *testing.T, v vm, h *host)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, vm{kernel: live.Kernel, initrd: live.Initrd, args: userNIC()}, newHost(t))
		})
	}
	run("all disks", allDisks)
	run("panic", panics)
	run("no bty.mac", withoutMAC)
	run("VLAN", inVLAN)
	run("static address", withStatic)
	run("rescue without a shell", noShell)
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Minute, fmt.Errorf("the machine did not end in two minutes"))
	t.Cleanup(cancel)
	return ctx
}

// disks puts one disk on each kind of controller. The drivers of USB and SD come last and late.
func disks(t *testing.T) []string {
	t.Helper()
	var args []string
	for i, device := range []string{
		"nvme,serial=NV1", "ide-hd,bus=sata.0,serial=SATA1", "virtio-blk-pci", "scsi-hd,bus=scsi.0,serial=VS1",
		"usb-storage,bus=usb.0", "sd-card",
	} {
		image := filepath.Join(t.TempDir(), "disk.img")
		if err := os.WriteFile(image, make([]byte, 1<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-drive", fmt.Sprintf("if=none,id=d%d,format=raw,file=%s", i, image), "-device", fmt.Sprintf("%s,drive=d%d", device, i))
	}
	return append([]string{"-device", "ahci,id=sata", "-device", "virtio-scsi-pci,id=scsi", "-device", "qemu-xhci,id=usb", "-device", "sdhci-pci"}, args...)
}

func allDisks(t *testing.T, v vm, h *host) {
	v.append = h.arg() + " bty.mac=" + vmMAC + " modprobe.blacklist=nouveau,rndis_host"
	v.args = append(v.args, disks(t)...)
	start := time.Now()
	console := v.run(deadline(t), t, nil)
	for _, want := range []string{"bty: entered v0-test", "bty: network eth0 10.0.2.15/24", "bty: clock set forward", "bty: live environment up in ", "bty: exiting v0-test"} {
		if strings.Count(console, want) != 1 {
			t.Errorf("the console has %q %d times\n%s", want, strings.Count(console, want), tail(console))
		}
	}
	asked := h.asked()
	if len(asked) != 2 || asked[0].request != "GET /healthz" || asked[1].request != "POST /report" {
		t.Fatalf("the server was asked %+v\n%s", asked, tail(console))
	}
	report := asked[1].body
	for _, want := range []string{
		"mac=" + vmMAC, "addr=10.0.2.15/24", "disks=mmcblk0 nvme0n1 sda sdb sdc vda\n", `resolv="nameserver 10.0.2.3\n"`,
		"/proc proc", "/sys sysfs", "/dev devtmpfs", "/run tmpfs", "/tmp tmpfs",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in the machine's report:\n%s\n%s", want, report, tail(console))
		}
	}
	var clock int64
	if m := regexp.MustCompile(`time=(\d+)`).FindStringSubmatch(report); m != nil {
		fmt.Sscan(m[1], &clock)
	}
	if at := time.Unix(clock, 0); at.Before(start.Add(-time.Minute)) || at.After(time.Now().Add(time.Minute)) {
		t.Errorf("the machine's clock says %v; it began in 2020", at)
	}
}

// panics: a defect in the work is shown, the server gets it as the end of the log, and the machine
// reboots by itself.
func panics(t *testing.T, v vm, h *host) {
	v.append = h.arg() + " bty.mac=" + vmMAC + " test.panic bty.hold=1 bty.log=server"
	console := v.run(deadline(t), t, nil)
	for _, want := range []string{"bty cannot go on", "a defect in bty: asked to panic", "The machine reboots in 1s", "bty: exiting v0-test"} {
		if !strings.Contains(console, want) {
			t.Errorf("no %q on the console\n%s", want, tail(console))
		}
	}
	asked := h.asked()
	last := asked[len(asked)-1]
	if last.request != "POST /pxe/"+vmMAC+"/log" {
		t.Errorf("the last that the server was asked is %q; want the log", last.request)
	}
	for _, want := range []string{"bty: entered v0-test", "a defect in bty: asked to panic", "bty: exiting v0-test"} {
		if !strings.Contains(last.body, want) {
			t.Errorf("no %q in the log that was sent:\n%s", want, last.body)
		}
	}
}

// withoutMAC: the first NIC with a link is taken; e1000e because its driver is another kind.
func withoutMAC(t *testing.T, v vm, h *host) {
	v.append = h.arg()
	v.args = []string{"-nic", "user,model=e1000e,mac=" + vmMAC}
	console := v.run(deadline(t), t, nil)
	asked := h.asked()
	if len(asked) != 2 || !strings.Contains(asked[1].body, "mac="+vmMAC) || !strings.Contains(asked[1].body, "disks=\n") {
		t.Errorf("the server was asked %+v\n%s", asked, tail(console))
		return
	}
	// The kernel's helper loads a module that no device here has asked for.
	if !strings.Contains(asked[1].body, "helper=/sbin/modprobe loaded=true") {
		t.Errorf("the helper that loads modules does not work:\n%s", asked[1].body)
	}
}
