package report

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/message"
	"bty/internal/web/body"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// maxEach bounds how many sightings and how many answers come in one body.
const maxEach = 1000

// text bounds what an option of DHCP can hold; several of one code are one longer option.
var text = body.Max(1024)

// sightings takes DHCP requests and answers that were seen on the wire.
type sightings struct {
	Config
	refusals *refusals
}

func (c sightings) take(w http.ResponseWriter, r *http.Request, v body.Value) error {
	o := v.Object()
	var seen wire.Observations
	o.Objects("sightings", maxEach, func(o *body.Object) { seen.Sightings = append(seen.Sightings, readSighting(o)) })
	o.Objects("answers", maxEach, func(o *body.Object) { seen.Answers = append(seen.Answers, readAnswer(o)) })
	if err := o.Done(); err != nil {
		return err
	}
	sighted, err := check(seen)
	if err != nil {
		return err
	}
	c.Seen.Add(c.Now(), seen)
	refused, err := c.Sight(r.Context(), sighted)
	c.refusals.add(c.Serve.Log, refused, c.Now())
	if err != nil {
		return err
	}
	return serve.NoContent(w)
}

// refusals says once a minute at most that there are more machines than are to be made known.
type refusals struct {
	mu    sync.Mutex
	count int
	next  time.Time
}

func (r *refusals) add(log *slog.Logger, n int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count += n; r.count == 0 || now.Before(r.next) {
		return
	}
	log.Warn("DHCP shows more new machines than [sniff] new_per_minute; those that ask again later are made known", message.TooManyNew, "refused", r.count)
	r.count, r.next = 0, now.Add(time.Minute)
}

func readSighting(o *body.Object) wire.Sighting {
	s := wire.Sighting{
		At: readTime(o), MAC: o.String("mac", body.Max(32)), Message: o.StringOr("message", "", body.Max(32)),
		Class: o.StringOr("class", "", text), UserClass: o.StringOr("user_class", "", text), Arch: o.StringOr("arch", "", body.Max(64)),
		UUID: o.StringOr("uuid", "", text), Hostname: o.StringOr("hostname", "", text), Address: o.StringOr("address", "", body.Max(64)),
		Link: o.StringOr("link", "", body.Max(64)), VLAN: readUint16(o, "vlan"), Count: readCount(o),
	}
	if code := readUint16(o, "arch_code"); o.Has("arch_code") {
		s.ArchCode = &code
	}
	return s
}

func readAnswer(o *body.Object) wire.DHCPAnswer {
	return wire.DHCPAnswer{
		At: readTime(o), MAC: o.String("mac", body.Max(32)), Message: o.StringOr("message", "", body.Max(32)),
		From: o.StringOr("from", "", body.Max(64)), Server: o.StringOr("server", "", body.Max(64)), Class: o.StringOr("class", "", text),
		Address: o.StringOr("address", "", body.Max(64)), NextServer: o.StringOr("next_server", "", body.Max(64)),
		TFTPServer: o.StringOr("tftp_server", "", text), Bootfile: o.StringOr("bootfile", "", text),
		Link: o.StringOr("link", "", body.Max(64)), VLAN: readUint16(o, "vlan"), Count: readCount(o),
	}
}

// readTime reads when it was seen; absent is now.
func readTime(o *body.Object) time.Time {
	at, _ := time.Parse(time.RFC3339, o.StringOr("at", "", body.Max(64))) // one that cannot be read is none
	return at
}

func readUint16(o *body.Object, key string) uint16 { return uint16(min(o.Whole(key), 1<<16-1)) }

func readCount(o *body.Object) int { return int(min(max(o.Whole("count"), 1), 1<<30)) }

// check demands what the rest relies on: the MACs, and addresses that are addresses.
func check(seen wire.Observations) (sighted []fleet.Sighted, err error) {
	for _, s := range seen.Sightings {
		mac, err := checked(s.MAC, s.Address)
		if err != nil {
			return nil, err
		}
		sighted = append(sighted, fleet.Sighted{MAC: mac, Sighting: s})
	}
	for _, a := range seen.Answers {
		if _, err := checked(a.MAC, a.From, a.Server, a.Address, a.NextServer); err != nil {
			return nil, err
		}
	}
	return sighted, nil
}

func checked(name string, addresses ...string) (machine.MAC, error) {
	mac, err := machine.ParseMAC(name)
	if err != nil {
		return mac, fault.New(fault.Invalid, "invalid MAC: '%s'", name)
	}
	for _, a := range addresses {
		if _, err := netip.ParseAddr(a); a != "" && err != nil {
			return mac, fault.New(fault.Invalid, "%s: invalid address '%s'", mac, a)
		}
	}
	return mac, nil
}

// client says whether an address is known to run iPXE. Only sightings of DHCP tell, and without
// them the TFTP server goes by what it served.
func (c Config) client(w http.ResponseWriter, r *http.Request) error {
	a, err := netip.ParseAddr(r.PathValue("address"))
	if err != nil {
		return fault.New(fault.Invalid, "invalid client address %q", r.PathValue("address"))
	}
	serve.JSON(w, http.StatusOK, wire.Client{IPXE: c.Seen.IsIPXE(a)})
	return nil
}
