// Package checkup has the doctor look at this appliance and its LAN again and again. It gathers what
// the doctor goes by, tells the pages when the findings are others, and records when one that
// somebody should look at comes and goes.
package checkup

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"bty/internal/doctor"
	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/message"
	"bty/internal/nbp"
	"bty/internal/release"
	"bty/internal/tftp/probe"
	"bty/internal/wire"
)

// Config is what there is to look at.
type Config struct {
	Seen      func() wire.Observations
	Programs  nbp.Library
	Files     *release.Files
	TFTP      *probe.Prober
	IsDefault func() bool                     // whether the well-known password is in force
	Address   func() netip.Addr               // that machines are told, if somebody set it
	SeenAt    func(machine.MAC) time.Time     // when a machine asked for its script or reported something last
	Port      int                             // of bty-web
	Folders   []Folder                        // the state's first
	OldDB     func() string                   // the previous system's database, "" if there is none
	Host      func() ([]doctor.Address, bool) // addresses, and whether this is a container
	Book      ledger.Book
	Changed   func(digest string) // is told when a diagnosis is another than the last
	Now       func() time.Time
	Log       *slog.Logger
}

// Folder is one that needs space.
type Folder struct{ Path, For string }

const (
	every = 10 * time.Second
	fresh = time.Second // how long a diagnosis counts for whoever asks
	// soon is when news is looked at: what comes with it, and more that comes meanwhile, is one look.
	soon = 2 * time.Second
	// restFactor bounds what looking costs while news never ends, as in a flood of DHCP.
	restFactor = 50
)

// Checkup is the doctor's regular look. It is safe for concurrent use.
type Checkup struct {
	Config
	asked *requests
	kept  programs
	seed  maphash.Seed
	news  chan struct{}
	rest  time.Duration // of Run, after its last look

	mu     sync.Mutex // one look at a time
	last   wire.Diagnosis
	digest string
}

// New returns a Checkup that looks when it is asked, and regularly once Run runs.
func New(c Config) *Checkup {
	return &Checkup{Config: c, asked: newRequests(), kept: programs{}, seed: maphash.MakeSeed(), news: make(chan struct{}, 1)}
}

// Asked records that somebody at an address asked for a file of ours, or a script.
func (c *Checkup) Asked(from netip.Addr) { c.asked.note(from.Unmap(), c.Now()) }

// News says that there is something else to be seen.
func (c *Checkup) News() {
	select {
	case c.news <- struct{}{}:
	default: // it is known
	}
}

// Diagnosis is what the doctor says now. It asks the TFTP server again if it was not lately.
func (c *Checkup) Diagnosis() wire.Diagnosis {
	c.TFTP.Latest()
	return c.look(fresh)
}

func (c *Checkup) look(age time.Duration) wire.Diagnosis {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	if !c.last.At.IsZero() && now.Sub(c.last.At) < age {
		return c.last
	}
	c.last = doctor.Examine(c.facts(), now)
	if digest := c.digestOf(c.last); digest != c.digest {
		c.digest = digest
		c.Changed(digest)
	}
	return c.last
}

// digestOf is that of what people see, times of packets aside: those change with each packet.
func (c *Checkup) digestOf(d wire.Diagnosis) string {
	servers := make([]wire.DHCPServer, len(d.Servers))
	for i, s := range d.Servers {
		s.Last = time.Time{}
		offers := make([]wire.DHCPOffer, len(s.Offers))
		for j, o := range s.Offers {
			o.Last = time.Time{}
			offers[j] = o
		}
		s.Offers = offers
		servers[i] = s
	}
	raw, err := json.Marshal([]any{d.Findings, servers})
	if err != nil {
		return err.Error() // the types are the program's own, which always encode
	}
	return strconv.FormatUint(maphash.Bytes(c.seed, raw), 16)
}

// Run looks regularly until ctx ends, and soon after there was news. The first look is not at the
// start, when machines and people wait.
func (c *Checkup) Run(ctx context.Context) error {
	var w *watch
	tick := time.NewTicker(every)
	defer tick.Stop()
	for c.wait(ctx, tick.C) {
		if w == nil {
			w = newWatch(c.open())
		}
		began := time.Now()
		findings := c.look(fresh).Findings
		c.rest = restFactor * time.Since(began)
		for _, e := range w.compare(findings, c.Now()) {
			if err := c.Book.Record(ctx, e); err != nil && ctx.Err() == nil {
				c.Log.Warn("what the doctor found could not be recorded", message.Unrecorded, "finding", e.SubjectID, "err", err)
			}
		}
	}
	return nil
}

// wait returns when it is time to look again; false when ctx has ended.
func (c *Checkup) wait(ctx context.Context, tick <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-tick:
		return true
	case <-c.news:
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(max(soon, c.rest)):
		return true
	}
}

// open are the findings whose coming was recorded and whose going was not, by the newest events.
func (c *Checkup) open() map[string]wire.Finding {
	found := map[string]wire.Finding{}
	decided := map[string]bool{}
	kinds := []event.Kind{event.DoctorFound, event.DoctorGone}
	var events []event.Event
	for _, kind := range kinds {
		list, err := c.Book.Events(event.Filter{Kind: &kind, Limit: maxWatched})
		if err != nil {
			c.Log.Info("what the doctor found before cannot be read; it is recorded again", "err", err)
			return nil
		}
		events = append(events, list...)
	}
	newestFirst(events)
	for _, e := range events {
		if decided[e.SubjectID] {
			continue
		}
		decided[e.SubjectID] = true
		var f wire.Finding
		if e.Kind == event.DoctorFound && json.Unmarshal(e.Details, &f) == nil && f.Key() == e.SubjectID {
			found[e.SubjectID] = f
		}
	}
	return found
}
