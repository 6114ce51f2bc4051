package hotplug

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Loader finds and loads modules.
type Loader interface {
	Match(modalias string) []string
	Load(module, extraOptions string) error
}

// Plug gives each device its driver.
type Plug struct {
	loader Loader
	log    *slog.Logger
	sys    string // where sysfs is mounted
	queue  *queue
}

// New returns a Plug that has seen no device.
func New(loader Loader, log *slog.Logger, sysfs string) *Plug {
	return &Plug{loader: loader, log: log, sys: sysfs, queue: newQueue()}
}

// Run handles the devices that are there and those that come, until ctx ends.
func (p *Plug) Run(ctx context.Context) error {
	events, err := listen()
	if err != nil {
		return fmt.Errorf("listen for devices: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		<-ctx.Done()
		return events.close()
	})
	g.Go(func() error { return p.follow(ctx, events) })
	// A driver's probe mostly waits for its hardware: some go on at once even on one processor.
	for range min(8, max(2, runtime.NumCPU())) {
		g.Go(func() error { return p.work(ctx) })
	}
	p.coldplug()
	p.queue.done(scan)
	err = g.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Open lets the drivers of disks and keyboards load as well. They wait for this call so that
// they do not hold up the NIC's.
func (p *Plug) Open() { p.queue.openGate() }

// see queues the drivers of one device.
func (p *Plug) see(e uevent) {
	if e.modalias == "" {
		return
	}
	for _, module := range p.loader.Match(e.modalias) {
		p.queue.add(module, waits(e.modalias))
	}
}

// follow reads uevents. When the kernel had to drop some, all devices are looked at again.
func (p *Plug) follow(ctx context.Context, events *socket) error {
	for {
		e, err := events.read()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errLost):
			p.coldplug()
		case err != nil:
			return fmt.Errorf("read the kernel's device events: %w", err)
		case e.action == "add":
			p.see(e)
			p.queue.note()
		}
	}
}

// coldplug looks at the devices of all buses, those of NICs first. One that has a driver needs
// no other.
func (p *Plug) coldplug() {
	for _, bus := range p.buses() {
		dir := filepath.Join(p.sys, "bus", bus, "devices")
		devices, _ := os.ReadDir(dir)
		for _, d := range devices {
			text, err := os.ReadFile(filepath.Join(dir, d.Name(), "uevent"))
			if err != nil {
				continue // gone in the meantime
			}
			if e := parseFile(string(text)); e.driver == "" {
				p.see(e)
			}
		}
	}
	p.queue.note()
}

// buses lists the kernel's buses, beginning with those that NICs are on.
func (p *Plug) buses() []string {
	first := []string{"pci", "virtio", "vmbus", "xen"}
	entries, _ := os.ReadDir(filepath.Join(p.sys, "bus"))
	names := slices.Clone(first)
	for _, e := range entries {
		if !slices.Contains(first, e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// work loads modules. A driver that fails is told of and does not stop the others.
func (p *Plug) work(ctx context.Context) error {
	for {
		module, overtaken, err := p.queue.take(ctx)
		if err != nil {
			return err
		}
		p.load(module, overtaken)
		p.queue.done(module)
	}
}

// load loads one module. A NIC's driver that comes while disks are probed probes by itself, in
// the background: otherwise the kernel would let it end only after the disks (see waits).
func (p *Plug) load(module string, overtaken bool) {
	options := ""
	if overtaken {
		options = "async_probe"
	}
	start := time.Now()
	if err := p.loader.Load(module, options); err != nil {
		p.log.Warn("driver not loaded", "module", module, "err", err)
		return
	}
	p.log.Debug("driver loaded", "module", module, "dur", time.Since(start))
}
