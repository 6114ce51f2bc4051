package tftp

import (
	"fmt"
	"sync"
	"testing"
)

// BenchmarkTransfers is the throughput over loopback in all, with that many clients at one time.
func BenchmarkTransfers(b *testing.B) {
	for _, single := range []bool{false, true} {
		for _, clients := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("single-port=%v/clients=%d", single, clients), func(b *testing.B) {
				s := newSite(b, func(c *Config) { c.SinglePort = single; c.Script = nil; c.MaxPerClient = 1000 })
				b.SetBytes(int64(clients) * 300001)
				for b.Loop() {
					var all sync.WaitGroup
					for range clients {
						all.Go(func() {
							p := newPeer(b, s.at("127.0.0.1"))
							defer p.conn.Close()
							if _, _, err := p.get("ipxe.efi", "blksize", "1428"); err != nil {
								b.Error(err)
							}
						})
					}
					all.Wait()
				}
			})
		}
	}
}
