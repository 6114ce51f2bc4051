package ui

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/web/serve"
)

func (s surface) machinesRoutes(r routes) {
	r.own("GET /ui/machines", s.machines)
	r.own("GET /ui/machines/{mac}/row", s.machineRow)
}

// machineList is what the URL of the machines page may say.
var machineList = listSpec{
	Path:    "/ui/machines",
	Columns: []string{"mac", "image", "boot_mode", "state", "last_seen_at", "last_seen_ip", "last_flashed_at"},
	Filters: []string{"discovered", "assigned", "flashing", "failed"},
	Search:  "MAC, label, image, address",
}

// row is one machine as a table row shows it.
type row struct {
	fleet.Record
	Image string // its name, "" if none is bound
	Host  string
}

func (s surface) machines(w http.ResponseWriter, r *http.Request) error {
	records, err := s.Fleet.Machines()
	if err != nil {
		return err
	}
	names, err := s.imageNames()
	if err != nil {
		return err
	}
	state := machineList.read(r)
	rows := chosen(records, names, state)
	known := len(records)
	sortRows(rows, state)
	from, to := state.cut(len(rows))
	data := struct {
		List  list
		Rows  []row
		Known int
		Host  string
	}{state, rows[from:to], known, serve.Host(r)}
	return s.show(w, r, view{Page: "machines", Title: "Machines", Section: "machines", Data: data,
		Saved: map[string]string{"machine": "Saved.", "deleted": "The machine is forgotten. If it asks again, it is new."}})
}

func chosen(records []fleet.Record, names imageNames, state list) []row {
	query := strings.ToLower(state.Query)
	rows := []row{}
	for _, record := range records {
		if one := (row{Record: record, Image: names.of(record)}); one.passes(state.Filter) && one.contains(query) {
			rows = append(rows, one)
		}
	}
	return rows
}

func (r row) passes(filter string) bool {
	switch filter {
	case "discovered":
		return r.Intent.Image.IsZero()
	case "assigned":
		return !r.Intent.Image.IsZero()
	case "flashing":
		return r.Progress != nil && !r.Facts.Halted()
	case "failed":
		return r.Facts.Halted()
	}
	return true
}

func (r row) contains(query string) bool {
	if query == "" {
		return true
	}
	has := func(text string) bool { return strings.Contains(strings.ToLower(text), query) }
	return has(r.MAC.String()) || has(r.Image) || has(r.Intent.Image.String()) || has(event.Address(r.SeenFrom)) || slices.ContainsFunc(r.Intent.Labels, has)
}

func sortRows(rows []row, state list) {
	compare := map[string]func(a, b row) int{
		"image":           func(a, b row) int { return cmp.Compare(a.Image, b.Image) },
		"boot_mode":       func(a, b row) int { return cmp.Compare(a.Intent.Mode, b.Intent.Mode) },
		"state":           func(a, b row) int { return cmp.Compare(a.State(), b.State()) },
		"last_seen_at":    func(a, b row) int { return a.SeenAt.Compare(b.SeenAt) },
		"last_seen_ip":    func(a, b row) int { return a.SeenFrom.Compare(b.SeenFrom) },
		"last_flashed_at": func(a, b row) int { return a.Facts.FlashedAt.Compare(b.Facts.FlashedAt) },
	}[state.Sort]
	if compare == nil {
		compare = func(row, row) int { return 0 }
	}
	slices.SortStableFunc(rows, func(a, b row) int { // they come in the order of their MACs
		c := cmp.Or(compare(a, b), slices.Compare(a.MAC[:], b.MAC[:]))
		if state.Desc {
			return -c
		}
		return c
	})
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

// typedMAC is the machine that the path names, as people spell MACs.
func typedMAC(r *http.Request) (machine.MAC, error) {
	mac, err := machine.ParseTypedMAC(r.PathValue("mac"))
	if err != nil {
		return mac, fault.New(fault.Invalid, "invalid MAC: '%s'", r.PathValue("mac"))
	}
	return mac, nil
}

func (s surface) one(r *http.Request) (row, error) {
	mac, err := typedMAC(r)
	if err != nil {
		return row{}, err
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
	return s.fragment(w, r, "machines", "row", one)
}
