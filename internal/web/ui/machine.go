package ui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/hardware"
	"bty/internal/machine"
	"bty/internal/web/api"
	"bty/internal/web/body"
	"bty/internal/web/serve"
)

func (s surface) machineRoutes(r routes) {
	r.own("GET /ui/machines/{mac}", s.machine)
	r.own("POST /ui/machines/{mac}", s.saveMachine)
	r.own("POST /ui/machines/{mac}/preview", s.previewMachine)
	r.own("POST /ui/machines/{mac}/arm", s.arm)
	r.own("GET /ui/machines/{mac}/delete", s.askDelete)
	r.own("POST /ui/machines/{mac}/delete", s.deleteMachine)
}

// machinePage is what the page of one machine shows.
type machinePage struct {
	row
	Images  []choice
	Disks   []choice
	Modes   []choice
	Summary *hardware.Summary // nil if it never reported a hardware tree
	Events  []event.Event

	Explain  *explained
	Timeline fleet.Timeline
	Log      machineLog
}

// machineSaved is what the forms on the page of a machine come to.
var machineSaved = map[string]string{
	"added": "The machine is added. It boots its own disk until you assign something else.",
	"known": "This machine is known already; nothing was changed.",
	"armed": "Armed: its next boot begins a new cycle.",
}

func (s surface) machine(w http.ResponseWriter, r *http.Request) error {
	one, err := s.one(r)
	if err != nil {
		return err
	}
	page := machinePage{row: one, Modes: modeChoices(one.Own), Disks: diskChoices(one.Record)}
	entries, err := s.Library.Images()
	if err != nil {
		return err
	}
	page.Images = imageChoices(entries, one.Own.Image)
	tree, err := s.Fleet.Tree(one.MAC)
	if err != nil {
		return err
	}
	page.Summary = summaryOf(tree)
	subject, id := event.Machine, one.MAC.String()
	if page.Events, err = s.Book.Events(event.Filter{SubjectKind: &subject, SubjectID: &id, Limit: lastEvents}); err != nil {
		return err
	}
	if page.Explain, err = s.explain(one, serve.Host(r)); err != nil {
		return err
	}
	if page.Timeline, err = s.Fleet.Timeline(one.MAC); err != nil {
		return err
	}
	if page.Log, err = s.logOf(one.MAC); err != nil {
		return err
	}
	return s.show(w, r, view{Page: "machine", Title: one.MAC.String(), Section: "machines", Data: page, Saved: machineSaved})
}

func summaryOf(tree json.RawMessage) *hardware.Summary {
	if summary, ok := hardware.Summarise(tree); ok {
		return &summary
	}
	return nil
}

// saveMachine takes the assignment form. It is read as the JSON of PUT that says the same.
func (s surface) saveMachine(w http.ResponseWriter, r *http.Request) error {
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	here := "/ui/machines/" + mac.String()
	want, err := s.typedIntent(mac, form)
	if err == nil {
		_, err = s.Fleet.Save(r.Context(), mac, want, fleet.Who{From: s.Client(r)})
	}
	if err != nil {
		return done(w, r, here, "", err)
	}
	return done(w, r, "/ui/machines", mac.String(), nil)
}

// typedIntent is what the assignment form says, if that can be done.
func (s surface) typedIntent(mac machine.MAC, form url.Values) (machine.Intent, error) {
	isFree := form.Get("boot_mode") == byRule
	if isFree {
		form.Del("boot_mode")
	}
	want, err := api.ReadIntent(intentFields(form))
	want.Free = isFree
	if problems, ok := body.AsProblems(err); ok {
		return want, fault.New(fault.Rejected, "%s", problems.Error())
	}
	if err != nil {
		return want, err
	}
	return want, s.Fleet.CheckDisk(mac, want)
}

// intentFields is the form as JSON: a field that is blank is null.
func intentFields(form url.Values) body.Value {
	fields := map[string]any{"labels": labelsOf(form.Get("labels"))}
	for _, name := range []string{"bty_image_ref", "sanboot_drive", "target_disk_serial", "kernel_words"} {
		if v := strings.TrimSpace(form.Get(name)); v != "" {
			fields[name] = v
		}
	}
	for _, name := range []string{"grow", "verify"} {
		if form.Has(name) { // a form of an earlier page has none, and says nothing of it
			fields[name] = typedChoice(form.Get(name))
		}
	}
	if mode := form.Get("boot_mode"); mode != "" && mode != byRule {
		fields["boot_mode"] = mode
	}
	return body.Of(fields)
}

// typedChoice is a choice of a form as JSON has it: blank is null.
func typedChoice(v string) any {
	if v == "" {
		return nil
	}
	return v
}

// labelsOf splits what was typed at its commas. Of two that differ in case only, the first counts.
func labelsOf(typed string) []any {
	labels, seen := []any{}, map[string]bool{}
	for label := range strings.SplitSeq(typed, ",") {
		label = strings.TrimSpace(label)
		if key := strings.ToLower(label); label != "" && !seen[key] {
			seen[key] = true
			labels = append(labels, label)
		}
	}
	return labels
}

func (s surface) arm(w http.ResponseWriter, r *http.Request) error {
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	_, err = s.Fleet.Arm(r.Context(), mac, fleet.Who{From: s.Client(r)})
	return done(w, r, "/ui/machines/"+mac.String(), "armed", err)
}

func (s surface) askDelete(w http.ResponseWriter, r *http.Request) error {
	one, err := s.one(r)
	if err != nil {
		return err
	}
	here := "/ui/machines/" + one.MAC.String()
	return s.confirm(w, r, confirmation{
		Title: "Forget " + one.MAC.String() + "?", Section: "machines", Action: here + "/delete", Cancel: here, Button: "Forget the machine",
		Text: "Its assignment, labels and hardware are deleted; its events stay. Nothing on its disks changes. If it boots from the network again, it is new.",
	})
}

func (s surface) deleteMachine(w http.ResponseWriter, r *http.Request) error {
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	key := "deleted"
	if err = s.Fleet.Delete(r.Context(), mac, fleet.Who{From: s.Client(r)}); fault.KindOf(err) == fault.NotFound && err != nil {
		key, err = "missing", nil
	}
	if err != nil {
		return done(w, r, "/ui/machines/"+mac.String(), "", err)
	}
	http.Redirect(w, r, "/ui/machines?"+key+"="+mac.String(), http.StatusSeeOther)
	return nil
}
