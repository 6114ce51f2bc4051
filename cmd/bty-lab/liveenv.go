package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"bty/internal/liveenv/builder"
)

const liveenvBuildHelp = `Usage: bty-lab liveenv build --kernel FILE --modules DIR --out DIR [options]

Makes bty-live-ARCH.vmlinuz and bty-live-ARCH.initrd from a kernel and its modules, as any
distribution's kernel package has them. Put both into the appliance's boot folder.

`

// hostBundles are the places where distributions keep their CA certificates.
var hostBundles = [...]string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}

func liveenvBuild(ctx context.Context, e env) error {
	o, err := liveenvOptions(e)
	if err != nil {
		return err
	}
	report, err := builder.Build(ctx, o)
	if err != nil {
		return fmt.Errorf("liveenv build: %w", err)
	}
	_, err = fmt.Fprint(e.stdout, report)
	return err
}

func liveenvOptions(e env) (builder.Options, error) {
	var o builder.Options
	arch := ""
	flags := flag.NewFlagSet("bty-lab liveenv build", flag.ContinueOnError)
	flags.SetOutput(e.stderr)
	flags.StringVar(&o.Kernel, "kernel", "", "the kernel's `FILE` (vmlinuz)")
	flags.StringVar(&o.Modules, "modules", "", "its modules: lib/modules/VERSION, or a `DIR` that holds exactly one")
	flags.StringVar(&o.Out, "out", "", "the `DIR` for the two files")
	flags.StringVar(&o.BTY, "bty", "", "the static bty to embed, a `FILE` (default: the bty beside bty-lab)")
	flags.StringVar(&arch, "arch", "x86_64", "`ARCH` of the machines: x86_64 or arm64")
	flags.StringVar(&o.Firmware, "firmware", "", "add the firmware that the modules name from this `DIR` (lib/firmware)")
	flags.StringVar(&o.CACerts, "ca-certs", "", "CA certificates for https origins, a `FILE` in PEM (default: this host's)")
	flags.Usage = func() { fmt.Fprint(flags.Output(), liveenvBuildHelp); flags.PrintDefaults() }
	if err := flags.Parse(e.args); errors.Is(err, flag.ErrHelp) {
		return o, err
	} else if err != nil {
		return o, usageError{err}
	}
	if flags.NArg() > 0 {
		return o, usageError{fmt.Errorf("liveenv build: unexpected %q", flags.Arg(0))}
	}
	if o.Kernel == "" || o.Modules == "" || o.Out == "" {
		return o, usageError{errors.New("liveenv build: --kernel, --modules and --out are needed; see bty-lab liveenv build --help")}
	}
	return o, complete(&o, arch, e)
}

// complete fills in what was not said.
func complete(o *builder.Options, arch string, e env) error {
	var err error
	if o.Arch, err = builder.ParseArch(arch); err != nil {
		return usageError{err}
	}
	if o.ModTime, err = sourceDate(e.getenv("SOURCE_DATE_EPOCH")); err != nil {
		return err
	}
	if o.BTY == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		o.BTY = filepath.Join(filepath.Dir(self), "bty")
	}
	for _, bundle := range hostBundles {
		if _, err := os.Stat(bundle); err == nil && o.CACerts == "" {
			o.CACerts = bundle
		}
	}
	return nil
}

// sourceDate reads SOURCE_DATE_EPOCH (reproducible-builds.org); without it files date from 1970.
func sourceDate(s string) (time.Time, error) {
	if s == "" {
		return time.Unix(0, 0), nil
	}
	// cpio's newc has 32 bits for it.
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %q is not a number of seconds", s)
	}
	return time.Unix(int64(n), 0), nil
}
