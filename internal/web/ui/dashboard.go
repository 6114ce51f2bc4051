package ui

import (
	"net/http"

	"bty/internal/event"
	"bty/internal/fleet"
	"bty/internal/health"
	"bty/internal/web/serve"
)

func (s surface) dashboardRoutes(r routes) {
	r.own("GET /ui/dashboard", s.dashboard)
}

const (
	lastEvents = 10 // that a page shows of its subject
	fewRows    = 6  // machines that the dashboard lists of a kind
)

// dashboard is what needs a look, now.
type dashboard struct {
	fleet.Overview
	Health []health.Finding
	Events []event.Event
	Alarms int // failures that were not acknowledged
	Host   string
}

// Well is how many of the findings are good.
func (d dashboard) Well() (n int) {
	for _, f := range d.Health {
		if f.Level == health.OK {
			n++
		}
	}
	return n
}

func (s surface) dashboard(w http.ResponseWriter, r *http.Request) error {
	overview, err := s.Fleet.Overview(fewRows)
	if err != nil {
		return err
	}
	events, err := s.Book.Events(event.Filter{Limit: lastEvents})
	if err != nil {
		return err
	}
	alarms, err := s.Book.Alarms()
	if err != nil {
		return err
	}
	return s.show(w, r, view{Page: "dashboard", Title: "Dashboard", Section: "dashboard",
		Data: dashboard{overview, s.Health(), events, alarms, serve.Host(r)}})
}
