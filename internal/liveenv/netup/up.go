package netup

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// Config is what somebody wants of the network. The zero value is DHCP, without a VLAN, on the NIC
// that gets a lease first.
type Config struct {
	NIC    Choice
	VLAN   int          // 0: none
	Static *Lease       // nil: DHCP
	DNS    []netip.Addr // asked before those of DHCP
}

// Steps are called once each: when a NIC's driver is in, and when the first has a carrier.
type Steps struct{ Found, Carrier func() }

// Up brings one NIC onto the network; its lease is not applied yet. All NICs with a carrier are
// tried at once, and the first with a lease is taken: behind a management controller's USB NIC there
// is a carrier and nobody who answers. A static address asks nobody, so that it goes to the first
// carrier.
func (c Config) Up(ctx context.Context, steps Steps, log *slog.Logger) (Link, Lease, error) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	links, watched, tried := make(chan Link), make(chan error, 1), make(chan attempt)
	tasks.Go(func() { watched <- watch(ctx, c.NIC, steps.Found, links) })
	quiet := time.NewTimer(quietBound)
	defer quiet.Stop()
	var failed []error
	for running := 0; ; {
		select {
		case <-ctx.Done():
			return Link{}, Lease{}, ctx.Err()
		case err := <-watched:
			return Link{}, Lease{}, err
		case <-quiet.C:
			log.Info(c.awaited(running))
		case link := <-links:
			if running++; running+len(failed) == 1 {
				steps.Carrier()
			}
			tasks.Go(func() { c.try(ctx, link, log).tell(ctx, tried) })
		case a := <-tried:
			if a.err == nil {
				return a.link, a.lease, nil
			}
			failed = append(failed, a.err)
			if running--; running == 0 {
				return Link{}, Lease{}, errors.Join(failed...)
			}
		}
	}
}

// quietBound is how long nothing is said: what is wrong shows after a minute only, and somebody stands
// before the machine.
const quietBound = 5 * time.Second

// awaited is what is waited for while so many NICs are asked for an address.
func (c Config) awaited(running int) string {
	switch {
	case running > 0:
		return "no DHCP server has answered yet, asking on"
	case c.NIC.IsZero():
		return "no network card has a link yet, waiting on"
	}
	return "no network card with " + c.NIC.String() + " has a link yet, waiting on"
}

// attempt is how one NIC fared.
type attempt struct {
	link  Link
	lease Lease
	err   error
}

func (a attempt) tell(ctx context.Context, to chan<- attempt) {
	select {
	case to <- a:
	case <-ctx.Done():
	}
}

func (c Config) try(ctx context.Context, link Link, log *slog.Logger) (a attempt) {
	a.link = link
	if c.VLAN != 0 {
		if a.link, a.err = addVLAN(link, c.VLAN); a.err != nil {
			return a
		}
	}
	log.Debug("link is up", "interface", a.link.Name)
	if c.Static != nil {
		a.lease = *c.Static
	} else if a.lease, a.err = Acquire(ctx, a.link, log); a.err != nil {
		return a
	}
	a.lease.named = c.DNS
	return a
}
