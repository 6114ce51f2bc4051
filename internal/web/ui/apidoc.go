package ui

import (
	"net/http"
	"strings"

	"bty/internal/web/openapi"
	"bty/internal/web/serve"
)

func (s surface) apiRoutes(r routes) {
	r.own("GET /ui/api", s.apiPage)
}

// apiPage lets people browse the routes; programs read /openapi.json, which is made of the same.
func (s surface) apiPage(w http.ResponseWriter, r *http.Request) error {
	base := "http://" + serve.Host(r)
	guide := openapi.NewGuide(base, s.Operations)
	data := struct {
		openapi.Guide
		Base, Query string
		Found       int
	}{Guide: guide, Base: base, Query: strings.TrimSpace(r.URL.Query().Get("q"))}
	data.Groups, data.Found = narrow(guide.Groups, data.Query)
	return s.show(w, r, view{Page: "api", Title: "API", Section: "account", Data: data})
}

// narrow keeps the entries that a search is for.
func narrow(groups []openapi.Group, query string) (kept []openapi.Group, found int) {
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
			found += len(entries)
		}
	}
	return kept, found
}
