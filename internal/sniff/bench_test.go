package sniff

import (
	"testing"

	"bty/internal/testenv/packet"
)

// BenchmarkRead takes one captured DISCOVER apart.
func BenchmarkRead(b *testing.B) {
	frame := packet.Of(packet.UEFI.Message(discover, mac(1))).Bytes()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readBytes(frame); err != nil {
			b.Fatal(err)
		}
	}
}
