package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/web/api"
	"bty/internal/web/body"
)

func (s surface) bulkRoutes(r routes) {
	r.own("GET /ui/bulk", s.bulkForm)
	r.own("POST /ui/bulk/preview", s.previewBulk)
	r.own("POST /ui/bulk", s.doBulk)
}

// bulkPage asks what to do with the machines that were selected.
type bulkPage struct {
	Count  int
	Some   []machine.MAC // the first of them
	Hidden url.Values    // the selection
	Values url.Values    // as typed
	Modes  []choice
	Images []choice
	Picks  []choice
	Back   string // the list that it came from
}

const maxSome = 12

// selection is what the machines page sent: ticked machines, or all that its list selects.
func selection(v url.Values) url.Values {
	kept := url.Values{}
	if v.Get("all") == "1" {
		for _, name := range []string{"all", "q", "filter"} {
			if v.Get(name) != "" {
				kept.Set(name, v.Get(name))
			}
		}
		return kept
	}
	if v.Has("mac") {
		kept["mac"] = v["mac"]
	}
	return kept
}

// selected turns it into what the use case takes.
func selected(v url.Values) (fleet.Selection, error) {
	if v.Get("all") == "1" {
		if filter := v.Get("filter"); filter != "" && !slices.Contains(machineList.Filters, filter) {
			return fleet.Selection{}, fault.New(fault.Rejected, "%.40q is no filter of the list of machines; select them there again", filter)
		}
		q := machineQuery(list{Query: v.Get("q"), Filter: v.Get("filter")})
		q.Offset, q.Limit = 0, 0
		return fleet.Selection{Query: &q}, nil
	}
	var sel fleet.Selection
	for _, text := range v["mac"] {
		mac, err := machine.ParseTypedMAC(text)
		if err != nil {
			return sel, fault.New(fault.Rejected, "%q is no MAC", text)
		}
		sel.MACs = append(sel.MACs, mac)
	}
	if len(sel.MACs) == 0 {
		return sel, fault.New(fault.Rejected, "no machine is selected; tick some, or select all that the list has")
	}
	return sel, nil
}

func listOf(v url.Values) string {
	state := list{Spec: machineList, Sort: machineList.Columns[0], Query: v.Get("q"), Filter: v.Get("filter"), Page: 1, PerPage: defaultPageSize}
	return state.URL()
}

func (s surface) bulkForm(w http.ResponseWriter, r *http.Request) error {
	return s.askBulk(w, r, r.URL.Query(), "")
}

func (s surface) askBulk(w http.ResponseWriter, r *http.Request, v url.Values, problem string) error {
	sel, err := selected(v)
	if err != nil {
		return done(w, r, "/ui/machines", "", err)
	}
	macs, err := s.Fleet.Selected(sel)
	if err != nil {
		return done(w, r, listOf(v), "", err)
	}
	entries, err := s.Library.Images()
	if err != nil {
		return err
	}
	page := bulkPage{Count: len(macs), Some: macs[:min(len(macs), maxSome)], Hidden: selection(v), Values: v, Back: listOf(v)}
	page.Images = append([]choice{{Text: "leave as it is"}, {Value: "none", Text: "none: rules may say one"}}, imageChoices(entries, [32]byte{})[1:]...)
	page.Modes = []choice{{Text: "leave as it is"}}
	for _, m := range machine.Modes {
		page.Modes = append(page.Modes, choice{Value: m.String(), Text: m.String() + " - " + modeHelp[m]})
	}
	page.Picks = []choice{{Text: "leave as it is"}, {Value: "only", Text: "the only one"}, {Value: "smallest", Text: "the smallest"}, {Value: "largest", Text: "the largest"}}
	for field, choices := range map[string][]choice{"boot_mode": page.Modes, "bty_image_ref": page.Images, "target_pick": page.Picks} {
		for i := range choices {
			choices[i].Chosen = choices[i].Value == v.Get(field)
		}
	}
	view := view{Page: "bulk", Title: plural(len(macs), "machine", "machines"), Section: "machines", Data: page, Problem: problem}
	if problem != "" {
		view.Status = http.StatusUnprocessableEntity
	}
	return s.show(w, r, view)
}

// actionFields is the form as JSON: a field that is blank is absent. "none" takes an image away.
func actionFields(form url.Values) body.Value {
	fields := map[string]any{"action": form.Get("action"), "query": ""}
	for _, name := range []string{"boot_mode", "bty_image_ref", "target_pick", "target_transport", "target_model", "target_min", "target_max"} {
		if v := strings.TrimSpace(form.Get(name)); v != "" {
			fields[name] = v
		}
	}
	if fields["bty_image_ref"] == "none" {
		fields["bty_image_ref"] = ""
	}
	for _, name := range []string{"add_labels", "remove_labels"} {
		if labels := labelsOf(form.Get(name)); len(labels) > 0 {
			fields[name] = labels
		}
	}
	return body.Of(fields)
}

func readAction(form url.Values) (sel fleet.Selection, action fleet.Action, err error) {
	if sel, err = selected(form); err != nil {
		return sel, action, err
	}
	_, action, err = api.ReadBulk(actionFields(form))
	if problems, ok := body.AsProblems(err); ok {
		err = fault.New(fault.Rejected, "%s", problems.Error())
	}
	return sel, action, err
}

// previewBulk says what an action would come to.
func (s surface) previewBulk(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	sel, action, err := readAction(form)
	var report fleet.BulkReport
	var preview fleet.Preview
	if err == nil {
		report, preview, err = s.Fleet.PreviewBulk(sel, action)
	}
	if fault.KindOf(err) == fault.Rejected {
		return s.askBulk(w, r, form, fault.Public(err))
	}
	if err != nil {
		return err
	}
	d, err := s.differencesOf(preview)
	if err != nil {
		return err
	}
	lines := linesOf(report)
	form.Set(seenField, fleet.Fingerprint(report.MACs()))
	page := previewPage{What: actionTitle(action.Kind, report), Differences: d, Report: &lines, Action: "/ui/bulk", Hidden: form,
		Cancel: "/ui/bulk?" + form.Encode(), Back: "Edit again", Destroys: action.Kind == fleet.ActionDelete}
	if report.Changed > 0 {
		page.Button = "Do it for " + plural(report.Changed, "machine", "machines")
	}
	return s.showPreview(w, r, "machines", page)
}

func actionTitle(kind fleet.ActionKind, r fleet.BulkReport) string {
	n := plural(r.Changed, "machine", "machines")
	switch kind {
	case fleet.ActionArm:
		return "Begin a new cycle of " + n + "?"
	case fleet.ActionDelete:
		return "Forget " + n + "?"
	case fleet.ActionRelease:
		return "Let rules decide for " + n + "?"
	case fleet.ActionSet:
	}
	return "Change " + n + "?"
}

// doBulk acts, and shows what became of each machine.
func (s surface) doBulk(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	sel, action, err := readAction(form)
	var report fleet.BulkReport
	if err == nil {
		report, err = s.Fleet.Bulk(r.Context(), asSeen(form, sel), action, fleet.Who{From: s.Client(r)})
	}
	if kind := fault.KindOf(err); kind == fault.Rejected || kind == fault.Conflict {
		return s.askBulk(w, r, form, fault.Public(err))
	}
	if err != nil {
		return err
	}
	return s.show(w, r, view{Page: "bulk-done", Title: "Done", Section: "machines", Data: bulkDone{report, linesOf(report), listOf(form)}})
}

// bulkDone is what became of the machines.
type bulkDone struct {
	fleet.BulkReport
	Report bulkLines
	Back   string
}

// bulkLines is a report, those that were refused first.
type bulkLines struct {
	Lines []fleet.Done
	More  int
}

const maxLines = 500

func linesOf(r fleet.BulkReport) (b bulkLines) {
	for _, refused := range []bool{true, false} {
		for _, d := range r.Machines {
			if d.Refused == refused {
				b.Lines = append(b.Lines, d)
			}
		}
	}
	b.More = max(0, len(b.Lines)-maxLines)
	b.Lines = b.Lines[:len(b.Lines)-b.More]
	return b
}
