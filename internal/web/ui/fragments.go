package ui

import (
	"bytes"
	"context"

	"bty/internal/catalog"
	"bty/internal/fleet"
	"bty/internal/web/live"
)

// firstRows is how many rows a fragment shows: never the whole fleet.
const firstRows = 25

// Fragments returns what renders the parts of the pages that GET /events/machines sends: the first
// rows of the machines, and the dashboard's figures. Pages of ours use the one live stream.
func Fragments(c Config) func(context.Context) ([]live.Fragment, error) {
	return newSurface(c).fragments
}

func (s surface) fragments(context.Context) ([]live.Fragment, error) {
	page, err := s.Fleet.Page(fleet.Query{Limit: firstRows})
	if err != nil {
		return nil, err
	}
	images, err := s.Library.Images()
	if err != nil {
		return nil, err
	}
	names := imageNames{}
	for _, e := range images {
		names[e.Ref] = e.Name
	}
	var rows bytes.Buffer
	for _, record := range page.Records {
		if err := s.pages["machines"]().ExecuteTemplate(&rows, "row", row{Record: record, Image: names.of(record)}); err != nil {
			return nil, err
		}
	}
	machineCard, err := s.part("dashboard-machine", page)
	if err != nil {
		return nil, err
	}
	imageCard, err := s.part("dashboard-images", struct {
		Images []catalog.Entry
		Total  int
	}{images[:min(len(images), firstRows)], len(images)})
	return []live.Fragment{{Name: "machines-update", HTML: rows.String()}, machineCard, imageCard}, err
}

// part renders one of pages/fragments.html.
func (s surface) part(name string, data any) (live.Fragment, error) {
	var b bytes.Buffer
	err := s.pages["fragments"]().ExecuteTemplate(&b, name, data)
	return live.Fragment{Name: name, HTML: b.String()}, err
}
