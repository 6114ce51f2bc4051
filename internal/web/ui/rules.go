package ui

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/rule"
	"bty/internal/web/api"
	"bty/internal/web/body"
)

func (s surface) rulesRoutes(r routes) {
	r.own("GET /ui/rules", s.rules)
	r.own("GET /ui/rules/new", s.newRule)
	r.own("GET /ui/rules/default", s.defaultRule)
	r.own("GET /ui/rules/{id}", s.rule)
	r.own("POST /ui/rules/preview", s.previewRule)
	r.own("POST /ui/rules/apply", s.applyRule)
}

// ruleRow is one rule of the list.
type ruleRow struct {
	rule.Rule
	Place    int
	For      string
	Says     string
	Machines int
	Up, Down string // the order after a move, "" at the end of the list
}

var rulesSaved = map[string]string{
	"create": "The rule is added at the end of the list.", "edit": "The rule is saved.", "delete": "The rule is deleted.",
	"order": "The order is saved.", "default": "The default is saved.",
}

func (s surface) rules(w http.ResponseWriter, r *http.Request) error {
	set, err := s.Fleet.Rules()
	if err != nil {
		return err
	}
	use, err := s.Fleet.RuleUse()
	if err != nil {
		return err
	}
	names, err := s.imageNames()
	if err != nil {
		return err
	}
	rows := make([]ruleRow, len(set.Rules))
	for i, one := range set.Rules {
		rows[i] = ruleRow{Rule: one, Place: i + 1, For: one.Selector.String(), Says: says(one.Assign, names), Machines: use[one.ID],
			Up: moved(set.Rules, i, i-1), Down: moved(set.Rules, i, i+1)}
	}
	def := set.Default
	def.Mode = new(set.DefaultMode())
	return s.show(w, r, view{Page: "rules", Title: "Rules", Section: "rules", Saved: rulesSaved, Data: struct {
		Rows      []ruleRow
		Default   string
		ByDefault int
	}{rows, says(def, names), use[0]}})
}

// moved is the order after one rule changed places with another.
func moved(rules []rule.Rule, from, to int) string {
	if to < 0 || to >= len(rules) {
		return ""
	}
	ids := make([]string, len(rules))
	for i, r := range rules {
		ids[i] = fmt.Sprint(r.ID)
	}
	ids[from], ids[to] = ids[to], ids[from]
	return strings.Join(ids, ",")
}

// says is what a rule says, in words.
func says(a rule.Assignment, names imageNames) string {
	var parts []string
	if a.Mode != nil {
		parts = append(parts, a.Mode.String())
	}
	if !a.Image.IsZero() {
		parts = append(parts, names.name(a.Image))
	}
	if a.Disk != nil {
		parts = append(parts, "on "+a.Disk.String())
	}
	return strings.Join(parts, ", ")
}

// ruleForm is the page of one rule.
type ruleForm struct {
	ID     rule.ID // 0 for a new one and for the default
	Change string
	Values url.Values // as typed, or as stored
	Modes  []choice
	Images []choice
	Picks  []choice
}

func (s surface) newRule(w http.ResponseWriter, r *http.Request) error {
	return s.showRule(w, r, ruleForm{Change: "create", Values: r.URL.Query()}, "")
}

func (s surface) defaultRule(w http.ResponseWriter, r *http.Request) error {
	values := r.URL.Query()
	if !values.Has("change") {
		set, err := s.Fleet.Rules()
		if err != nil {
			return err
		}
		def := set.Default
		def.Mode = new(set.DefaultMode())
		values = assignmentValues(def)
	}
	return s.showRule(w, r, ruleForm{Change: "default", Values: values}, "")
}

func (s surface) rule(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 63)
	if err != nil {
		return fault.New(fault.NotFound, "no rule with id %s", r.PathValue("id"))
	}
	one, err := s.Fleet.Rule(rule.ID(id))
	if err != nil {
		return err
	}
	values := r.URL.Query()
	if !values.Has("change") { // else it comes back from a preview, as it was typed
		values = ruleValues(one)
	}
	return s.showRule(w, r, ruleForm{ID: one.ID, Change: "edit", Values: values}, "")
}

func (s surface) showRule(w http.ResponseWriter, r *http.Request, f ruleForm, problem string) error {
	entries, err := s.Library.Images()
	if err != nil {
		return err
	}
	image, _ := catalog.ParseRef(f.Values.Get("bty_image_ref")) // what is none is chosen nowhere
	f.Images = imageChoices(entries, image)
	f.Images[0].Text = "says nothing"
	f.Modes = []choice{{Text: "says nothing"}}
	for _, m := range machine.Modes {
		f.Modes = append(f.Modes, choice{Value: m.String(), Text: m.String() + " - " + modeHelp[m], Chosen: m.String() == f.Values.Get("boot_mode")})
	}
	f.Picks = []choice{{Text: "says nothing"}, {Value: "only", Text: "the only one"}, {Value: "smallest", Text: "the smallest"}, {Value: "largest", Text: "the largest"}}
	for i := range f.Picks {
		f.Picks[i].Chosen = f.Picks[i].Value == f.Values.Get("target_pick")
	}
	title := map[string]string{"create": "New rule", "default": "Default", "edit": "Rule: " + f.Values.Get("name")}[f.Change]
	v := view{Page: "rule", Title: title, Section: "rules", Data: f, Problem: problem}
	if problem != "" {
		v.Status = http.StatusUnprocessableEntity
	}
	return s.show(w, r, v)
}

// ruleValues is a rule as its form has it.
func ruleValues(r rule.Rule) url.Values {
	v, s := assignmentValues(r.Assign), r.Selector
	for name, value := range map[string]string{"name": r.Name, "labels": strings.Join(s.Labels, ", "), "not_labels": strings.Join(s.NotLabels, ", "),
		"mac_prefix": s.MACPrefix, "vendor": s.Vendor, "product": s.Product, "arch": s.Arch, "disk_min": s.DiskMin, "disk_max": s.DiskMax} {
		v.Set(name, value)
	}
	return v
}

func assignmentValues(a rule.Assignment) url.Values {
	v := url.Values{}
	if a.Mode != nil {
		v.Set("boot_mode", a.Mode.String())
	}
	if !a.Image.IsZero() {
		v.Set("bty_image_ref", a.Image.String())
	}
	if d := a.Disk; d != nil {
		for name, value := range map[string]string{"target_pick": string(d.Pick), "target_transport": d.Transport, "target_model": d.Model, "target_min": d.Min, "target_max": d.Max} {
			v.Set(name, value)
		}
	}
	return v
}

// changeFields is the form as JSON: a field that is blank is absent.
func changeFields(form url.Values) body.Value {
	fields := map[string]any{}
	for _, name := range []string{"change", "name", "mac_prefix", "vendor", "product", "arch", "disk_min", "disk_max", "boot_mode", "bty_image_ref",
		"target_pick", "target_transport", "target_model", "target_min", "target_max"} {
		if v := strings.TrimSpace(form.Get(name)); v != "" {
			fields[name] = v
		}
	}
	for _, name := range []string{"labels", "not_labels"} {
		if labels := labelsOf(form.Get(name)); len(labels) > 0 {
			fields[name] = labels
		}
	}
	if id, err := strconv.ParseFloat(form.Get("id"), 64); err == nil {
		fields["id"] = id
	}
	if ids := form.Get("ids"); ids != "" {
		list := []any{}
		for part := range strings.SplitSeq(ids, ",") {
			id, _ := strconv.ParseFloat(part, 64) // what is none is no rule's
			list = append(list, id)
		}
		fields["ids"] = list
	}
	return body.Of(fields)
}

// readChange reads the form of a change of the rules.
func readChange(w http.ResponseWriter, r *http.Request) (form url.Values, change fleet.Change, err error) {
	if form, err = readForm(w, r); err != nil {
		return form, change, err
	}
	change, err = api.ReadChange(changeFields(form))
	if problems, ok := body.AsProblems(err); ok {
		err = fault.New(fault.Rejected, "%s", problems.Error())
	}
	return form, change, err
}

// previewRule lists the machines whose next boot a change would change, before it is made.
func (s surface) previewRule(w http.ResponseWriter, r *http.Request) error {
	form, change, err := readChange(w, r)
	if form == nil {
		return err
	}
	if err == nil {
		var preview fleet.Preview
		if preview, err = s.Fleet.PreviewRules(change); err == nil {
			return s.showRulePreview(w, r, form, preview)
		}
	}
	return s.backToRule(w, r, form, err)
}

func (s surface) showRulePreview(w http.ResponseWriter, r *http.Request, form url.Values, preview fleet.Preview) error {
	d, err := s.differencesOf(preview)
	if err != nil {
		return err
	}
	kind := form.Get("change")
	page := previewPage{Differences: d, Action: "/ui/rules/apply", Hidden: form, Button: "Save", Cancel: "/ui/rules"}
	switch kind {
	case "delete":
		page.What, page.Button, page.Destroys = "Delete the rule?", "Delete the rule", true
	case "order":
		page.What = "Another order"
	case "default":
		page.What, page.Cancel, page.Back = "Another default", "/ui/rules/default?"+form.Encode(), "Edit again"
	case "edit":
		page.What, page.Cancel, page.Back = "Rule: "+form.Get("name"), "/ui/rules/"+url.PathEscape(form.Get("id"))+"?"+form.Encode(), "Edit again"
	default:
		page.What, page.Cancel, page.Back = "New rule: "+form.Get("name"), "/ui/rules/new?"+form.Encode(), "Edit again"
	}
	return s.showPreview(w, r, "rules", page)
}

// backToRule shows the form again as it was typed, with what is wrong with it.
func (s surface) backToRule(w http.ResponseWriter, r *http.Request, form url.Values, err error) error {
	kind := form.Get("change")
	if fault.KindOf(err) != fault.Rejected || !slices.Contains([]string{"create", "edit", "default"}, kind) {
		return done(w, r, "/ui/rules", "", err)
	}
	id, _ := strconv.ParseUint(form.Get("id"), 10, 63) // 0 for one that is new
	return s.showRule(w, r, ruleForm{ID: rule.ID(id), Change: kind, Values: form}, fault.Public(err))
}

// applyRule carries a change out that was looked at.
func (s surface) applyRule(w http.ResponseWriter, r *http.Request) error {
	form, change, err := readChange(w, r)
	if form == nil {
		return err
	}
	if err == nil {
		_, err = s.Fleet.ChangeRules(r.Context(), change, fleet.Who{From: s.Client(r)})
	}
	if err != nil {
		return s.backToRule(w, r, form, err)
	}
	return done(w, r, "/ui/rules", form.Get("change"), nil)
}
