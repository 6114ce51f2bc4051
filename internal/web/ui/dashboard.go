package ui

import (
	"net/http"

	"bty/internal/event"
	"bty/internal/fleet"
)

func (s surface) dashboardRoutes(r routes) {
	r.own("GET /ui/dashboard", s.dashboard)
}

// lastEvents is how many events a page shows of its subject.
const lastEvents = 10

// dashboard is what needs a look, now.
type dashboard struct {
	Total      int
	Working    []fleet.Record // their live environments are at work
	Attention  []fleet.Record // failed or stuck
	Discovered int            // without an image
	Events     []event.Event
}

func (s surface) dashboard(w http.ResponseWriter, r *http.Request) error {
	records, err := s.Fleet.Machines()
	if err != nil {
		return err
	}
	d := dashboard{Total: len(records)}
	for _, m := range records {
		switch {
		case m.Facts.Halted():
			d.Attention = append(d.Attention, m)
		case m.Progress != nil:
			d.Working = append(d.Working, m)
		}
		if m.Intent.Image.IsZero() {
			d.Discovered++
		}
	}
	if d.Events, err = s.Book.Events(event.Filter{Limit: lastEvents}); err != nil {
		return err
	}
	return s.show(w, r, view{Page: "dashboard", Title: "Dashboard", Section: "dashboard", Data: d})
}
