package boot

import "bty/internal/catalog"

// Chooser is who decided a choice.
type Chooser string

const (
	ByMachine Chooser = "machine" // it was set for the machine itself
	ByImage   Chooser = "image"   // the machine says nothing, its image does
	BySetting Chooser = "setting" // neither does: what is set for all counts
)

// Chosen is a choice that was made, and by whom.
type Chosen struct {
	Is bool
	By Chooser
}

// choose has the machine go before its image, and its image before the setting for all: who knows one
// machine knows its disks, who knows an image knows what that does by itself.
func choose(own, image catalog.Choice, setting bool) Chosen {
	switch {
	case own.Said():
		return Chosen{own.Or(setting), ByMachine}
	case image.Said():
		return Chosen{image.Or(setting), ByImage}
	}
	return Chosen{setting, BySetting}
}

// chosen makes the choices of an offer about what is written beside the image. Without one, that is
// because a person chooses it.
func (o *Offer) chosen(image *catalog.Entry, know Knowledge) {
	if image == nil {
		image = &catalog.Entry{}
	}
	i := o.Machine.Intent
	o.Grow, o.Verify = choose(i.Grow, image.Grow, know.Grow), choose(i.Verify, image.Verify, know.Verify)
}
