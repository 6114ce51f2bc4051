package ui

import (
	"encoding/json"
	"fmt"
	"time"

	"bty/internal/boot"
	"bty/internal/fleet"
	"bty/internal/ipxe"
	"bty/internal/rule"
	"bty/internal/web/api"
	"bty/internal/web/pxe"
	"bty/internal/wire"
)

// explained is what the page of a machine says of its next boot.
type explained struct {
	Because, Then     string
	Mode, Image, Disk decided
	Grow, Verify      decided // of what is flashed, if anything is
	NoDisk, First     string
	Verdicts          []wire.Verdict
	MoreRules         int // that the page leaves out
	Script, Plan      string
}

// decided is a part of what a machine is to do, and who decided it.
type decided struct {
	Text, Name string
	Rule       rule.ID // 0 if it was none
}

// explain asks for both who may ask. Nothing is changed by it.
func (s surface) explain(one row, host string) (*explained, error) {
	firmware, err := s.Fleet.Explain(fleet.Contact{MAC: one.MAC, Asker: boot.Firmware})
	if err != nil {
		return nil, err
	}
	live, err := s.Fleet.Explain(fleet.Contact{MAC: one.MAC, Asker: boot.Live})
	if err != nil {
		return nil, err
	}
	plan, err := json.MarshalIndent(pxe.Plan(live.Offer, host), "", "  ")
	if err != nil {
		return nil, err
	}
	a := firmware.Offer.Assigned
	rules := api.Explanation(firmware, host).Rules
	shown := worthShowing(rules)
	e := &explained{MoreRules: len(rules) - len(shown), Because: firmware.Offer.Rule.Because(), Then: firmware.Then, NoDisk: a.NoDisk,
		Verdicts: shown, Script: string(ipxe.Render(firmware.Offer, host)), Plan: string(plan)}
	e.Mode = decidedBy(a.Mode.String(), a.ModeBy, firmware.Rules)
	if a.ImageBy.Origin != rule.Nobody {
		e.Image = decidedBy(one.Image, a.ImageBy, firmware.Rules)
	}
	if a.Serial != "" {
		e.Disk = decidedBy(a.Serial, a.DiskBy, firmware.Rules)
	}
	e.Grow = chosen(live.Offer.Grow, "left as the image has it", "grown to the end of the disk")
	e.Verify = chosen(live.Offer.Verify, "no", "before the flash counts as done")
	if a.First != nil {
		e.First = a.First.String()
	}
	return e, nil
}

// choosers says who decided a choice.
var choosers = map[boot.Chooser]string{boot.ByMachine: "set for this machine", boot.ByImage: "set for its image", boot.BySetting: "the setting for all"}

// chosen is a choice in words, nothing where there is none to make.
func chosen(c boot.Chosen, no, yes string) decided {
	by, ok := choosers[c.By]
	switch {
	case !ok:
		return decided{}
	case c.Is:
		return decided{Text: yes, Name: by}
	}
	return decided{Text: no, Name: by}
}

// maxVerdicts is how many rules that do not match the page of a machine lists.
const maxVerdicts = 50

// worthShowing is the rules that match, and the first of the others.
func worthShowing(all []wire.Verdict) (shown []wire.Verdict) {
	others := 0
	for _, v := range all {
		if !v.Matches {
			others++
		}
		if v.Matches || others <= maxVerdicts {
			shown = append(shown, v)
		}
	}
	return shown
}

func decidedBy(text string, by rule.By, rules *rule.Set) decided {
	switch by.Origin {
	case rule.Own:
		return decided{Text: text, Name: "set for this machine"}
	case rule.ByRule:
		r, _ := rules.Get(by.Rule)
		return decided{text, r.Name, by.Rule}
	case rule.Default:
		return decided{Text: text, Name: "the default: nobody and no rule says otherwise"}
	}
	return decided{Text: text, Name: "nobody decided it"}
}

// took says how long a step took.
func took(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return "less than 0.1 s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 10*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return d.Round(time.Minute).String()
}
