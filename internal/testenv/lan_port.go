package testenv

import (
	"context"
	"fmt"

	"bty/internal/testenv/packet"
)

// Plug puts one more cable into the LAN and returns its free end, for frames as they are.
func (l *LAN) Plug(ctx context.Context) (*packet.Port, error) {
	l.mu.Lock()
	l.ports++
	end, port := fmt.Sprintf("end%d", l.ports), fmt.Sprintf("port%d", l.ports)
	l.mu.Unlock()
	// Nothing but what a test sends: no address, no neighbour discovery.
	err := ip(ctx, fmt.Sprintf("link add %[1]s type veth peer name %[2]s\nlink set %[2]s addrgenmode none arp off up\nlink set %[1]s addrgenmode none master %[3]s up\n",
		port, end, bridge), "-n", l.Name, "-batch", "-")
	if err != nil {
		return nil, err
	}
	var p *packet.Port
	err = l.Inside(func() (err error) { p, err = packet.Open(end); return err })
	return p, err
}
