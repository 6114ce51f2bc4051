package ui

import (
	"fmt"
	"html/template"
	"net/http"
	"time"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/web/serve"
)

// row is one machine as a table row shows it.
type row struct {
	fleet.Record
	Image string
	Host  string
}

// timelineLength is how many events the page of a machine shows.
const timelineLength = 100

func (s surface) machines(w http.ResponseWriter, r *http.Request) error {
	records, err := s.Fleet.Machines()
	if err != nil {
		return err
	}
	names, err := s.imageNames()
	if err != nil {
		return err
	}
	rows := make([]row, len(records))
	for i, record := range records {
		rows[i] = row{Record: record, Image: names.of(record)}
	}
	data := struct {
		Rows []row
		Host string
	}{rows, serve.Host(r)}
	return s.render(w, r, "machines.html", "Machines", data, r.URL.Query().Get("error"))
}

type imageNames map[catalog.ImageRef]string

func (s surface) imageNames() (imageNames, error) {
	entries, err := s.Library.Images()
	names := imageNames{}
	for _, e := range entries {
		names[e.Ref] = e.Name
	}
	return names, err
}

func (n imageNames) of(r fleet.Record) string {
	switch name, known := n[r.Intent.Image]; {
	case r.Intent.Image.IsZero():
		return ""
	case known:
		return name
	}
	return r.Intent.Image.Short() + " (not in the catalog)"
}

func (s surface) one(r *http.Request) (row, error) {
	mac, err := machine.ParseTypedMAC(r.PathValue("mac"))
	if err != nil {
		return row{}, fault.New(fault.Invalid, "invalid MAC: '%s'", r.PathValue("mac"))
	}
	record, err := s.Fleet.Machine(mac)
	if err != nil {
		return row{}, err
	}
	names, err := s.imageNames()
	return row{Record: record, Image: names.of(record), Host: serve.Host(r)}, err
}

// machineRow is the fragment that a live page puts in place of the row that changed.
func (s surface) machineRow(w http.ResponseWriter, r *http.Request) error {
	one, err := s.one(r)
	if err != nil {
		return err
	}
	return s.render(w, r, "row.html", "", one, "")
}

func (s surface) machine(w http.ResponseWriter, r *http.Request) error {
	one, err := s.one(r)
	if err != nil {
		return err
	}
	subject, id := event.Machine, one.MAC.String()
	events, err := s.Book.Events(event.Filter{SubjectKind: &subject, SubjectID: &id, Limit: timelineLength})
	if err != nil {
		return err
	}
	data := struct {
		row
		Events []event.Event
	}{one, events}
	return s.render(w, r, "machine.html", one.MAC.String(), data, r.URL.Query().Get("error"))
}

func (s surface) arm(w http.ResponseWriter, r *http.Request) error {
	mac, err := machine.ParseTypedMAC(r.PathValue("mac"))
	if err != nil {
		return fault.New(fault.Invalid, "invalid MAC: '%s'", r.PathValue("mac"))
	}
	_, err = s.Fleet.Arm(r.Context(), mac, fleet.Who{From: s.Client(r)})
	return back(w, r, "/ui/machines/"+mac.String(), err)
}

// functions are what the pages call to show values.
var functions = template.FuncMap{
	"stamp":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"percent": func(p *fleet.Progress) int64 { return int64(min(100, 100*float64(p.Bytes)/float64(max(1, p.Total)))) },
	"size":    size,
}

// size shows bytes in decimal units, as disks are sold.
func size(n any) string {
	var bytes float64
	switch n := n.(type) {
	case int64:
		bytes = float64(n)
	case float64:
		bytes = n
	}
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if bytes < 1000 {
			return fmt.Sprintf("%.4g %s", bytes, unit)
		}
		bytes /= 1000
	}
	return fmt.Sprintf("%.4g TB", bytes)
}
