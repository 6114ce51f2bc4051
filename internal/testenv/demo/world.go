package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
	"bty/internal/testenv/imagehost"
)

const (
	mac       = "52:54:00:b7:00:01"
	serial    = "DEMO-DISK-1"
	imageSize = 256 << 20
	diskSize  = 320 << 20
	diskLine  = "hello from the flashed disk"
	pages     = "127.0.0.1:8088" // on the host
)

// world is everything that the demo switches on.
type world struct {
	firmware testenv.Firmware
	lan      *testenv.LAN
	dhcp     *testenv.Process
	app      *appliance.Appliance
	operator *appliance.Client
	origin   *imagehost.Host
	raw      diskimg.Image
	packed   diskimg.Image
	disk     testenv.Disk
	machine  *testenv.Machine
}

// openWorld makes the LAN, the appliance, the image and the machine, which is still off.
func openWorld(ctx context.Context, build string, firmware testenv.Firmware) (*world, error) {
	lan, err := testenv.OpenLAN(ctx)
	if err != nil {
		return nil, err
	}
	w := &world{firmware: firmware, lan: lan}
	for _, step := range []func(context.Context) error{
		w.openLAN,
		func(ctx context.Context) error { return w.startAppliance(ctx, build) },
		w.publishImage,
		w.makeMachine,
	} {
		if err := step(ctx); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

func (w *world) openLAN(ctx context.Context) (err error) {
	w.dhcp, err = w.lan.DHCP(ctx, testenv.StockBootFiles, "")
	return err
}

// startAppliance serves the pages on the host too: a browser there cannot see into the LAN.
func (w *world) startAppliance(ctx context.Context, build string) (err error) {
	config := appliance.Config{Build: build, HostAddr: pages}
	if w.app, err = appliance.Start(ctx, w.lan, config); err != nil {
		config.HostAddr = "127.0.0.1:0" // that port is taken
		w.app, err = appliance.Start(ctx, w.lan, config)
	}
	if err != nil {
		return err
	}
	w.operator, err = w.app.Operator(ctx)
	return err
}

func (w *world) publishImage(ctx context.Context) (err error) {
	dir := filepath.Join(w.lan.Dir, "images")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	w.origin = imagehost.New(w.lan, testenv.ServerIP+":8090", dir)
	if err := w.origin.Up(ctx); err != nil {
		return err
	}
	spec := diskimg.Spec{Line: diskLine, Size: imageSize}
	if w.raw, err = diskimg.Build(ctx, filepath.Join(dir, "demo.img"), spec); err != nil {
		return err
	}
	if w.packed, err = diskimg.Pack(ctx, w.raw, ".zst"); err != nil {
		return err
	}
	url, digestURL, err := w.origin.Publish(w.packed)
	if err != nil {
		return err
	}
	ref, err := w.operator.AddImage(ctx, url, digestURL)
	if err != nil {
		return err
	}
	return w.operator.Bind(ctx, mac, appliance.Binding{Mode: "bty-flash-once", Image: ref, Serial: serial})
}

func (w *world) makeMachine(ctx context.Context) (err error) {
	if w.disk, err = testenv.NewDisk(filepath.Join(w.lan.Dir, "disk"), serial, diskSize); err != nil {
		return err
	}
	w.machine, err = w.lan.NewMachine(ctx, testenv.MachineConfig{
		Name: "machine", MAC: mac, Firmware: w.firmware, Disks: []testenv.Disk{w.disk},
	})
	return err
}

func (w *world) close() {
	if w.machine != nil {
		w.machine.PowerCut()
	}
	if w.origin != nil {
		w.origin.Down()
	}
	if w.app != nil {
		_ = w.app.Close() // the LAN's end is theirs too
	}
	if err := w.lan.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "demo: cleaning up:", err)
	}
}
