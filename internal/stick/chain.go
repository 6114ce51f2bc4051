package stick

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"bty/internal/ipxe"
	"bty/internal/nbp"
)

// Chain is a stick that only leads to an appliance, for firmware that cannot boot from the network
// or a LAN whose DHCP server cannot be changed: iPXE, and the script that it asks for.
type Chain struct {
	Host string // of the appliance, with its port
	// Programs are folders with iPXE's boot programs by the names that Debian or Fedora give them.
	Programs []string
}

// ParseServer reads the appliance's address as a person types it.
func ParseServer(text string) (host string, err error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", err
	case u.Scheme != "http":
		return "", fmt.Errorf("%q: want http://HOST:PORT, and not https: stock iPXE trusts no certificate of a site", text)
	case u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return "", fmt.Errorf("%q: want http://HOST:PORT and nothing else", text)
	case !isHost(u.Hostname()):
		// A script has no way to write such a name: the stick would ask another host.
		return "", fmt.Errorf("%q: iPXE takes the host as letters, digits, - and ., or as an address", text)
	case !isPort(u.Host, u.Port()):
		return "", fmt.Errorf("%q: want a port from 1 to 65535", text)
	}
	return u.Host, nil
}

func isHost(name string) bool {
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.Zone() == ""
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._", r)
	})
}

// isPort takes none as the port of http.
func isPort(host, port string) bool {
	if port == "" {
		return !strings.HasSuffix(host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// The names of iPXE's programs: as a kernel that any BIOS loader starts, and as EFI programs.
var (
	lkrn  = []string{"ipxe.lkrn"}
	amd64 = []string{"ipxe-amd64.efi", "ipxe.efi", "ipxe-x86_64.efi"}
	arm64 = []string{"ipxe-arm64.efi", "arm64-efi/ipxe.efi"}
)

func (c *Chain) bios() bool   { return true }
func (c *Chain) space() int64 { return 16 * mib }

func (c *Chain) files() ([]file, error) {
	all := []file{
		{Name: nbp.AutoexecName, Data: string(ipxe.Autoexec(c.Host, ""))},
		{Name: "syslinux/syslinux.cfg", Data: config("LINUX /ipxe.lkrn", "INITRD /"+nbp.AutoexecName)},
	}
	kernel, ok := c.find(lkrn)
	if !ok {
		return nil, c.missing("ipxe.lkrn")
	}
	all = append(all, file{Name: "ipxe.lkrn", From: kernel})
	for _, p := range []struct {
		as       string
		names    []string
		required bool
	}{{"BOOTX64.EFI", amd64, true}, {"BOOTAA64.EFI", arm64, false}} {
		path, ok := c.find(p.names)
		switch {
		case ok:
			if err := asksForScript(path); err != nil {
				return nil, err
			}
			all = append(all, file{Name: "EFI/BOOT/" + p.as, From: path})
		case p.required:
			return nil, c.missing(p.names[0])
		}
	}
	return all, nil
}

func (c *Chain) find(names []string) (string, bool) {
	var paths []string
	for _, dir := range c.Programs {
		for _, name := range names {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return firstFile(paths...)
}

func (c *Chain) missing(name string) error {
	return fmt.Errorf("%s is in none of %q: package ipxe (Debian 13 or newer) or ipxe-bootimgs-x86 (Fedora), or name a folder with --ipxe", name, c.Programs)
}

// asksForScript refuses an iPXE of before 2021, which does not read autoexec.ipxe.
func asksForScript(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	is, err := nbp.Inspect(f)
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", path, err)
	case !is.Autoexec:
		return fmt.Errorf("%s %s does not ask for %s, as iPXE does since 2021; take Debian 13's or Fedora's", path, is.Version, nbp.AutoexecName)
	}
	return nil
}
