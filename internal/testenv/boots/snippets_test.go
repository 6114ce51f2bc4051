package boots

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"bty/internal/nbp"
	"bty/internal/snippet"
	"bty/internal/testenv"
	"bty/internal/tftp"
)

// What the Netboot page gives to copy carries real firmware to iPXE and its script.
func TestSnippetsBoot(t *testing.T) {
	const script, program = `^script over .* on efi x86_64`, `^iPXE 1\.21\.1.* -- Open Source Network Boot Firmware`
	for _, c := range []struct {
		text     string
		server   testenv.Foreign
		firmware testenv.Firmware
		console  string
	}{
		{"dnsmasq-arch", testenv.Dnsmasq, testenv.UEFI, script},
		{"dnsmasq-arch", testenv.Dnsmasq, testenv.UEFIHTTP, script},
		{"dnsmasq-proxy-arch", testenv.DnsmasqProxy, testenv.UEFI, script},
		{"dnsmasq-proxy-arch", testenv.DnsmasqProxy, testenv.UEFIHTTP, script},
		{"dnsmasq-proxy-arch", testenv.DnsmasqProxy, testenv.BIOS, program},
		{"kea-arch", testenv.Kea, testenv.UEFIHTTP, script},
		{"isc-dhcpd-arch", testenv.ISCDHCPD, testenv.UEFI, script},
	} {
		t.Run(c.text+" "+string(c.firmware), func(t *testing.T) {
			ctx := parallel(t)
			lan := openLAN(ctx, t)
			dir := bootFolder(t, lan)
			text, err := snippet.Fill(c.text, snippet.Site{Host: netip.MustParseAddr(testenv.ServerIP), Port: 8080, Subnet: netip.MustParsePrefix(testenv.Subnet)})
			if err != nil {
				t.Fatal(err)
			}
			server, err := lan.ServeDHCP(ctx, c.server, text)
			if err != nil {
				t.Fatal(err)
			}
			reportOnFailure(t, server.Log)
			serveBootFolder(ctx, t, lan, dir)
			m := powerOn(ctx, t, lan, testenv.MachineConfig{Name: "m", MAC: "52:54:00:00:00:02", Firmware: c.firmware, MemoryMiB: 512})
			expect(ctx, t, m.Console, 2*time.Minute, c.console)
		})
	}
}

// serveBootFolder serves a folder over HTTP and TFTP, with nothing that knows of iPXE.
func serveBootFolder(ctx context.Context, t *testing.T, lan *testenv.LAN, dir string) {
	t.Helper()
	listener, err := lan.Listen(ctx, testenv.ServerIP+":8080")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: http.StripPrefix("/boot/", http.FileServer(http.Dir(dir)))}
	go web.Serve(listener)
	t.Cleanup(func() { web.Close() })
	conn, err := lan.ListenPacket(ctx, "0.0.0.0:69")
	if err != nil {
		t.Fatal(err)
	}
	// One port: a socket per transfer would be made outside of the LAN.
	files := tftp.New(conn, tftp.Config{Files: nbp.Library{Boot: dir}, SinglePort: true, Log: slog.New(slog.DiscardHandler)})
	serving, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- files.Run(serving) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
