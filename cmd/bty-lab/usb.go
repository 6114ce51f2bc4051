package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"bty/internal/client"
	"bty/internal/config"
	"bty/internal/liveenv/builder"
	"bty/internal/stick"
)

const usbBuildHelp = `Usage: bty-lab usb build --out FILE [options]
       bty-lab usb build --out FILE --chain http://SERVER:8080

Makes the image of a USB stick that boots on UEFI and BIOS, in a file, without root. Write it to a
stick with bty flash or dd.

The first kind holds the live environment and an exFAT partition BTY_IMAGES for images and catalogs,
which any computer can fill. A machine that starts from it asks a person, or the server of --server.

The second kind, with --chain, holds iPXE and a script that leads to an appliance: for a machine
whose firmware does not boot from the network, or a LAN whose DHCP server cannot be changed.

`

// usbCall is one call of usb build.
type usbCall struct {
	out, chain, live, server, add, arch string
	ipxe                                string
	room                                size
}

func usbBuild(ctx context.Context, e env) error {
	c, err := usbOptions(e)
	if err != nil {
		return err
	}
	boot, err := c.boot(e)
	if err != nil {
		return usageError{fmt.Errorf("usb build: %w; see bty-lab usb build --help", err)}
	}
	o := stick.Options{Out: c.out, Boot: boot}
	if c.chain == "" {
		o.Room = int64(c.room)
	}
	report, err := stick.Build(ctx, o)
	if err != nil {
		return fmt.Errorf("usb build: %w", err)
	}
	return tellStick(e.stdout, report)
}

func usbOptions(e env) (*usbCall, error) {
	c := &usbCall{room: 1 << 30}
	flags := flag.NewFlagSet("bty-lab usb build", flag.ContinueOnError)
	flags.SetOutput(e.stderr)
	flags.StringVar(&c.out, "out", "", "the image, a `FILE`")
	flags.StringVar(&c.chain, "chain", "", "make the small kind, which leads to the appliance at this `URL`")
	flags.StringVar(&c.live, "live", "", "the `DIR` of the live environment's two files (default: the boot folder of the appliance on this host)")
	flags.StringVar(&c.arch, "arch", hostArch(), "`ARCH` of the machines: x86_64 or arm64")
	flags.StringVar(&c.server, "server", "", "the `URL` of an appliance that says what to do (default: a person does)")
	flags.StringVar(&c.add, "append", "", "more `WORDS` for the kernel's command line")
	flags.Var(&c.room, "images", "`SIZE` of the partition for images, with K, M, G or T; 0 for none")
	flags.StringVar(&c.ipxe, "ipxe", "", "look for iPXE's boot programs in this `DIR` first (with --chain)")
	flags.Usage = func() { fmt.Fprint(flags.Output(), usbBuildHelp); flags.PrintDefaults() }
	if err := flags.Parse(e.args); errors.Is(err, flag.ErrHelp) {
		return nil, err
	} else if err != nil {
		return nil, usageError{err}
	}
	if err := c.check(flags); err != nil {
		return nil, usageError{fmt.Errorf("usb build: %w; see bty-lab usb build --help", err)}
	}
	return c, nil
}

// check refuses flags that do not go together.
func (c *usbCall) check(flags *flag.FlagSet) error {
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected %q", flags.Arg(0))
	}
	if c.out == "" {
		return errors.New("say where the image goes: --out FILE")
	}
	var wrong error
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "live", "server", "append", "images", "arch":
			if c.chain != "" {
				wrong = fmt.Errorf("--%s says something about the live environment, and with --chain there is none on the stick", f.Name)
			}
		case "ipxe":
			if c.chain == "" {
				wrong = errors.New("--ipxe goes with --chain")
			}
		}
	})
	return wrong
}

// boot is what the stick boots.
func (c *usbCall) boot(e env) (stick.Boot, error) {
	bootDir := filepath.Join(cmp.Or(e.getenv("BTY_PATHS_STATE_DIR"), config.DefaultStateDir), "boot")
	if c.chain != "" {
		host, err := stick.ParseServer(c.chain)
		if err != nil {
			return nil, err
		}
		dirs := []string{bootDir, "/usr/lib/ipxe", "/usr/share/ipxe"}
		if c.ipxe != "" {
			dirs = append([]string{c.ipxe}, dirs...)
		}
		return &stick.Chain{Host: host, Programs: dirs}, nil
	}
	arch, err := builder.ParseArch(c.arch)
	if err != nil {
		return nil, err
	}
	words := []string{stick.Arguments}
	if c.server != "" {
		server, err := client.ParseServer(c.server)
		if err != nil {
			return nil, err // else each machine would say so that starts from the stick
		}
		words = append(words, "bty.server="+string(server))
	}
	if c.add != "" {
		words = append(words, c.add)
	}
	return &stick.Live{Arch: arch, Dir: cmp.Or(c.live, bootDir), Arguments: strings.Join(words, " "), Loaders: stick.Loaders}, nil
}

func tellStick(w io.Writer, r stick.Report) error {
	firmware := "UEFI"
	if r.BIOS {
		firmware = "UEFI and BIOS"
	}
	text := fmt.Sprintf("%s: %d MiB, boots on %s\n", r.Out, r.Size>>20, firmware)
	if r.Room > 0 {
		text += fmt.Sprintf("%s: %d MiB of exFAT, empty; put images and catalogs there\n", stick.Label, r.Room>>20)
	}
	text += "write it to a stick with: bty flash --image " + r.Out + " --disk /dev/...\n"
	_, err := io.WriteString(w, text)
	return err
}

// size is a flag: a number of bytes, with K, M, G or T for powers of 1024.
type size int64

func (s *size) String() string { return strconv.FormatInt(int64(*s), 10) }

func (s *size) Set(text string) error {
	digits, shift := text, 0
	if i := strings.IndexAny(text, "KMGTkmgt"); i >= 0 && i == len(text)-1 {
		digits, shift = text[:i], 10*(1+strings.IndexByte("KMGT", text[i]&^0x20))
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return fmt.Errorf("%q is no size; want a number of bytes, or one with K, M, G or T at its end", text)
	}
	*s = size(n << shift)
	return nil
}
