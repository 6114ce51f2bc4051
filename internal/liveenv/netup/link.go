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

// search is one wait for NICs.
type search struct {
	want  Choice
	found func() // called once, when the NIC's driver is in
	seen  map[int]string
	hit   bool
	up    map[int]bool // told already
}

// watch brings up the NICs of a choice and tells of each that has a carrier, once. found is called as
// soon as one is there. It ends with ctx, or with an error while none has had a carrier.
func watch(ctx context.Context, want Choice, found func(), links chan<- Link) error {
	updates := make(chan netlink.LinkUpdate, 64)
	err := netlink.LinkSubscribeWithOptions(updates, ctx.Done(), netlink.LinkSubscribeOptions{ListExisting: true})
	if err != nil {
		return fmt.Errorf("watch for network cards: %w", err)
	}
	s := &search{want: want, found: found, seen: map[int]string{}, up: map[int]bool{}}
	bound := time.NewTimer(appearBound)
	defer bound.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-bound.C:
			return s.missing()
		case u, ok := <-updates:
			if !ok {
				return fmt.Errorf("watch for network cards: the kernel closed the connection")
			}
			before := s.hit
			link, up, err := s.look(u)
			if err != nil {
				return err
			}
			if s.hit && !before {
				bound.Reset(carrierBound)
			}
			if up && !s.up[link.Index] {
				s.up[link.Index] = true
				bound.Stop()
				tell(ctx, links, link)
			}
		}
	}
}

func tell(ctx context.Context, links chan<- Link, link Link) {
	select {
	case links <- link:
	case <-ctx.Done():
	}
}

// look handles one change of one link. A VLAN is what we have made ourselves.
func (s *search) look(u netlink.LinkUpdate) (link Link, up bool, err error) {
	attrs := u.Link.Attrs()
	link, ok := ethernet(attrs)
	if !ok || u.Header.Type == unix.RTM_DELLINK || u.Link.Type() == "vlan" {
		return link, false, nil
	}
	s.seen[link.Index] = fmt.Sprintf("%s (%s)", link.Name, link.MAC)
	if !s.want.takes(attrs) {
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
		return fmt.Errorf("no network card has %s that the command line asks for; there are %s", s.want, cards)
	}
	return fmt.Errorf("no link after %v on %s: check the cable and the switch's port", carrierBound, cards)
}
