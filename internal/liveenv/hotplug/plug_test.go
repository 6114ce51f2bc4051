package hotplug

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// drivers is a Loader with a driver per modalias.
type drivers struct {
	mu      sync.Mutex
	of      map[string]string
	loaded  []string
	options map[string]string
	onLoad  func(module string) // may plug in more
}

func (d *drivers) Match(modalias string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m := d.of[modalias]; m != "" {
		return []string{m}
	}
	return nil
}

func (d *drivers) Load(module, options string) error {
	d.mu.Lock()
	d.loaded = append(d.loaded, module)
	if d.options == nil {
		d.options = map[string]string{}
	}
	d.options[module] = options
	d.mu.Unlock()
	if d.onLoad != nil {
		d.onLoad(module)
	}
	if module == "broken" {
		return errors.New("no such device")
	}
	return nil
}

func (d *drivers) list() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.loaded)
}

func device(t *testing.T, sys, bus, name, uevent string) {
	t.Helper()
	dir := filepath.Join(sys, "bus", bus, "devices", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "uevent"), []byte(uevent), 0o644); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, d *drivers, sys string) *Plug {
	t.Helper()
	p := New(d, slog.New(slog.DiscardHandler), sys)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return p
}

const (
	nic  = "pci:v00008086d000010D3sv0sd0bc02sc00i00"
	sata = "pci:v00008086d00002922sv0sd0bc01sc06i01"
)

func TestNICBeforeDisks(t *testing.T) {
	sys := t.TempDir()
	device(t, sys, "pci", "0", "MODALIAS="+sata+"\n")
	device(t, sys, "pci", "1", "MODALIAS="+nic+"\n")
	device(t, sys, "pci", "2", "DRIVER=builtin\nMODALIAS=bound\n")
	device(t, sys, "pci", "3", "MODALIAS=usb:bad\n")
	loaded := make(chan string, 10)
	d := &drivers{of: map[string]string{nic: "e1000e", sata: "ahci", "bound": "other", "usb:bad": "broken"}, onLoad: func(m string) { loaded <- m }}
	p := start(t, d, sys)
	if m := <-loaded; m != "e1000e" {
		t.Fatalf("%s came first", m)
	}
	if left, _, _ := p.queue.state(); !slices.Contains(left, "ahci") {
		t.Errorf("the disks' driver did not wait: left %q", left)
	}
	p.Settle(context.Background())
	got := d.list()
	slices.Sort(got)
	if !slices.Equal(got, []string{"ahci", "broken", "e1000e"}) {
		t.Errorf("loaded %q", got)
	}
	// A second NIC appears while disks are served: it must not wait for them.
	second := strings.Replace(nic, "10D3", "10D4", 1)
	d.mu.Lock()
	d.of[second] = "igb"
	d.mu.Unlock()
	p.see(uevent{action: "add", modalias: second})
	p.Settle(context.Background())
	if d.options["igb"] != "async_probe" || d.options["e1000e"] != "" {
		t.Errorf("options %q", d.options)
	}
}

func TestDevicesBehindDrivers(t *testing.T) {
	d := &drivers{of: map[string]string{sata: "ahci", "scsi:t-0x00": "sd_mod"}}
	var p *Plug
	ready := make(chan struct{})
	d.onLoad = func(m string) {
		<-ready
		if m == "ahci" {
			p.see(uevent{action: "add", modalias: "scsi:t-0x00"})
		}
	}
	sys := t.TempDir()
	device(t, sys, "pci", "0", "MODALIAS="+sata+"\n")
	p = start(t, d, sys)
	close(ready)
	p.Settle(context.Background())
	if got := d.list(); !slices.Equal(got, []string{"ahci", "sd_mod"}) {
		t.Errorf("loaded %q", got)
	}
}

// TestSettleWaitsForTheDisk: a device whose driver is there and whose disk is not yet.
func TestSettleWaitsForTheDisk(t *testing.T) {
	for name, c := range map[string]struct{ parent, disk string }{
		"nvme":        {"class/nvme/nvme0", "nvme0n1"},
		"virtio":      {"bus/virtio/drivers/virtio_blk/virtio1", "block/vda"},
		"usb-storage": {"bus/usb/drivers/usb-storage/2-1:1.0", "host9/target9:0:0/9:0:0:0/block/sdc"},
		"mmc":         {"bus/mmc/devices/mmc0:4567", "block/mmcblk0"},
	} {
		t.Run(name, func(t *testing.T) {
			sys := t.TempDir()
			p := New(&drivers{}, slog.New(slog.DiscardHandler), sys)
			if p.expects() {
				t.Error("expects a disk without a device")
			}
			mkdir(t, sys, c.parent)
			if !p.expects() || p.quietFor() != patience {
				t.Error("does not expect the disk")
			}
			mkdir(t, sys, c.parent, c.disk)
			if p.expects() {
				t.Error("still expects the disk")
			}
		})
	}
	sys := t.TempDir()
	p := New(&drivers{}, slog.New(slog.DiscardHandler), sys)
	device(t, sys, "scsi", "0:0:0:0", "")
	kind := filepath.Join(sys, "bus/scsi/devices/0:0:0:0/type")
	for content, want := range map[string]bool{"5\n": false, "0\n": true} { // a CD drive, a disk
		if err := os.WriteFile(kind, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if p.expects() != want {
			t.Errorf("type %q: expects is not %v", content, want)
		}
	}
}

func TestSettleEndsWithItsContext(t *testing.T) {
	sys := t.TempDir()
	device(t, sys, "pci", "0", "MODALIAS="+sata+"\n")
	hang := make(chan struct{})
	d := &drivers{of: map[string]string{sata: "ahci"}, onLoad: func(string) { <-hang }}
	p := start(t, d, sys)
	t.Cleanup(func() { close(hang) })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	p.Settle(ctx)
	if ctx.Err() == nil {
		t.Error("settled while a driver hangs")
	}
}

func mkdir(t *testing.T, parts ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(parts...), 0o755); err != nil {
		t.Fatal(err)
	}
}
