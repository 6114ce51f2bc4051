package ui

import (
	"net/url"

	"bty/internal/fleet"
)

// seenField carries the fingerprint of the machines that a person was shown, from what an action would
// come to until it is carried out.
const seenField = "seen"

// asSeen makes all that the list selects the machines that a person was shown. One that came up since
// must not be flashed or forgotten with them.
func asSeen(form url.Values, sel fleet.Selection) fleet.Selection {
	if sel.Query != nil && form.Has(seenField) {
		sel.Fingerprint = form.Get(seenField)
	}
	return sel
}
