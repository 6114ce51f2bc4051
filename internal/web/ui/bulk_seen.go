package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"

	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
)

// seenField carries which machines a person was shown, from what an action would come to until it is
// carried out.
const seenField = "seen"

// seen stands for some machines in a form: thousands of MACs have no room in one.
func seen(macs []machine.MAC) string {
	sum := sha256.New()
	for _, mac := range macs {
		sum.Write(mac[:])
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// asSeen makes all that the list selects the machines that a person was shown. One that came up since
// must not be flashed or forgotten with them.
func (s surface) asSeen(form url.Values, sel fleet.Selection) (fleet.Selection, error) {
	if sel.Query == nil || !form.Has(seenField) {
		return sel, nil
	}
	macs, err := s.Fleet.Selected(sel)
	if err == nil && seen(macs) != form.Get(seenField) {
		err = fault.New(fault.Rejected, "the list no longer has the machines that you were shown, so nothing was done; look again at what would happen")
	}
	return fleet.Selection{MACs: macs}, err
}
