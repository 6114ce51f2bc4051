package ui

import (
	"net/http"

	"bty/internal/event"
	"bty/internal/fleet"
)

func (s surface) machineRoutes(r routes) {
	r.own("GET /ui/machines/{mac}", s.machine)
	r.own("POST /ui/machines/{mac}/arm", s.arm)
}

func (s surface) machine(w http.ResponseWriter, r *http.Request) error {
	one, err := s.one(r)
	if err != nil {
		return err
	}
	subject, id := event.Machine, one.MAC.String()
	events, err := s.Book.Events(event.Filter{SubjectKind: &subject, SubjectID: &id, Limit: lastEvents})
	if err != nil {
		return err
	}
	data := struct {
		row
		Events []event.Event
	}{one, events}
	return s.show(w, r, view{Page: "machine", Title: one.MAC.String(), Section: "machines", Data: data,
		Saved: map[string]string{"armed": "Armed: its next boot begins a new cycle."}})
}

func (s surface) arm(w http.ResponseWriter, r *http.Request) error {
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	_, err = s.Fleet.Arm(r.Context(), mac, fleet.Who{From: s.Client(r)})
	return done(w, r, "/ui/machines/"+mac.String(), "armed", err)
}
