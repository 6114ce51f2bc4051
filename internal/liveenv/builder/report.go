package builder

import (
	"fmt"
	"strings"
)

// String is the report for the person who ran the builder.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s, kernel %s\n", r.Kernel, mib(r.KernelSize), r.Version)
	fmt.Fprintf(&b, "%s  %s: bty %s, %d modules (%s unpacked, %d aliases)", r.Initrd, mib(r.InitrdSize),
		mib(r.BTYSize), len(r.Modules), mib(r.ModuleBytes), r.Aliases)
	if r.Firmware+r.NoFirmware > 0 {
		fmt.Fprintf(&b, ", %d firmware files", r.Firmware)
	}
	b.WriteByte('\n')
	r.notes(&b)
	return b.String()
}

func (r Report) notes(b *strings.Builder) {
	if r.Rescue {
		fmt.Fprintln(b, "note: with a shell, for whoever can put bty.rescue on the kernel's command line")
	}
	if r.NoFirmware > 0 {
		fmt.Fprintf(b, "note: %d firmware files that modules can use are not in the firmware folder\n", r.NoFirmware)
	}
	if !r.CACerts {
		fmt.Fprintln(b, "note: no CA certificates: images from https origins cannot be fetched (--ca-certs)")
	}
	if r.VersionOfKernelUnproven {
		fmt.Fprintf(b, "note: the kernel's file does not say its version; the modules are for %s\n", r.Version)
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(b, "warning: modules depend on %s, which the folder does not have; they will not load\n", strings.Join(r.Missing, ", "))
	}
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
