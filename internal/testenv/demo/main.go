// Command demo shows the main job as it happens: a machine is switched on, finds the appliance
// through a LAN whose DHCP server knows one bootfile, is flashed, reboots and runs from its disk.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"bty/internal/testenv"
)

// firmwares are the choices of FIRMWARE=.
var firmwares = map[string]testenv.Firmware{"bios": testenv.BIOS, "uefi": testenv.UEFI, "http": testenv.UEFIHTTP}

func main() {
	build := flag.String("build", "build", "the `folder` with bin/, ipxe/ and live/, as make fills it")
	firmware := flag.String("firmware", cmp.Or(os.Getenv("FIRMWARE"), "http"), "bios or uefi (both over TFTP), or http (UEFI HTTP Boot)")
	keep := flag.Bool("keep", os.Getenv("KEEP") != "" && os.Getenv("KEEP") != "0", "leave the appliance up at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *build, *firmware, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, build, firmware string, keep bool) error {
	kind, known := firmwares[firmware]
	if !known {
		return fmt.Errorf("FIRMWARE=%s is not known; use bios, uefi or http", firmware)
	}
	build, err := filepath.Abs(build)
	if err != nil {
		return err
	}
	w, err := openWorld(ctx, build, kind)
	if err != nil {
		return err
	}
	defer w.close()
	out := newScreen(os.Stdout)
	w.introduce(out)
	if err := w.powerCycle(ctx, out); err != nil {
		return err
	}
	if err := w.compare(out); err != nil || !keep {
		return err
	}
	return w.keep(ctx, out, os.Stdin)
}
