// Package netup brings one NIC of a live environment onto the network: its link, a lease from
// the LAN's DHCP server and its renewal, and the clock from the appliance's answers.
package netup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bty/internal/machine"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Link is a NIC with a carrier.
type Link struct {
	Index int
	Name  string
	MAC   machine.MAC
}

// Bounds on waiting for hardware. Some cards load firmware for most of a minute before they are
// there; 10GBASE-T and switches with energy saving need up to ten seconds for a link.
const (
	appearBound  = 60 * time.Second
	carrierBound = 30 * time.Second
)

// search is one wait for a NIC.
type search struct {
	want  *machine.MAC // nil: the first that has a carrier
	found func()       // called once, when the NIC's driver is in
	seen  map[int]string
	hit   bool
}

// WaitLink brings up the NIC with an address, or without one every NIC, and returns the first
// that has a carrier. found is called as soon as the NIC is there.
func WaitLink(ctx context.Context, want *machine.MAC, found func()) (Link, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates := make(chan netlink.LinkUpdate, 64)
	err := netlink.LinkSubscribeWithOptions(updates, ctx.Done(), netlink.LinkSubscribeOptions{ListExisting: true})
	if err != nil {
		return Link{}, fmt.Errorf("watch for network cards: %w", err)
	}
	s := &search{want: want, found: found, seen: map[int]string{}}
	bound := time.NewTimer(appearBound)
	defer bound.Stop()
	for {
		select {
		case <-ctx.Done():
			return Link{}, ctx.Err()
		case <-bound.C:
			return Link{}, s.missing()
		case u, ok := <-updates:
			if !ok {
				return Link{}, fmt.Errorf("watch for network cards: the kernel closed the connection")
			}
			before := s.hit
			link, up, err := s.look(u)
			if err != nil || up {
				return link, err
			}
			if s.hit && !before {
				bound.Reset(carrierBound)
			}
		}
	}
}

// look handles one change of one link.
func (s *search) look(u netlink.LinkUpdate) (link Link, up bool, err error) {
	attrs := u.Link.Attrs()
	link, ok := ethernet(attrs)
	if !ok || u.Header.Type == unix.RTM_DELLINK {
		return link, false, nil
	}
	s.seen[link.Index] = fmt.Sprintf("%s (%s)", link.Name, link.MAC)
	if s.want != nil && !s.isWanted(attrs) {
		return link, false, nil
	}
	if !s.hit {
		s.hit = true
		s.found()
	}
	if attrs.RawFlags&unix.IFF_UP == 0 {
		if err := netlink.LinkSetUp(u.Link); err != nil {
			return link, false, fmt.Errorf("bring up %s: %w", link.Name, err)
		}
		return link, false, nil // its carrier will be announced
	}
	return link, attrs.RawFlags&unix.IFF_LOWER_UP != 0, nil
}

// isWanted also takes the address that the card was made with: firmware may have used it while
// a driver or a hypervisor set another.
func (s *search) isWanted(attrs *netlink.LinkAttrs) bool {
	return slices.Equal(attrs.HardwareAddr, s.want[:]) || slices.Equal(attrs.PermHWAddr, s.want[:])
}

func ethernet(attrs *netlink.LinkAttrs) (Link, bool) {
	if attrs.EncapType != "ether" || len(attrs.HardwareAddr) != 6 || attrs.RawFlags&unix.IFF_LOOPBACK != 0 {
		return Link{}, false
	}
	return Link{Index: attrs.Index, Name: attrs.Name, MAC: machine.MAC(attrs.HardwareAddr)}, true
}

// missing says what is not there, what is, and what to do.
func (s *search) missing() error {
	var have []string
	for _, name := range s.seen {
		have = append(have, name)
	}
	slices.Sort(have)
	cards := strings.Join(have, ", ")
	switch {
	case len(have) == 0:
		return fmt.Errorf("no network card: the kernel has no driver for it, or the driver needs firmware (bty-lab liveenv build --firmware)")
	case !s.hit:
		return fmt.Errorf("no network card has the address %s of bty.mac; there are %s", s.want, cards)
	}
	return fmt.Errorf("no link after %v on %s: check the cable and the switch's port", carrierBound, cards)
}
