package fleet

import (
	"encoding/json"

	"bty/internal/boot"
	"bty/internal/catalog"
	"bty/internal/wire"
)

// served is what the event of a contact carries: the offer in the words of the wire.
type served struct {
	BootMode  string    `json:"boot_mode"`
	Offer     string    `json:"offer,omitempty"` // scripts
	Plan      string    `json:"plan,omitempty"`  // plans
	OfferKind string    `json:"offer_kind"`
	Rule      boot.Rule `json:"rule"`
	Reason    string    `json:"reason,omitempty"`

	ImageRef  string `json:"bty_image_ref,omitempty"`
	ImageName string `json:"image_name,omitempty"`
	Serial    string `json:"target_disk_serial,omitempty"`
	Drive     string `json:"sanboot_drive,omitempty"`

	AfterFlash     bool `json:"sanboot_after_flash,omitempty"`
	AfterInventory bool `json:"after_inventory,omitempty"`
	RetryNoDone    bool `json:"retry_after_armed_no_done,omitempty"`
	RetryNoPost    bool `json:"retry_after_armed_no_post,omitempty"`

	Withcache *cacheUse `json:"withcache,omitempty"`

	Trace json.RawMessage `json:"trace"` // why: the inputs, and the rules that were asked
}

// cacheUse says where a flash plan sends the machine for its bytes.
type cacheUse struct {
	Configured bool   `json:"configured"`
	Hit        *bool  `json:"hit"`
	ServedFrom string `json:"served_from"`
}

func useOf(c catalog.Cached) *cacheUse {
	use := &cacheUse{Configured: c.Configured, ServedFrom: "origin"}
	if c.Configured {
		use.Hit = &c.Hit
	}
	if c.Hit {
		use.ServedFrom = "withcache"
	}
	return use
}

// offerDetails describes a script.
func offerDetails(o boot.Offer) served {
	mode := o.Machine.Intent.Mode.String()
	s := served{BootMode: mode, Rule: o.Rule, Offer: mode, OfferKind: mode, Trace: o.Trace()}
	switch o.Rule {
	case boot.RuleNoImage:
		s.Offer, s.OfferKind = "unknown", "unknown"
	case boot.RuleOrphanRef:
		return s.fallback(o, "orphan_ref")
	case boot.RuleNoTargetDisk:
		return s.fallback(o, "no_target_disk")
	case boot.RuleExit:
		s.disk(o)
	case boot.RuleFlashDone:
		s.disk(o)
		s.OfferKind, s.AfterFlash = mode+"-sanboot", true
	case boot.RuleInventoryDone:
		s.disk(o)
		s.OfferKind, s.AfterInventory = mode+"-sanboot", true
	case boot.RuleFailed, boot.RuleStuck, boot.RuleNoLiveFiles:
		s.disk(o)
		s.OfferKind, s.Reason = mode+"-"+string(o.Rule), o.Rule.Because()
	case boot.RuleFlash, boot.RuleFlashRetry:
		s.ImageRef, s.ImageName = o.Image.Ref.String(), o.Image.Name
		s.Serial, s.RetryNoDone = o.Machine.Intent.TargetSerial, o.Retry()
	case boot.RuleInventory, boot.RuleInventoryRetry:
		s.RetryNoPost = o.Retry()
	case boot.RuleWizard:
	}
	return s
}

func (s *served) disk(o boot.Offer) { s.Offer, s.Drive = "sanboot", o.Drive() }

func (s served) fallback(o boot.Offer, reason string) served {
	s.Offer, s.OfferKind, s.Reason = "exit-fallback", "exit-fallback", reason
	s.ImageRef = o.Machine.Intent.Image.String()
	return s
}

// PlanMode is the mode of the plan that an offer to a live environment becomes.
func PlanMode(o boot.Offer) string {
	switch o.Action {
	case boot.Flash:
		return wire.PlanFlash
	case boot.Report:
		return wire.PlanInventory
	case boot.Wizard:
		return wire.PlanInteractive
	default:
		return wire.PlanExit
	}
}

// planDetails describes a plan.
func planDetails(o boot.Offer) served {
	mode := o.Machine.Intent.Mode.String()
	s := served{BootMode: mode, Rule: o.Rule, Plan: PlanMode(o), Trace: o.Trace()}
	switch o.Rule {
	case boot.RuleFlash, boot.RuleFlashRetry:
		s.OfferKind, s.Withcache = "plan:flash:"+mode, useOf(o.Cache)
		s.ImageRef, s.ImageName, s.Serial = o.Image.Ref.String(), o.Image.Name, o.Machine.Intent.TargetSerial
	case boot.RuleOrphanRef, boot.RuleNoTargetDisk:
		s.OfferKind = "plan:interactive:flash-unresolved"
	case boot.RuleWizard:
		s.OfferKind = "plan:interactive:tui"
	case boot.RuleInventory, boot.RuleInventoryRetry:
		s.OfferKind = "plan:inventory"
	case boot.RuleFailed, boot.RuleStuck, boot.RuleFlashDone:
		s.OfferKind, s.Reason = "plan:exit:"+mode, o.Rule.Because()
	default:
		s.OfferKind = "plan:exit:" + mode
	}
	return s
}

// OfferKind is how events name an offer.
func OfferKind(o boot.Offer) string {
	if o.Asker == boot.Live {
		return planDetails(o).OfferKind
	}
	return offerDetails(o).OfferKind
}
