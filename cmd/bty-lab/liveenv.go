package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bty/internal/build"
	"bty/internal/client"
	"bty/internal/liveenv/builder"
	"bty/internal/liveenv/kernelpkg"
)

const liveenvBuildHelp = `Usage: bty-lab liveenv build [--install] [--out DIR] [options]

Makes bty-live-ARCH.vmlinuz and bty-live-ARCH.initrd from a kernel and its modules: this host's
own, those of --kernel and --modules, or those of a kernel package.

With --install the bty-web that runs on this host takes both over, in one step. With --out both are
left in a folder, to be put into the boot folder of an appliance by hand.

`

// hostBundles are the places where distributions keep their CA certificates.
var hostBundles = [...]string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}

// liveenvCall is one call of liveenv build.
type liveenvCall struct {
	builder.Options
	packages packageList
	install  bool
	socket   string // of the server that installs
}

// packageList is a flag that may be repeated.
type packageList []string

func (p *packageList) String() string     { return strings.Join(*p, " ") }
func (p *packageList) Set(s string) error { *p = append(*p, s); return nil }

func liveenvBuild(ctx context.Context, e env) error {
	c, err := liveenvOptions(e)
	if err != nil {
		return err
	}
	if err := c.run(ctx, e); err != nil {
		return fmt.Errorf("liveenv build: %w", err)
	}
	return nil
}

func (c *liveenvCall) run(ctx context.Context, e env) error {
	server := client.NewControl(c.socket, "bty-lab/"+build.Version)
	defer server.Close()
	if c.install { // before minutes of work
		if err := server.Call(ctx, http.MethodGet, "/version", nil, nil); err != nil {
			return byHand(err)
		}
	}
	temp, err := os.MkdirTemp("", "bty-liveenv-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := c.findKernel(ctx, temp); err != nil {
		return err
	}
	report, err := builder.Build(ctx, c.Options)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; run it as root: distributions let nobody else read their kernels", err)
	}
	if err != nil {
		return err
	}
	said := report
	if strings.HasPrefix(report.Kernel, temp) { // paths that are gone in a moment help nobody
		said.Kernel, said.Initrd = filepath.Base(report.Kernel), filepath.Base(report.Initrd)
	}
	if _, err := fmt.Fprint(e.stdout, said); err != nil || !c.install {
		return err
	}
	return install(ctx, e.stdout, server, report)
}

// byHand says what to do where no server takes the files.
func byHand(err error) error {
	return fmt.Errorf("%w. Without a server here: repeat with --out DIR instead of --install, and copy both files into the boot folder of the appliance (/var/lib/bty/boot unless [paths] boot_dir says otherwise)", err)
}

// findKernel settles which kernel it is to be and where the files go.
func (c *liveenvCall) findKernel(ctx context.Context, temp string) error {
	if c.Out == "" {
		c.Out = filepath.Join(temp, "out")
	}
	switch {
	case len(c.packages) > 0:
		unpacked := filepath.Join(temp, "package")
		if err := os.Mkdir(unpacked, 0o700); err != nil {
			return err
		}
		kernel, err := kernelpkg.Unpack(ctx, unpacked, c.packages...)
		c.Kernel, c.Modules = kernel.File, kernel.Modules
		return err
	case c.Kernel == "":
		version, err := runningKernel()
		if err != nil {
			return err
		}
		c.Kernel, c.Modules = hostKernel("/", version)
		if c.Kernel == "" {
			return fmt.Errorf("this host does not have the file of its running kernel %s (/boot/vmlinuz-%[1]s): name another with --kernel and --modules, or give --kernel-package", version)
		}
	}
	return nil
}

func liveenvOptions(e env) (*liveenvCall, error) {
	c := &liveenvCall{}
	o, arch := &c.Options, ""
	flags := flag.NewFlagSet("bty-lab liveenv build", flag.ContinueOnError)
	flags.SetOutput(e.stderr)
	flags.BoolVar(&c.install, "install", false, "hand the two files to the bty-web that runs on this host")
	flags.StringVar(&o.Out, "out", "", "the `DIR` for the two files")
	flags.StringVar(&o.Kernel, "kernel", "", "the kernel's `FILE` (vmlinuz; default: that of the running kernel)")
	flags.StringVar(&o.Modules, "modules", "", "its modules: lib/modules/VERSION, or a `DIR` that holds exactly one")
	flags.Var(&c.packages, "kernel-package", "take kernel and modules from this .deb or .rpm `FILE`; repeat it where they are in several")
	flags.StringVar(&o.BTY, "bty", "", "the static bty to embed, a `FILE` (default: the bty beside bty-lab)")
	flags.StringVar(&arch, "arch", hostArch(), "`ARCH` of the machines: x86_64 or arm64")
	flags.StringVar(&o.Firmware, "firmware", "", "add the firmware that the modules name from this `DIR` (lib/firmware)")
	flags.StringVar(&o.CACerts, "ca-certs", "", "CA certificates for https origins, a `FILE` in PEM (default: this host's)")
	flags.StringVar(&o.Rescue, "rescue", "", "add this static busybox, a `FILE`, as the shell of bty.rescue (default: no shell)")
	flags.StringVar(&c.socket, "socket", cmp.Or(e.socket, controlSocket(e.getenv)), "the control socket of bty-web, a `FILE`")
	flags.Usage = func() { fmt.Fprint(flags.Output(), liveenvBuildHelp); flags.PrintDefaults() }
	if err := flags.Parse(e.args); errors.Is(err, flag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, usageError{err}
	}
	if flags.NArg() > 0 {
		return nil, usageError{fmt.Errorf("liveenv build: unexpected %q", flags.Arg(0))}
	}
	if err := c.check(); err != nil {
		return nil, usageError{fmt.Errorf("liveenv build: %w; see bty-lab liveenv build --help", err)}
	}
	return c, complete(o, arch, e)
}

// check refuses flags that do not go together.
func (c *liveenvCall) check() error {
	switch named := c.Kernel != "" || c.Modules != ""; {
	case c.Out == "" && !c.install:
		return errors.New("say where the files go: --install, --out DIR, or both")
	case (c.Kernel == "") != (c.Modules == ""):
		return errors.New("--kernel and --modules belong together")
	case named && len(c.packages) > 0:
		return errors.New("--kernel-package brings kernel and modules: leave --kernel and --modules out")
	}
	return nil
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
