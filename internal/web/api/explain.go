package api

import (
	"fmt"
	"net/http"

	"bty/internal/boot"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/ipxe"
	"bty/internal/machine"
	"bty/internal/rule"
	"bty/internal/web/pxe"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// askers are the two who may ask.
var askers = map[string]boot.Asker{"": boot.Firmware, "firmware": boot.Firmware, "live": boot.Live}

// explain says what a machine would get now, and why. It changes nothing.
func (c Config) explain(w http.ResponseWriter, r *http.Request) error {
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	asker, ok := askers[r.URL.Query().Get("asker")]
	if !ok {
		return fault.New(fault.Rejected, "asker=%s is none; it is firmware (the script) or live (the plan)", r.URL.Query().Get("asker"))
	}
	e, err := c.Fleet.ExplainServed(r.Context(), fleet.Contact{MAC: mac, Asker: asker, From: c.Client(r), Host: serve.Host(r)})
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, Explanation(e, serve.Host(r)))
	return nil
}

// Explanation is an explanation in the shape of the wire.
func Explanation(e fleet.Explanation, host string) wire.Explanation {
	o := e.Offer
	shown := wire.Explanation{MAC: o.Machine.MAC, Known: e.Known, Asker: "firmware", Rule: string(o.Rule), Because: o.Rule.Because(),
		OfferKind: fleet.OfferKind(o), Own: ownOf(e.Next.Intent), AssignedBy: assignedBy(o.Assigned), Rules: verdicts(e),
		Facts: explainedFacts(e), Then: e.Then, Trace: o.Trace()}
	shown.Offer = nextBoot(fleet.NextBoot{Rule: o.Rule, Mode: o.Assigned.Mode, Image: o.Assigned.Image, Serial: o.Assigned.Serial, NoDisk: o.Assigned.NoDisk, Grow: o.Grow.Is, Verify: o.Verify.Is})
	if o.Asker == boot.Live {
		plan := pxe.Plan(o, host)
		shown.Asker, shown.Plan = "live", &plan
	} else {
		script := string(ipxe.Render(o, host))
		shown.Script = &script
	}
	return shown
}

func explainedFacts(e fleet.Explanation) wire.ExplainedFacts {
	m := e.Offer.Machine
	facts := wire.ExplainedFacts{Cycle: cycle(m.Facts), Labels: append([]string{}, m.Intent.Labels...), Arch: orNull(m.Arch),
		LastFlashedAt: wire.Time(m.Facts.FlashedAt), KnownDisksAt: wire.Time(m.Facts.InventoriedAt), MissingFile: orNull(e.Offer.Missing)}
	if h := e.Hardware; h != nil {
		facts.Vendor, facts.Product, facts.Disks = orNull(h.Vendor), orNull(h.Product), append([]machine.Disk{}, h.Disks...)
	}
	return facts
}

func cycle(f machine.Facts) wire.Cycle {
	return wire.Cycle{Armed: f.Armed(), Attempts: f.Attempts, Completed: f.Completed, Failed: f.Failed, Reason: f.Reason, Stuck: f.Stuck}
}

// verdicts says of every rule what it came to, and what it decided.
func verdicts(e fleet.Explanation) []wire.Verdict {
	a := e.Offer.Assigned
	all := []wire.Verdict{}
	for i, v := range e.Verdicts {
		r, _ := e.Rules.Get(v.Rule)
		one := wire.Verdict{Rule: uint64(v.Rule), Name: r.Name, Matches: v.Miss == rule.Matches, Input: string(v.Miss), Because: v.Miss.Because(),
			Asked: i < len(a.Verdicts), Decided: []string{}}
		for _, part := range []struct {
			by   rule.By
			name string
		}{{a.ModeBy, "boot_mode"}, {a.ImageBy, "bty_image_ref"}, {a.DiskBy, "target_disk"}} {
			if part.by == (rule.By{Origin: rule.ByRule, Rule: v.Rule}) {
				one.Decided = append(one.Decided, part.name)
			}
		}
		all = append(all, one)
	}
	return all
}

func ownOf(i machine.Intent) (own wire.Own) {
	if !i.Free {
		own.BootMode = &i.Mode
	}
	if !i.Image.IsZero() {
		own.ImageRef = orNull(i.Image.String())
	}
	own.TargetSerial = orNull(i.TargetSerial)
	return own
}

func assignedBy(a rule.Assigned) wire.AssignedBy {
	by := wire.AssignedBy{BootMode: byText(a.ModeBy), ImageRef: byText(a.ImageBy), TargetSerial: byText(a.DiskBy), NoDisk: orNull(a.NoDisk)}
	if a.First != nil {
		by.First = orNull(a.First.String())
	}
	return by
}

func byText(by rule.By) *string {
	switch by.Origin {
	case rule.Own:
		return orNull("own")
	case rule.Default:
		return orNull("default")
	case rule.ByRule:
		return orNull(fmt.Sprintf("rule/%d", by.Rule))
	}
	return nil
}
