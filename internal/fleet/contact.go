package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"bty/internal/boot"
	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/rule"
)

// Contact is one question of one machine.
type Contact struct {
	MAC   machine.MAC
	Asker boot.Asker
	From  netip.Addr
	Host  string      // by which it reached this server
	Arch  string      // iPXE's ${buildarch}, "" if the client did not say
	Via   machine.Via // how its firmware loaded iPXE
	Again bool        // its script asks once more, because no answer came
}

func (c Contact) question(now time.Time) boot.Question {
	return boot.Question{Asker: c.Asker, Via: c.Via, Again: c.Again, Now: now}
}

// Contact answers a machine. The answer is committed, with what it changes, before it is returned.
func (f *Fleet) Contact(ctx context.Context, c Contact) (boot.Offer, error) {
	cached, err := f.askCache(ctx, c)
	if err != nil {
		return boot.Offer{}, err
	}
	now := f.Now()
	var offer boot.Offer
	var isNew bool
	err = f.commit(ctx, func(tx Tx) ([]event.Event, error) {
		before, found, err := tx.Machine(c.MAC)
		if err != nil {
			return nil, err
		}
		isNew = !found
		if isNew && f.machines.Load() >= maxMachines {
			return nil, fault.New(fault.Unavailable, "%d machines are known, the most there can be; delete some on the Machines page", maxMachines)
		}
		m := arrive(before, found, c, now)
		know, err := f.knowledge(tx, m, c)
		if err != nil {
			return nil, err
		}
		know.Cache = cached
		if know.Image != nil && !cached.Of(*know.Image) { // it was bound to another a moment ago, or has moved
			know.Cache = catalog.Cached{Configured: cached.Configured}
		}
		decision := boot.Decide(m, know, c.question(now))
		offer = decision.Offer
		if !found || changed(before, decision.Next) {
			if err := tx.PutMachine(decision.Next); err != nil {
				return nil, err
			}
		}
		return contactEvents(c, decision, isNew, now), nil
	})
	if err != nil {
		return boot.Offer{}, err
	}
	if isNew {
		f.machines.Add(1)
	}
	f.activity.contact(c.MAC, c.From, now, c.Asker == boot.Firmware)
	if c.Asker == boot.Firmware {
		f.activity.script(c.MAC)
	}
	return offer, nil
}

// askCache asks the cache for the image that a plan would name. That may take a while, so it is
// done before the transaction.
func (f *Fleet) askCache(ctx context.Context, c Contact) (catalog.Cached, error) {
	if c.Asker != boot.Live || f.HasCache == nil || !f.HasCache() {
		return catalog.Cached{}, nil
	}
	e, err := f.Explain(c)
	if err != nil || e.Offer.Action != boot.Flash {
		return catalog.Cached{}, err
	}
	return f.Cached(ctx, *e.Offer.Image, c.Host), nil
}

// arrive is the machine at the door: a new record, or the first contact of one made by hand. What
// its iPXE says of the architecture is kept, because rules may ask for it.
func arrive(m machine.Machine, found bool, c Contact, now time.Time) machine.Machine {
	if !found {
		m = machine.New(c.MAC, now)
	}
	if m.DiscoveredAt.IsZero() {
		m.DiscoveredAt = now
	}
	if c.Arch != "" {
		m.Arch = c.Arch
	}
	return m
}

// changed reports whether anything that is stored with the machine differs.
func changed(a, b machine.Machine) bool {
	return a.Facts != b.Facts || !a.DiscoveredAt.Equal(b.DiscoveredAt) || a.Arch != b.Arch
}

// knowledge gathers what the decision reads beside the machine.
func (f *Fleet) knowledge(tx Tx, m machine.Machine, c Contact) (boot.Knowledge, error) {
	rules, err := tx.Rules()
	if err != nil {
		return boot.Knowledge{}, err
	}
	hardware, err := asked(tx, m, rules)
	if err != nil {
		return boot.Knowledge{}, err
	}
	return f.know(tx, rule.AssignTraced(m, hardware, rules), c)
}

// know is knowledge of a machine that the rules have been asked about.
func (f *Fleet) know(tx Tx, assigned rule.Assigned, c Contact) (boot.Knowledge, error) {
	know := boot.Knowledge{MaxAttempts: f.MaxAttempts, Assigned: &assigned, Verify: isSet(f.Verify), Grow: isSet(f.Grow)}
	if ref, ok := boot.Bound(assigned); ok {
		image, found, err := tx.Image(ref)
		if err != nil {
			return know, err
		}
		if found {
			know.Image = &image
		}
	}
	if c.Asker == boot.Firmware {
		know.Live, know.Missing = f.Live(c.Arch)
	}
	return know, nil
}

func contactEvents(c Contact, d boot.Decision, isNew bool, now time.Time) []event.Event {
	var events []event.Event
	add := func(kind event.Kind, summary string, carried any) {
		events = append(events, machineEvent(kind, c.MAC, event.Client, c.From, now, summary, carried))
	}
	if isNew {
		add(event.MachineDiscovered, fmt.Sprintf("%s seen for the first time", c.MAC), policyOf(d.Offer.Machine.Intent))
	}
	if c.Asker == boot.Live {
		add(event.PXEPlan, fmt.Sprintf("%s asked for its plan: %s", c.MAC, PlanMode(d.Offer)), planDetails(d.Offer))
	} else {
		add(event.PXEOffered, fmt.Sprintf("%s asked what to boot: %s", c.MAC, d.Offer.Rule.Because()), offerDetails(d.Offer))
	}
	if d.After.Facts.Stuck && !d.Offer.Machine.Facts.Stuck {
		add(event.MachineStuck, fmt.Sprintf("%s was started %d times without a completion; it boots its own disk until it is armed again", c.MAC, d.After.Facts.Attempts), nil)
		events[len(events)-1].Attrs = []slog.Attr{slog.Int("attempts", d.After.Facts.Attempts)}
	}
	if d.Offer.Rule == boot.RuleNoLiveFiles {
		add(event.LiveMissing, fmt.Sprintf("%s was to start the live environment, but %s is missing in the boot folder; install one with bty-lab liveenv build", c.MAC, d.Offer.Missing), missingFile{d.Offer.Missing})
	}
	return events
}

type missingFile struct {
	File string `json:"file"`
}

func machineEvent(kind event.Kind, mac machine.MAC, actor event.Actor, from netip.Addr, now time.Time, summary string, carried any) event.Event {
	e := event.Event{At: now, Kind: kind, SubjectKind: event.Machine, SubjectID: mac.String(), Actor: actor, SourceIP: from, Summary: summary}
	if carried != nil {
		e.Details = ledger.Details(carried)
	}
	if j, ok := carried.(journalled); ok {
		e.Attrs = j.journal()
	}
	return e
}

// policy is what the events of a machine carry about the operator's intent. Labels stay as sent.
type policy struct {
	Image  *catalog.ImageRef `json:"bty_image_ref"`
	Mode   machine.BootMode  `json:"boot_mode"`
	Drive  *string           `json:"sanboot_drive"`
	Labels []string          `json:"labels"`
	Serial *string           `json:"target_disk_serial"`
	Words  *string           `json:"kernel_words,omitempty"`
	Grow   *bool             `json:"grow,omitempty"`
	Verify *bool             `json:"verify,omitempty"`
}

func policyOf(i machine.Intent) policy {
	p := policy{Mode: i.Mode, Labels: append([]string{}, i.Labels...), Drive: orNull(i.Drive), Serial: orNull(i.TargetSerial), Words: orNull(i.KernelWords), Grow: i.Grow.Bool(), Verify: i.Verify.Bool()}
	if !i.Image.IsZero() {
		p.Image = &i.Image
	}
	return p
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// isSet asks a switch that may not be there.
func isSet(ask func() bool) bool { return ask != nil && ask() }
