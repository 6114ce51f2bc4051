package ui

import (
	"errors"
	"net/http"
	"net/url"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/web/serve"
)

func (s surface) machinesRoutes(r routes) {
	r.own("GET /ui/machines", s.machines)
	r.own("POST /ui/machines", s.addMachine)
	r.own("GET /ui/machines/{mac}/row", s.machineRow)
}

// machineList is what the URL of the machines page may say.
var machineList = listSpec{
	Path:    "/ui/machines",
	Columns: []string{"mac", "bty_image_ref", "boot_mode", "state", "last_seen_at", "last_seen_ip", "last_flashed_at"},
	Filters: []string{"discovered", "assigned", "flashing", "failed"},
	Search:  "MAC, label, image, address",
}

// row is one machine as a table row shows it.
type row struct {
	fleet.Record
	Image string // its name, "" if none is bound
}

// machinePages is what the machines page shows.
type machinePages struct {
	List  list
	Rows  []row
	Known int // machines, whether the list shows them or not
	Host  string
}

func (s surface) machines(w http.ResponseWriter, r *http.Request) error {
	state := machineList.read(r)
	page, err := s.machinesOf(&state)
	if err != nil {
		return err
	}
	names, err := s.imageNames()
	if err != nil {
		return err
	}
	rows := make([]row, len(page.Records))
	for i, record := range page.Records {
		rows[i] = row{record, names.of(record)}
	}
	return s.show(w, r, view{Page: "machines", Title: "Machines", Section: "machines", Note: outcome(r.URL.Query()),
		Data: machinePages{state, rows, page.All, serve.Host(r)}})
}

// machinesOf asks for the page that the state names, and for the last one if there are fewer.
func (s surface) machinesOf(state *list) (fleet.Page, error) {
	for {
		asked := state.Page
		page, err := s.Fleet.Page(machineQuery(*state))
		if err != nil {
			return page, err
		}
		if state.cut(page.Total); state.Page == asked {
			return page, nil
		}
	}
}

func machineQuery(l list) fleet.Query {
	q := fleet.Query{Text: l.Query, Sort: l.Sort, Desc: l.Desc, Offset: l.from(), Limit: l.PerPage}
	switch l.Filter {
	case "discovered", "assigned":
		q.Assigned = new(l.Filter == "assigned")
	case "flashing":
		q.Phase = machine.Running
	case "failed":
		q.Halted = true
	}
	return q
}

// outcome is what a form on a machine came to; the keys carry its MAC.
func outcome(query url.Values) string {
	for _, o := range []struct{ key, says string }{
		{"saved", " is saved."}, {"deleted", " is forgotten. If it asks again, it is new."}, {"missing", " was not there any more."},
	} {
		if mac, err := machine.ParseMAC(query.Get(o.key)); err == nil {
			return mac.String() + o.says
		}
	}
	return ""
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

func (n imageNames) of(r fleet.Record) string { return n.name(r.Intent.Image) }

func (n imageNames) name(ref catalog.ImageRef) string {
	switch name, known := n[ref]; {
	case ref.IsZero():
		return ""
	case known:
		return name
	}
	return ref.Short() + " (not in the catalog)"
}

// addMachine makes a machine known by its MAC. One that is known already is shown, as it is.
func (s surface) addMachine(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	mac, err := machine.ParseTypedMAC(form.Get("mac"))
	if err != nil {
		return done(w, r, "/ui/machines", "", fault.New(fault.Invalid,
			"%q is no MAC: write it like 52:54:00:12:34:56, 52-54-00-12-34-56, 525400123456 or 5254.0012.3456", form.Get("mac")))
	}
	isNew, err := s.Fleet.Add(r.Context(), mac, fleet.Who{From: s.Client(r)})
	if err != nil {
		return done(w, r, "/ui/machines", "", err)
	}
	return done(w, r, "/ui/machines/"+mac.String(), map[bool]string{true: "added", false: "known"}[isNew], nil)
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
	names, err2 := s.imageNames()
	return row{record, names.of(record)}, errors.Join(err, err2)
}

// machineRow is the fragment that a live page puts in place of the row that changed.
func (s surface) machineRow(w http.ResponseWriter, r *http.Request) error {
	one, err := s.one(r)
	if err != nil {
		return err
	}
	return s.fragment(w, r, "machines", "row", one)
}
