package backup

import (
	"slices"

	"bty/internal/event"
	"bty/internal/settings"
	"bty/internal/store"
	"bty/internal/token"
)

// shutOut is who may not come in any more. A restore lets nobody in again who was shut out since
// the backup was made.
type shutOut struct {
	epoch   string        // of the sessions; "" if nobody was ever signed out
	revoked []event.Event // of tokens, oldest first
}

// readShutOut reads it from a state.
func readShutOut(tx *store.Tx) (shutOut, error) {
	stored, err := tx.Settings()
	if err != nil {
		return shutOut{}, err
	}
	kind := event.TokenRevoked
	revoked, err := tx.Events(event.Filter{Kind: &kind})
	slices.Reverse(revoked)
	return shutOut{stored[string(settings.SessionEpoch)], revoked}, err
}

// keep makes it so in another state. What tells of a revocation goes with it, so that the next
// restore knows of it as well.
func (s shutOut) keep(tx *store.Tx) error {
	if s.epoch != "" {
		if err := tx.PutSetting(string(settings.SessionEpoch), s.epoch); err != nil {
			return err
		}
	}
	known, err := readShutOut(tx)
	if err != nil {
		return err
	}
	for _, e := range s.revoked {
		isKnown := slices.ContainsFunc(known.revoked, func(k event.Event) bool { return k.SubjectID == e.SubjectID })
		if isKnown {
			continue
		}
		if err := tx.DeleteToken(token.ID(e.SubjectID)); err != nil { // one that is not there is no error
			return err
		}
		if err := tx.AppendEvent(&e); err != nil {
			return err
		}
	}
	return nil
}
