package netup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
)

// Keep renews a lease until ctx ends: a large image over a slow link outlives a short lease.
// A lease that ran out, or that the server takes back, is replaced by a new one.
func Keep(ctx context.Context, link Link, lease Lease, resolvConf string, log *slog.Logger) error {
	if lease.ack == nil {
		return nil // a static address
	}
	for {
		if err := sleepUntil(ctx, lease.Renew); err != nil {
			return nil
		}
		next, err := extend(ctx, link, lease, log)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			log.Error("the lease was lost", "interface", link.Name, "err", err)
			continue
		}
		next.named = lease.named
		if err := Apply(link, next, resolvConf); err != nil {
			log.Error("the lease cannot be applied", "interface", link.Name, "err", err)
		}
		log.Info("lease renewed", "interface", link.Name, "address", next.Address, "until", next.Expire)
		lease = next
	}
}

// extend asks the server of the lease until T2. After that it starts anew with a DISCOVER, which
// any server may answer; the address stays in use meanwhile, because a flash under way is worth
// more than the rule.
func extend(ctx context.Context, link Link, lease Lease, log *slog.Logger) (Lease, error) {
	server := net.UDPAddr{IP: lease.ack.ServerIdentifier(), Port: nclient4.ServerPort}
	for server.IP != nil && time.Now().Before(lease.Rebind) {
		next, err := renew(ctx, link, lease, server)
		if err == nil {
			return next, nil
		}
		log.Warn("lease not renewed", "interface", link.Name, "err", err)
		if errors.Is(err, errRefused) {
			break
		}
		// Half of what is left, but not less than a minute (RFC 2131 section 4.4.5).
		retry := time.Now().Add(max(time.Until(lease.Rebind)/2, time.Minute))
		if err := sleepUntil(ctx, retry); err != nil {
			return Lease{}, err
		}
	}
	return Acquire(ctx, link, log)
}

// renew asks by unicast from the leased address, as RFC 2131 wants it and relays need it. An
// ordinary socket keeps the image's packets away from us. It is bound to no address, because a
// NAK comes as a broadcast (section 4.3.2).
func renew(ctx context.Context, link Link, lease Lease, server net.UDPAddr) (Lease, error) {
	local := &net.UDPAddr{Port: nclient4.ClientPort}
	client, err := nclient4.New(link.Name, nclient4.WithUnicast(local), nclient4.WithServerAddr(&server),
		nclient4.WithHWAddr(link.MAC[:]), nclient4.WithTimeout(4*time.Second), nclient4.WithRetry(2))
	if err != nil {
		return Lease{}, fmt.Errorf("open a socket for DHCP: %w", err)
	}
	defer client.Close()
	next, err := exchange(ctx, client, &server, extension(link.MAC, lease), server.IP)
	if err == nil {
		next.inherit(lease)
	}
	return next, err
}

// inherit fills in what a renewal left out: some servers send only the times (Windows does).
func (l *Lease) inherit(old Lease) {
	if l.ack.SubnetMask() == nil && l.Address.Addr() == old.Address.Addr() {
		l.Address = old.Address
	}
	if !l.Gateway.IsValid() && l.Routes == nil {
		l.Gateway, l.Routes = old.Gateway, old.Routes
	}
	if l.DNS == nil {
		l.DNS, l.Search = old.DNS, old.Search
	}
}

func sleepUntil(ctx context.Context, when time.Time) error {
	t := time.NewTimer(time.Until(when))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
