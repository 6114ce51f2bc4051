package ui

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/library"
)

func (s surface) imagesRoutes(r routes) {
	r.own("GET /ui/images", s.images)
	r.own("GET /ui/images/add", s.imagesAdd)
	r.own("GET /ui/images/{ref}", s.image)
	r.own("POST /ui/images/{ref}", s.changeImage)
	r.own("POST /ui/images/{ref}/check", s.checkImage)
	r.own("GET /ui/images/{ref}/delete", s.askDeleteImage)
	r.own("POST /ui/images/{ref}/delete", s.deleteImage)
	s.catalogRoutes(r)
}

// imageList is what the URL of the images page may say.
var imageList = listSpec{
	Path:    "/ui/images",
	Columns: []string{"name", "digest", "format", "arch", "size", "source", "machines", "added"},
	Filters: []string{"bound", "unbound", "unproven"},
	Search:  "name, source, format, digest",
}

// imageRow is one image as a table row shows it.
type imageRow struct {
	catalog.Entry
	library.Users
}

// Digests are shown short; whoever compares them copies the whole.
func (i imageRow) Short() string { return i.Digest.String()[:12] }

// MachinesAt is the list of the machines that are bound to it.
func (i imageRow) MachinesAt() string { return "/ui/machines?q=" + i.Ref.String() }

// IsORAS reports whether a registry has it.
func (i imageRow) IsORAS() bool { return catalog.Scheme(i.Src) == "oras" }

// imageLine is an image beside a cache, or beside none.
type imageLine struct {
	imageRow
	cache bool
}

// CanWarm reports whether the cache can be told to fetch it.
func (i imageLine) CanWarm() bool { _, ok := library.CacheSource(i.Entry); return ok && i.cache }

// imageSaved says what the keys of ?saved= mean on the pages of images.
var imageSaved = map[string]string{
	"added": "The image is in the catalog.", "changed": "Saved.", "same": "The origin still has the same bytes.",
	"moved": "The image now is what its source leads to today.", "deleted": "The image is deleted. It stays so until somebody adds or imports it again.",
	"warm": "The image cache has been told to fetch it.", "kept": "It is kept in the image cache.", "unkept": "It may give way to others in the image cache.",
	"uncached": "It is no longer in the image cache.",
}

func (s surface) images(w http.ResponseWriter, r *http.Request) error {
	entries, users, err := s.Library.Listing()
	if err != nil {
		return err
	}
	report, err := s.importReport(r)
	if err != nil {
		return err
	}
	state := imageList.read(r)
	rows := []imageRow{}
	for _, e := range entries {
		if row := (imageRow{e, users[e.Ref]}); row.passes(state.Filter) && row.contains(strings.ToLower(state.Query)) {
			rows = append(rows, row)
		}
	}
	sortImages(rows, state)
	from, to := state.cut(len(rows))
	events, err := s.catalogEvents(nil)
	if err != nil {
		return err
	}
	panel, err := s.cachePanel(r)
	if err != nil {
		return err
	}
	data := struct {
		List   list
		Rows   []imageRow
		Report *library.Report
		Events []event.Event
		Cache  cachePanel
	}{state, rows[from:to], report, events, panel}
	return s.show(w, r, view{Page: "images", Title: "Images", Section: "images", Data: data, Saved: imageSaved})
}

func (i imageRow) passes(filter string) bool {
	switch filter {
	case "bound":
		return i.Any()
	case "unbound":
		return !i.Any()
	case "unproven":
		return i.Digest.IsZero()
	}
	return true
}

func (i imageRow) contains(query string) bool {
	fields := []string{i.Name, i.Src, string(i.Format), i.Arch, i.Description, i.Ref.String()}
	if !i.Digest.IsZero() {
		fields = append(fields, i.Digest.String())
	}
	return query == "" || slices.ContainsFunc(fields, func(text string) bool { return strings.Contains(strings.ToLower(text), query) })
}

// sortImages puts what is not known last, as people expect of a gap.
func sortImages(rows []imageRow, state list) {
	slices.SortStableFunc(rows, func(a, b imageRow) int {
		c := compareImages(a, b, state.Sort)
		if state.Desc {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Src, b.Src))
	})
}

func compareImages(a, b imageRow, column string) int {
	switch column {
	case "digest":
		return gapsLast(orEmpty(a.Digest), orEmpty(b.Digest))
	case "format":
		return gapsLast(string(a.Format), string(b.Format))
	case "arch":
		return gapsLast(a.Arch, b.Arch)
	case "size":
		return gapsLast(a.Size, b.Size)
	case "source":
		return cmp.Compare(a.Src, b.Src)
	case "machines":
		return cmp.Or(cmp.Compare(len(a.Machines), len(b.Machines)), cmp.Compare(len(a.Rules), len(b.Rules)))
	case "added":
		return a.AddedAt.Compare(b.AddedAt)
	}
	return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
}

func gapsLast[T cmp.Ordered](a, b T) int {
	var gap T
	if (a == gap) != (b == gap) {
		return map[bool]int{true: 1, false: -1}[a == gap]
	}
	return cmp.Compare(a, b)
}

func orEmpty(d catalog.Digest) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

// importReport is the report that ?import= asks for: the event of an import carries it.
func (s surface) importReport(r *http.Request) (*library.Report, error) {
	id, err := strconv.ParseUint(r.URL.Query().Get("import"), 10, 63)
	if err != nil || id == 0 {
		return nil, nil
	}
	kind := event.EntriesImported
	found, err := s.Book.Events(event.Filter{Kind: &kind, Before: event.ID(id) + 1, Limit: 1})
	if err != nil || len(found) == 0 || found[0].ID != event.ID(id) {
		return nil, err
	}
	var report library.Report
	if err := json.Unmarshal(found[0].Details, &report); err != nil {
		return nil, nil // of a release that wrote it otherwise
	}
	return &report, nil
}

// catalogEvents are the last events of one source, or of the whole catalog.
func (s surface) catalogEvents(src *string) ([]event.Event, error) {
	subject := event.Catalog
	return s.Book.Events(event.Filter{SubjectKind: &subject, SubjectID: src, Limit: lastEvents})
}
