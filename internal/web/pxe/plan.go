package pxe

import (
	"net/http"

	"bty/internal/boot"
	"bty/internal/fleet"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

func (c Config) plan(w http.ResponseWriter, r *http.Request) error {
	mac, err := pathMAC(r)
	if err != nil {
		return err
	}
	offer, err := c.Fleet.Contact(r.Context(), fleet.Contact{MAC: mac, Asker: boot.Live, From: c.Client(r), Host: serve.Host(r)})
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, Plan(offer, serve.Host(r)))
	return nil
}

// Plan is an offer to a live environment as JSON.
func Plan(offer boot.Offer, host string) wire.Plan {
	plan := wire.Plan{Mode: fleet.PlanMode(offer)}
	if offer.Asker == boot.Live {
		plan.Verify, plan.Grow = offer.Verify.Is, offer.Grow.Is
	}
	switch offer.Action {
	case boot.Flash:
		image := offer.Image
		plan.Image, plan.Name, plan.Format = offer.ImageURL(), image.Name, string(image.Format)
		plan.TargetDiskSerial = offer.Machine.Intent.TargetSerial
		if !image.Digest.IsZero() { // without one, the image may have been rebuilt since its size was asked
			plan.DiskImageSHA, plan.SizeBytes = image.Digest.String(), image.Size
		}
	case boot.Wizard:
		plan.VerifySet, plan.GrowSet = offer.Verify.By == boot.ByMachine, offer.Grow.By == boot.ByMachine
		plan.Catalog = "http://" + host + "/catalog.toml"
	case boot.Leave:
		plan.Reason = offer.Rule.Because()
	}
	return plan
}
