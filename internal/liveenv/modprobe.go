package liveenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/liveenv/kmod"
)

// isModprobe: the kernel starts /sbin/modprobe, a link to init, as "modprobe -q -- NAME".
func isModprobe(args []string) bool {
	return len(args) > 0 && filepath.Base(args[0]) == "modprobe"
}

// modprobe loads what the kernel asks for by a module's name or an alias (a PHY's "mdio:...",
// a cipher's "crypto-..."). The status tells the kernel whether to look again.
func modprobe(args []string, cmdline string) error {
	name := ""
	for _, a := range args[1:] {
		if !strings.HasPrefix(a, "-") {
			name = a
			break
		}
	}
	s, _ := parseCmdline(cmdline)
	loader, err := newLoader(s)
	if err != nil {
		return err
	}
	modules := loader.Match(name)
	if len(modules) == 0 && loader.Has(name) {
		modules = []string{name}
	}
	if len(modules) == 0 {
		return fmt.Errorf("no module for %s", name)
	}
	for _, m := range modules {
		if err := loader.Load(m, ""); err != nil {
			return err
		}
	}
	return nil
}

func newLoader(s settings) (*kmod.Loader, error) {
	data, err := os.ReadFile(kmod.IndexPath)
	if err != nil {
		return nil, fmt.Errorf("the initramfs has no modules: %w", err)
	}
	index, err := kmod.ParseIndex(data)
	if err != nil {
		return nil, err
	}
	return kmod.NewLoader(index, s.modules, kmod.InsertFrom(kmod.Dir)), nil
}
