package boots

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bty/internal/testenv"
)

// hello is what a machine runs once iPXE has a script. UEFI goes on with its next boot option
// only after a program that failed; after a success EDK2 stops in its setup.
const hello = "#!ipxe\necho script over ${netX/filename} on ${platform} ${buildarch}\ndhcp\necho lease ${netX/ip}\nexit 1\n"

// bootFolder has stock iPXE and the script, as a TFTP root.
func bootFolder(t *testing.T, lan *testenv.LAN) string {
	t.Helper()
	dir := filepath.Join(lan.Dir, "boot")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"undionly.kpxe", "ipxe.efi"} {
		content, err := os.ReadFile(built(t, "ipxe", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "autoexec.ipxe"), []byte(hello), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Without the appliance: the environment carries each kind of firmware to stock iPXE, and UEFI
// to autoexec.ipxe with one bootfile and no rule for iPXE.
func TestEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		firmware testenv.Firmware
		console  string // as far as it gets without the appliance
		dhcp     string
	}{
		"UEFI over TFTP": {testenv.UEFI, `^script over .* on efi x86_64`, `sent .*/autoexec.ipxe to`},
		"UEFI HTTP Boot": {testenv.UEFIHTTP, `^script over .* on efi x86_64`, `vendor class: HTTPClient:Arch:00016`},
		"BIOS over TFTP": {testenv.BIOS, `^iPXE 1\.21\.1.* -- Open Source Network Boot Firmware`, `sent .*/undionly.kpxe to`},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := parallel(t)
			lan := openLAN(ctx, t)
			dir := bootFolder(t, lan)
			dnsmasq, err := lan.DHCP(ctx, testenv.StockBootFiles, dir)
			if err != nil {
				t.Fatal(err)
			}
			reportOnFailure(t, dnsmasq.Log)
			listener, err := lan.Listen(ctx, testenv.ServerIP+":8080")
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: http.StripPrefix("/boot/", http.FileServer(http.Dir(dir)))}
			go server.Serve(listener)
			defer server.Close()

			start := time.Now()
			m := powerOn(ctx, t, lan, testenv.MachineConfig{
				Name: "m", MAC: "52:54:00:00:00:02", Firmware: c.firmware, MemoryMiB: 512,
			})
			expect(ctx, t, m.Console, 2*time.Minute, c.console)
			t.Logf("from power-on: %v", time.Since(start).Round(100*time.Millisecond))
			if len(dnsmasq.Log.Find(c.dhcp)) == 0 {
				t.Errorf("dnsmasq's log has no line like %q\n%s", c.dhcp, dnsmasq.Log.Tail(40))
			}
		})
	}
}
