package probe

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/nbp"
	"bty/internal/tftp"
)

// serve runs our own TFTP server and counts the transfers that it tells of.
func serve(t *testing.T) (port int, told *atomic.Int32) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ipxe.efi"), make([]byte, 100_000), 0o644); err != nil {
		t.Fatal(err)
	}
	told = new(atomic.Int32)
	server := tftp.New(conn, tftp.Config{Files: nbp.Library{Boot: dir}, IsScript: nbp.IsAutoexec, IsProgram: nbp.IsProgram,
		Script: func(netip.Addr) []byte { return []byte("#!ipxe\n") },
		Report: func(tftp.Transfer) { told.Add(1) }, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-server.Ready()
	return conn.LocalAddr().(*net.UDPAddr).Port, told
}

func TestAsk(t *testing.T) {
	port, told := serve(t)
	for file, want := range map[string]Outcome{"autoexec.ipxe": Serves, "ipxe.efi": Serves, "none.bin": Refuses} {
		if got := Ask(t.Context(), "127.0.0.1", port, file); got.Outcome != want || want == Refuses && got.Detail == "" {
			t.Errorf("%s: %+v", file, got)
		}
	}
	if n := told.Load(); n != 1 { // of the file that is not there; a question is no transfer
		t.Errorf("%d transfers were told of", n)
	}
}

func TestNobodyAnswers(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() // it hears and says nothing
	begun := time.Now()
	got := Ask(t.Context(), "127.0.0.1", conn.LocalAddr().(*net.UDPAddr).Port, "autoexec.ipxe")
	if got.Outcome != Silent || got.Detail == "" || time.Since(begun) > 5*time.Second {
		t.Errorf("%+v after %s", got, time.Since(begun))
	}
	if got := Ask(t.Context(), "nothing.invalid", 69, "x"); got.Outcome != Silent || got.Detail == "" {
		t.Errorf("%+v", got)
	}
}

// The page never waits: the first look has no answer, a later one has.
func TestProber(t *testing.T) {
	port, _ := serve(t)
	p := NewProber(func() (string, int) { return "127.0.0.1", port }, "autoexec.ipxe", time.Hour)
	if answer, known := p.Latest(); known {
		t.Errorf("%+v", answer)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if answer, known := p.Latest(); known {
			if answer.Outcome != Serves {
				t.Errorf("%+v", answer)
			}
			if p.Forget(); p.last != (Answer{}) {
				t.Errorf("%+v is not forgotten", p.last)
			}
			if _, known := p.Latest(); known {
				t.Error("what is forgotten is known")
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no answer")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
