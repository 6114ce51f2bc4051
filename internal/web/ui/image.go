package ui

import (
	"net/http"
	"net/url"
	"slices"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/library"
)

// maxAffected is how many machines a question lists.
const maxAffected = 200

// imagePage is what the page of an image shows.
type imagePage struct {
	imageRow
	Formats []catalog.Format
	Cached  cached
	Checked *library.Checked // what the origin said, if it was just asked
	Events  []event.Event
}

func (s surface) oneImage(r *http.Request) (imageRow, error) {
	ref, err := catalog.ParseRef(r.PathValue("ref"))
	if err != nil {
		return imageRow{}, fault.New(fault.Invalid, "%v", err)
	}
	entry, users, err := s.Library.Image(ref)
	return imageRow{entry, users}, err
}

func (s surface) image(w http.ResponseWriter, r *http.Request) error {
	one, err := s.oneImage(r)
	if err != nil {
		return err
	}
	return s.showImage(w, r, one, nil)
}

func (s surface) showImage(w http.ResponseWriter, r *http.Request, one imageRow, checked *library.Checked) error {
	events, err := s.catalogEvents(&one.Src)
	if err != nil {
		return err
	}
	return s.show(w, r, view{Page: "image", Title: one.Name, Section: "images", Saved: imageSaved, Data: imagePage{one, catalog.Formats, s.cached(r, one.Entry), checked, events}})
}

// checkImage asks the origin. A script gets the outcome alone.
func (s surface) checkImage(w http.ResponseWriter, r *http.Request) error {
	one, err := s.oneImage(r)
	if err != nil {
		return err
	}
	checked, err := s.Library.Check(r.Context(), one.Src)
	switch {
	case err != nil:
		return err
	case fromScript(r):
		return s.fragment(w, r, "images", "checked", checked)
	}
	return s.showImage(w, r, one, &checked)
}

// changeImage saves what the form says. If machines would be written something else, it asks first.
func (s surface) changeImage(w http.ResponseWriter, r *http.Request) error {
	one, err := s.oneImage(r)
	if err != nil {
		return err
	}
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	want := imageChange(form)
	changed, err := s.Library.Change(r.Context(), one.Ref, want, s.Client(r))
	if fault.KindOf(err) == fault.Conflict && !want.Force {
		form.Set("force", "1")
		return s.confirm(w, r, confirmation{Title: "Change what machines are written?", Text: fault.Public(err), Items: affected(one.Users), Section: "images",
			Action: r.URL.Path, Hidden: form, Button: "Change it", Cancel: r.URL.Path})
	}
	saved := "changed"
	if want.Reread || want.Take {
		saved = map[bool]string{true: "moved", false: "same"}[changed.Moved()]
	}
	return done(w, r, r.URL.Path, saved, err)
}

// imageChange is what the fields of a form want; one that was not sent stays as it is.
func imageChange(form url.Values) library.Change {
	field := func(name string) *string {
		if !form.Has(name) {
			return nil
		}
		return new(form.Get(name))
	}
	var rolling *bool
	if form.Has("rolling") {
		rolling = new(form.Get("rolling") == "1")
	}
	return library.Change{Rolling: rolling, Grow: (*catalog.Choice)(field("grow")), Verify: (*catalog.Choice)(field("verify")), Take: form.Get("take") == "1", Name: field("name"), Description: field("description"), Arch: field("arch"), Format: (*catalog.Format)(field("format")),
		DigestURL: field("sha_url"), Reread: form.Get("reread") == "1", Force: form.Get("force") == "1"}
}

func affected(users library.Users) []string {
	items := slices.Clone(users.Rules)
	for i, mac := range users.Machines {
		if i == maxAffected {
			return append(items, "and "+plural(len(users.Machines)-i, "more machine", "more machines"))
		}
		items = append(items, mac.String())
	}
	return items
}

func (s surface) askDeleteImage(w http.ResponseWriter, r *http.Request) error {
	one, err := s.oneImage(r)
	if err != nil {
		return err
	}
	c := confirmation{Title: "Delete " + one.Name + "?", Text: "No machine is bound to it and no rule assigns it. The image itself, at its origin, is not touched.", Section: "images",
		Action: "/ui/images/" + one.Ref.String() + "/delete", Button: "Delete", Cancel: "/ui/images"}
	if one.Any() {
		c.Text = "These are bound to it and will find no image until another is set:"
		c.Items, c.Hidden, c.Button = affected(one.Users), url.Values{"force": {"1"}}, "Delete it all the same"
	}
	return s.confirm(w, r, c)
}

func (s surface) deleteImage(w http.ResponseWriter, r *http.Request) error {
	ref, err := catalog.ParseRef(r.PathValue("ref"))
	if err != nil {
		return fault.New(fault.Invalid, "%v", err)
	}
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	return done(w, r, "/ui/images", "deleted", s.Library.DeleteRef(r.Context(), ref, form.Get("force") == "1", s.Client(r)))
}
