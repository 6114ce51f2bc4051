package netup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
)

// leaseBound is how long DHCP is tried. A switch port with spanning tree forwards nothing for
// 30 s, and some again for 15 s after another change.
const leaseBound = 60 * time.Second

// firstAnswer is how long the first DISCOVER waits for an OFFER; each next one waits longer
// (RFC 2131 section 4.1), up to longAnswer.
const (
	firstAnswer = time.Second
	longAnswer  = 8 * time.Second
)

// Lease is what the LAN's DHCP server gave, or what somebody set by hand.
type Lease struct {
	Address netip.Prefix
	Gateway netip.Addr // not valid when there is none
	Routes  []Route    // option 121
	DNS     []netip.Addr
	Search  []string
	MTU     int // 0 when not given

	Renew, Rebind, Expire time.Time

	named []netip.Addr // name servers of the command line
	ack   *dhcpv4.DHCPv4
}

// Route is one classless static route (RFC 3442).
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// Acquire asks for a lease until it has one or the bound is over.
func Acquire(ctx context.Context, link Link, log *slog.Logger) (Lease, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, leaseBound,
		fmt.Errorf("no DHCP server answered on %s (%s) for %v: check the VLAN of the switch's port and the DHCP server's pool", link.Name, link.MAC, leaseBound))
	defer cancel()
	start := time.Now()
	for wait := firstAnswer; ; wait = min(2*wait, longAnswer) {
		lease, err := ask(ctx, link, wait, time.Since(start))
		if err == nil {
			return lease, nil
		}
		if ctx.Err() != nil {
			return Lease{}, context.Cause(ctx)
		}
		logRetry(log, link, err)
		if err := pause(ctx, err, wait); err != nil {
			return Lease{}, context.Cause(ctx)
		}
	}
}

func logRetry(log *slog.Logger, link Link, err error) {
	if errors.Is(err, nclient4.ErrNoResponse) {
		log.Warn("no answer from a DHCP server yet, asking again", "interface", link.Name)
		return
	}
	log.Warn("no lease yet, asking again", "interface", link.Name, "err", err)
}

// pause: a missing answer has taken its time already; any other failure (NAK, a socket that
// cannot send) comes back at once and must not be repeated at once.
func pause(ctx context.Context, cause error, d time.Duration) error {
	if errors.Is(cause, nclient4.ErrNoResponse) {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// ask goes once through DISCOVER, OFFER, REQUEST and ACK.
func ask(ctx context.Context, link Link, wait, elapsed time.Duration) (Lease, error) {
	client, err := nclient4.New(link.Name, nclient4.WithTimeout(wait), nclient4.WithRetry(1), nclient4.WithHWAddr(link.MAC[:]))
	if err != nil {
		return Lease{}, fmt.Errorf("open a socket for DHCP: %w", err)
	}
	defer client.Close()
	offer, err := client.SendAndRead(ctx, nclient4.DefaultServers, discover(link.MAC, elapsed),
		nclient4.IsMessageType(dhcpv4.MessageTypeOffer))
	if err != nil {
		return Lease{}, err
	}
	return exchange(ctx, client, nclient4.DefaultServers, request(link.MAC, offer, elapsed), offer.ServerIdentifier())
}

// exchange sends a REQUEST and reads its ACK or NAK.
func exchange(ctx context.Context, client *nclient4.Client, to *net.UDPAddr, request *dhcpv4.DHCPv4, server net.IP) (Lease, error) {
	sent := time.Now()
	answer, err := client.SendAndRead(ctx, to, request, nclient4.IsAll(nclient4.IsCorrectServer(server),
		nclient4.IsMessageType(dhcpv4.MessageTypeAck, dhcpv4.MessageTypeNak)))
	if err != nil {
		return Lease{}, err
	}
	if answer.MessageType() == dhcpv4.MessageTypeNak {
		return Lease{}, fmt.Errorf("%w %v: %q", errRefused, server, answer.Message())
	}
	return readLease(answer, sent)
}

// errRefused is a NAK: the address that we ask for, or have, is not ours.
var errRefused = errors.New("the address was refused by the DHCP server")

// readLease checks an ACK and takes what we use. Times count from when it was asked for.
func readLease(ack *dhcpv4.DHCPv4, asked time.Time) (Lease, error) {
	addr, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	if !ok || !addr.IsGlobalUnicast() {
		return Lease{}, fmt.Errorf("the DHCP server %v gave no usable address (%v)", ack.ServerIdentifier(), ack.YourIPAddr)
	}
	bits, size := ack.SubnetMask().Size()
	if size != 32 || bits == 0 {
		bits, _ = net.IP(addr.AsSlice()).DefaultMask().Size() // no mask given: that of the address's class
	}
	lease := Lease{Address: netip.PrefixFrom(addr, bits), ack: ack}
	if routers := addrs(ack.Router()); len(routers) > 0 {
		lease.Gateway = routers[0]
	}
	for _, r := range ack.ClasslessStaticRoute() {
		lease.addRoute(r)
	}
	lease.DNS = addrs(ack.DNS())
	if domain := ack.DomainName(); domain != "" {
		lease.Search = []string{domain}
	}
	if labels := ack.DomainSearch(); labels != nil && len(labels.Labels) > 0 {
		lease.Search = labels.Labels
	}
	if mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, ack.Options); err == nil && mtu >= 576 {
		lease.MTU = int(mtu)
	}
	lease.setTimes(asked, ack)
	return lease, nil
}

func (l *Lease) addRoute(r *dhcpv4.Route) {
	if r == nil || r.Dest == nil {
		return
	}
	to, ok := netip.AddrFromSlice(r.Dest.IP.To4())
	via, ok2 := netip.AddrFromSlice(r.Router.To4())
	bits, size := r.Dest.Mask.Size()
	if ok && ok2 && size == 32 {
		l.Routes = append(l.Routes, Route{To: netip.PrefixFrom(to, bits).Masked(), Via: via})
	}
}

// setTimes: T1 is half of the lease and T2 seven eighths, if the server does not say
// otherwise (RFC 2131 section 4.4.5). A lease of less than a minute is renewed as one of a
// minute would be, so that a broken server does not keep us busy.
func (l *Lease) setTimes(start time.Time, ack *dhcpv4.DHCPv4) {
	const shortest = time.Minute
	total := max(ack.IPAddressLeaseTime(24*time.Hour), shortest)
	t1 := ack.IPAddressRenewalTime(total / 2)
	t2 := ack.IPAddressRebindingTime(total / 8 * 7)
	if t1 <= 0 || t1 >= t2 || t2 >= total {
		t1, t2 = total/2, total/8*7
	}
	l.Renew, l.Rebind, l.Expire = start.Add(max(t1, shortest/2)), start.Add(t2), start.Add(total)
}

func addrs(ips []net.IP) []netip.Addr {
	var out []netip.Addr
	for _, ip := range ips {
		if a, ok := netip.AddrFromSlice(ip.To4()); ok && !a.IsUnspecified() {
			out = append(out, a)
		}
	}
	return out
}
