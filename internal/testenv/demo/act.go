package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bty/internal/testenv"
)

// whole bounds one way from power-on to a running disk, on a slow machine without KVM.
const whole = 8 * time.Minute

var ways = map[testenv.Firmware]string{
	testenv.BIOS: "BIOS, boots over TFTP", testenv.UEFI: "UEFI, boots over TFTP", testenv.UEFIHTTP: "UEFI, HTTP Boot",
}

func (w *world) introduce(out *screen) {
	out.title("bty: from power-on to a flashed disk")
	out.fact("LAN", "network namespace %s; dnsmasq hands out one bootfile, with no rule for iPXE", w.lan.Name)
	out.fact("appliance", "bty-web and bty-tftp on inherited sockets; pages at %s", w.pages())
	out.fact("image", "%s, %d MiB, packed %d MiB, served by an image host on the LAN", filepath.Base(w.packed.File), w.raw.Size>>20, w.packed.Size>>20)
	out.fact("bound", "to %s, disk %s, bty-flash-once", mac, serial)
	out.fact("machine", "QEMU without KVM; %s; an empty disk of %d MiB", ways[w.firmware], diskSize>>20)
	out.text("")
}

func (w *world) pages() string { return "http://" + w.app.Host.String() }

// powerCycle switches the machine on, and shows its life until its own disk runs.
func (w *world) powerCycle(ctx context.Context, out *screen) error {
	w.machine.PowerCut()
	ctx, cancel := context.WithTimeout(ctx, whole)
	defer cancel()
	watching, done := context.WithCancel(ctx)
	line := newTimeline(out, time.Now())
	var watchers sync.WaitGroup
	watchers.Go(func() { line.show(watching) })
	watchers.Go(func() { w.operator.Stream(watching, line.message) })
	watchers.Go(func() { w.dhcp.Log.Follow(watching, new(dhcpLog).reader(line)) })
	watchers.Go(func() { w.machine.Console.Follow(watching, line.console) })
	line.add(entry{at: time.Now(), label: "power", text: "the machine is switched on"})
	err := w.machine.PowerOn(ctx)
	if err == nil {
		_, err = w.machine.Console.Expect(ctx, whole, diskLine)
	}
	took := time.Since(line.start)
	if err == nil {
		line.settle(ctx)
	}
	done()
	watchers.Wait()
	if err != nil {
		return errors.Join(fmt.Errorf("the machine did not reach its disk: %w", err), w.lastWords())
	}
	out.good(fmt.Sprintf("The machine runs from its own disk, %.0f s after it was switched on.", took.Seconds()))
	return nil
}

// lastWords is what everybody said last.
func (w *world) lastWords() error {
	return errors.New(w.machine.Console.Tail(40) + w.dhcp.Log.Tail(10) + w.app.TFTP.Tail(10) + w.app.Web.Tail(20))
}

// compare reads the disk back and fails if it is not the image.
func (w *world) compare(out *screen) error {
	got, err := w.disk.Digest(w.raw.Size)
	if err != nil {
		return err
	}
	out.fact("image", "sha256 %s", w.raw.SHA256)
	out.fact("disk", "sha256 %s", got)
	if got != w.raw.SHA256 {
		return fmt.Errorf("the first %d bytes of the disk are not the image", w.raw.Size)
	}
	out.good("The disk is the image, byte for byte.")
	return nil
}

// keep leaves everything up until the demo is ended. Enter is the machine's power button.
func (w *world) keep(ctx context.Context, out *screen, in io.Reader) error {
	out.fact("pages", "%s   password bty-lab", w.pages())
	out.fact("look", "ip netns exec %s tcpdump -ni lan", w.lan.Name)
	out.fact("power", "press Enter to switch the machine off and on again")
	out.fact("end", "Ctrl-C, or kill %d", os.Getpid())
	presses := make(chan struct{})
	go func() { // it ends with the program: a read of a terminal cannot be cancelled
		for lines := bufio.NewScanner(in); lines.Scan(); {
			presses <- struct{}{}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-presses:
			if err := w.powerCycle(ctx, out); err != nil && ctx.Err() == nil {
				out.text("%v", err)
			}
		}
	}
}
