// Command image writes container images of the daemons as OCI archives. See internal/image; `make
// image` calls it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"bty/internal/build"
	"bty/internal/image"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// budget is how large the images of one architecture may be together, unpacked.
const budget = 60 << 20

type order struct {
	source image.Source
	prefix string
	out    string
	from   []programs
}

// programs is a folder of them.
type programs struct {
	arch   image.Arch
	folder string
}

func run(args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	sizes := map[image.Arch]image.Bytes{}
	for _, name := range image.Names() {
		if err := o.make(name, sizes, stdout); err != nil {
			return err
		}
	}
	return o.sum(sizes, stdout)
}

// sum says how large the images are together, and what to do with them.
func (o order) sum(sizes map[image.Arch]image.Bytes, stdout io.Writer) error {
	for _, p := range o.from {
		sum := sizes[p.arch]
		fmt.Fprintf(stdout, "%-10s %-7s %s\n", "together", p.arch, size(sum))
		if sum.Unpacked > budget {
			return fmt.Errorf("the images for %s have %s together, more than the %d MiB that are promised", p.arch, size(sum), budget>>20)
		}
	}
	fmt.Fprintf(stdout, "load them: podman load -i %s\n", filepath.Join(o.out, image.Names()[0]+"."+string(o.from[0].arch)+".tar"))
	return nil
}

// make writes the archives of one daemon: one for each architecture, and one of all if there are
// several.
func (o order) make(name string, sizes map[image.Arch]image.Bytes, stdout io.Writer) error {
	ref := o.prefix + "/" + name + ":" + build.Tag(o.source.Version)
	var all []*image.Image
	for _, p := range o.from {
		i, err := o.source.Build(name, p.folder, p.arch)
		if err != nil {
			return err
		}
		all = append(all, i)
		base := filepath.Join(o.out, name+"."+string(p.arch))
		if err := errors.Join(i.Archive(base+".tar", ref, o.source.Date), os.WriteFile(base+".cdx.json", i.Bill, 0o644)); err != nil {
			return err
		}
		sum := sizes[p.arch]
		sizes[p.arch] = image.Bytes{Packed: sum.Packed + i.Bytes.Packed, Unpacked: sum.Unpacked + i.Bytes.Unpacked}
		fmt.Fprintf(stdout, "%-10s %-7s %s  %s.tar\n", name, p.arch, size(i.Bytes), base)
	}
	if len(all) < 2 {
		return nil
	}
	path := filepath.Join(o.out, name+".index.tar")
	fmt.Fprintf(stdout, "%-10s %-7s %s\n", name, "index", path)
	return image.Index(path, ref, o.source.Date, all)
}

func size(b image.Bytes) string {
	const mib = 1 << 20
	return fmt.Sprintf("%5.1f MiB packed, %5.1f MiB unpacked", float64(b.Packed)/mib, float64(b.Unpacked)/mib)
}

func parse(args []string, stderr io.Writer) (order, error) {
	var o order
	var licences, date string
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.prefix, "prefix", "localhost", "`name` of the registry, and folder there, that the images are named below")
	flags.StringVar(&o.source.Version, "version", build.Version, "`version` of the programs")
	flags.StringVar(&o.source.Revision, "revision", "", "`commit` that they were built from")
	flags.StringVar(&o.source.URL, "source", "", "`URL` of the sources, for a label")
	flags.StringVar(&o.source.IPXE, "ipxe", "build/ipxe", "`folder` of boot programs")
	flags.StringVar(&licences, "licences", "", "`file` with the licences of others (packaging/licences.sh)")
	flags.StringVar(&o.out, "out", "build/images", "`folder` to write into")
	flags.Usage = func() {
		fmt.Fprint(stderr, "Usage: image [flags] ARCH=FOLDER...   of programs; run it in the folder of the sources\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	date = os.Getenv("SOURCE_DATE_EPOCH")
	seconds, err := strconv.ParseInt(date, 10, 64)
	if err != nil {
		return o, fmt.Errorf("SOURCE_DATE_EPOCH=%q is not a number of seconds; it is the date of everything in the images", date)
	}
	o.source.Date = time.Unix(seconds, 0).UTC()
	o.source.Trust, err = linked(image.TrustModule)
	return o, errors.Join(err, o.folders(flags.Args()), o.read(licences))
}

// linked is the version of a module that this very program was built with.
func linked(module string) (string, error) {
	info, ok := debug.ReadBuildInfo()
	for i := 0; ok && i < len(info.Deps); i++ {
		if m := info.Deps[i]; m.Path == module {
			return m.Version, nil
		}
	}
	return "", fmt.Errorf("this program does not know its version of %s; build it with go build or go run", module)
}

func (o *order) folders(args []string) error {
	for _, arg := range args {
		name, folder, _ := strings.Cut(arg, "=")
		arch, err := image.ParseArch(name)
		if err != nil {
			return err
		}
		o.from = append(o.from, programs{arch, folder})
	}
	if len(o.from) == 0 {
		return errors.New("no programs named: x86_64=build/bin")
	}
	return nil
}

func (o *order) read(licences string) (err error) {
	for path, into := range map[string]*[]byte{
		"LICENSE": &o.source.Licence, licences: &o.source.Licences, "internal/web/ui/vendor.txt": &o.source.Vendored,
	} {
		content, readErr := os.ReadFile(path)
		*into, err = content, errors.Join(err, readErr)
	}
	return err
}
