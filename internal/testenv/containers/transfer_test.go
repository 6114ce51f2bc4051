package containers

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bty/internal/testenv/systemd"
)

// A machine is in the middle of a file when the container of bty-tftp is restarted: it gets the whole file,
// over port 69 from its first block to its last.
func TestTransferSurvivesRestart(t *testing.T) {
	t.Parallel()
	h := appliance(t)
	want, err := os.ReadFile(filepath.Join(buildFolder(t), "ipxe", "ipxe.efi"))
	if err != nil {
		t.Fatal(err)
	}
	h.overTFTP("autoexec.ipxe") // the container runs
	restarted := make(chan error, 1)
	got := h.slowly("ipxe.efi", func() {
		go func() {
			_, err := h.Try(h.ctx, "systemctl", "restart", "bty-tftp.service")
			restarted <- err
		}()
	})
	if !bytes.Equal(got, want) {
		t.Errorf("it got %d bytes of %d", len(got), len(want))
	}
	if err := <-restarted; err != nil {
		t.Error(err)
	}
}

// slowly fetches a file as firmware with a slow network does, RFC 1350, and calls meanwhile in its midst.
func (h *host) slowly(name string, meanwhile func()) []byte {
	h.t.Helper()
	conn, err := h.LAN.ListenPacket(h.ctx, ":0")
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	const data, block = 3, 512
	server := &net.UDPAddr{IP: net.ParseIP(systemd.IP), Port: 69}
	last, file, packet := []byte("\x00\x01"+name+"\x00octet\x00"), []byte{}, make([]byte, 2048)
	send := func() {
		if _, err := conn.WriteToUDP(last, server); err != nil {
			h.t.Fatal(err)
		}
	}
	send()
	for next, silences := uint16(1), 0; ; {
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		n, from, err := conn.ReadFromUDP(packet)
		if err != nil {
			if silences++; silences > 20 {
				h.t.Fatalf("silence after %d bytes", len(file))
			}
			send()
			continue
		}
		if from.Port != server.Port {
			h.t.Fatalf("an answer from port %d", from.Port)
		}
		if n < 4 || packet[1] != data || binary.BigEndian.Uint16(packet[2:]) != next {
			continue // the one before, again
		}
		file, silences = append(file, packet[4:n]...), 0
		last = []byte{0, 4, packet[2], packet[3]}
		send()
		if next == 500 {
			meanwhile()
		}
		if n < 4+block {
			return file
		}
		next++
		time.Sleep(time.Millisecond)
	}
}
