package hotplug

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// How long nothing must happen before the disks count as all there. Loading a driver ends when
// its own probing has ended, so what remains are buses that report later by themselves.
const (
	quiet     = 250 * time.Millisecond
	quietSlow = time.Second      // USB hubs and card slots: debouncing and reset of each port
	patience  = 5 * time.Second  // for a device that has a driver and no disk yet: usb-storage waits 1 s
	giveUp    = 30 * time.Second // for a driver that hangs
)

// Settle returns when all drivers are loaded and their disks have appeared, or it gives up. It
// opens the gate.
func (p *Plug) Settle(ctx context.Context) {
	p.Open()
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	for {
		left, since, changed := p.queue.state()
		wait := giveUp
		if len(left) == 0 {
			wait = time.Until(since.Add(p.quietFor()))
		}
		if wait <= 0 {
			return
		}
		timer := time.NewTimer(min(wait, quiet))
		select {
		case <-ctx.Done():
			timer.Stop()
			p.log.Warn("drivers are still loading; their disks may be missing", "modules", strings.Join(left, ","))
			return
		case <-changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// quietFor is how long it must have been quiet, by what kinds of bus there are.
func (p *Plug) quietFor() time.Duration {
	if p.expects() {
		return patience
	}
	if p.any("bus/usb/devices/*") || p.any("class/mmc_host/*") {
		return quietSlow
	}
	return quiet
}

func (p *Plug) any(pattern string) bool {
	found, _ := filepath.Glob(filepath.Join(p.sys, pattern))
	return len(found) > 0
}

// parents are devices that should have a disk below them once their driver is done.
var parents = []struct{ parent, child string }{
	{"class/nvme/nvme*", "nvme*n*"},
	{"bus/virtio/drivers/virtio_blk/virtio*", "block/*"},
	{"bus/usb/drivers/usb-storage/*:*", "host*/target*/*/block/*"},
	{"bus/usb/drivers/uas/*:*", "host*/target*/*/block/*"},
	{"bus/mmc/devices/*", "block/*"},
}

// expects says that some device has its driver and not yet its disk.
func (p *Plug) expects() bool {
	for _, x := range parents {
		devices, _ := filepath.Glob(filepath.Join(p.sys, x.parent))
		for _, d := range devices {
			if children, _ := filepath.Glob(filepath.Join(d, x.child)); len(children) == 0 {
				return true
			}
		}
	}
	return p.scsiExpects()
}

// scsiExpects looks for SCSI devices of type 0, a disk, without a block device: sd may be
// waiting for the spin-up.
func (p *Plug) scsiExpects() bool {
	types, _ := filepath.Glob(filepath.Join(p.sys, "bus/scsi/devices/*:*:*:*/type"))
	for _, file := range types {
		kind, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(kind)) != "0" {
			continue
		}
		if found, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "block/*")); len(found) == 0 {
			return true
		}
	}
	return false
}
