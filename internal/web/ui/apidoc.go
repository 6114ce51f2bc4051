package ui

import (
	"net/http"
	"strings"

	"bty/internal/fault"
	"bty/internal/web/openapi"
	"bty/internal/web/serve"
)

func (s surface) apiRoutes(r routes) {
	r.own("GET /ui/api", s.apiPage)
	r.own("GET /ui/api/{operation}", s.apiRoutePage)
}

// apiPage lists the routes for people; programs read /openapi.json, which is made of the same.
func (s surface) apiPage(w http.ResponseWriter, r *http.Request) error {
	var data struct {
		Groups []openapi.Group
		Query  string
	}
	data.Query = strings.TrimSpace(r.URL.Query().Get("q"))
	data.Groups = narrow(openapi.NewGuide(base(r), s.Operations()).Groups, data.Query)
	return s.show(w, r, view{Page: "api", Title: "API", Section: "account", Data: data})
}

func base(r *http.Request) string { return "http://" + serve.Host(r) }

// apiRoutePage is one route with all that its body and answers are made of.
func (s surface) apiRoutePage(w http.ResponseWriter, r *http.Request) error {
	guide := openapi.NewGuide(base(r), s.Operations())
	entry, found := guide.Entry(r.PathValue("operation"))
	if !found {
		return fault.New(fault.NotFound, "no route has the ID %.64q; the API page lists all", r.PathValue("operation"))
	}
	data := struct {
		openapi.Entry
		Schemas []openapi.Shape
	}{entry, guide.Schemas(entry)}
	return s.show(w, r, view{Page: "api-route", Title: entry.Method + " " + entry.Path, Section: "account", Data: data})
}

// narrow keeps the entries that a search is for.
func narrow(groups []openapi.Group, query string) (kept []openapi.Group) {
	query = strings.ToLower(query)
	for _, g := range groups {
		var entries []openapi.Entry
		for _, e := range g.Entries {
			if strings.Contains(strings.ToLower(e.Method+" "+e.Path+" "+e.Summary+" "+g.Tag), query) {
				entries = append(entries, e)
			}
		}
		if len(entries) > 0 {
			kept = append(kept, openapi.Group{Tag: g.Tag, Entries: entries})
		}
	}
	return kept
}
