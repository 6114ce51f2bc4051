package takeover

import (
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"bty/internal/event"
	"bty/internal/fleet"
	"bty/internal/ledger"
	"bty/internal/wire"
)

const maxSource = 200 // characters of the source that an event names

// events has one event for each machine, which says when it was seen last, and one for the whole.
func (p *plan) events(in wire.PreviousState, from netip.Addr, now time.Time) []event.Event {
	source := fmt.Sprintf("%.*s", maxSource, in.Source)
	var list []event.Event
	for _, t := range p.taken {
		list = append(list, fleet.TakenEvent(t.seen, source, t.Intent, from, now))
	}
	outcomes := p.outcomes()
	return append(list, event.Event{
		At: now, Kind: event.StateTaken, SubjectKind: event.Backup, SubjectID: source, Actor: event.Operator, SourceIP: from,
		Summary: fmt.Sprintf("the state of bty %s was taken over from %s: %d machines, %d images", in.MadeBy, source, len(p.taken), len(p.arriving)),
		Details: ledger.Details(struct {
			Source   string         `json:"source"`
			MadeBy   string         `json:"made_by"`
			Conflict string         `json:"conflict"`
			Outcomes map[string]int `json:"outcomes"`
		}{source, in.MadeBy, in.Conflict, outcomes}),
	}.With(slog.Int("machines", len(p.taken)), slog.Int("images", len(p.arriving))))
}
