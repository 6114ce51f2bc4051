package testenv

import (
	"cmp"
	"context"
	"path/filepath"
	"time"
)

// BootFiles is what the LAN's DHCP server tells each kind of firmware: one file each, whatever
// asks. It has no rule for iPXE.
type BootFiles struct {
	BIOS     string // of client architecture 0
	UEFI     string // of 7 and 9
	ARM64    string // of 11, arm64 UEFI; "" on a LAN without such machines
	UEFIHTTP string // a URL, for 16; "" on a LAN that knows nothing of HTTP Boot
	Server   string // who has them by TFTP; ServerIP if empty
}

// StockBootFiles are the names of a distribution's iPXE, and UEFI HTTP Boot from the appliance.
var StockBootFiles = BootFiles{
	BIOS:     "undionly.kpxe",
	UEFI:     "ipxe.efi",
	ARM64:    "ipxe-arm64.efi",
	UEFIHTTP: "http://" + ServerIP + ":8080/boot/ipxe.efi",
}

// DHCP starts somebody else's DHCP server on the LAN, dnsmasq. With tftpRoot it serves TFTP
// too, which is how the environment is proven without the appliance.
func (l *LAN) DHCP(ctx context.Context, files BootFiles, tftpRoot string) (*Process, error) {
	server := cmp.Or(files.Server, ServerIP)
	args := []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--log-facility=-", "--log-dhcp", "--user=root",
		"--pid-file=" + filepath.Join(l.Dir, "dnsmasq.pid"),
		"--dhcp-leasefile=" + filepath.Join(l.Dir, "dnsmasq.leases"),
		"--port=0", "--interface=" + bridge, "--bind-interfaces", "--no-ping", "--leasefile-ro",
		"--dhcp-range=" + firstIP + "," + lastIP + ",1h",
		"--dhcp-authoritative",
		// RFC 4578 section 2.1 and IANA's registry of processor architectures.
		"--dhcp-match=set:bios,option:client-arch,0",
		"--dhcp-match=set:uefi,option:client-arch,7",
		"--dhcp-match=set:uefi,option:client-arch,9",
		"--dhcp-match=set:http,option:client-arch,16",
		"--dhcp-boot=tag:bios," + files.BIOS + ",," + server,
		"--dhcp-boot=tag:uefi," + files.UEFI + ",," + server,
	}
	if files.ARM64 != "" {
		args = append(args, "--dhcp-match=set:arm64,option:client-arch,11", "--dhcp-boot=tag:arm64,"+files.ARM64+",,"+ServerIP)
	}
	if files.UEFIHTTP != "" {
		args = append(args, "--dhcp-boot=tag:http,"+files.UEFIHTTP,
			// UEFI 2.10, 24.7.2.1: an answer without this class is no HTTP boot offer.
			"--dhcp-option-force=tag:http,60,HTTPClient")
	}
	if tftpRoot != "" {
		args = append(args, "--enable-tftp", "--tftp-root="+tftpRoot)
	}
	p, err := l.Start(Program{Path: "dnsmasq", Args: args})
	if err != nil {
		return nil, err
	}
	if _, err := p.Log.Expect(ctx, 10*time.Second, `DHCP, IP range`); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}
