package ui

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"

	"bty/internal/event"
	"bty/internal/fault"
)

// view is what a handler hands over to be shown as a page.
type view struct {
	Page    string // the file of the page without its extension
	Title   string
	Section string            // the entry of the navigation that the page belongs to
	Saved   map[string]string // what the keys of ?saved= mean, in words
	Note    string            // what went well, if no key of Saved says it
	Problem string            // what went wrong, if it did not come as ?error=
	Success string            // what went well, if it did not come as ?saved=
	Status  int               // 0 is 200
	Data    any
}

// flash is what the last form came to.
type flash struct {
	OK   bool
	Text string
}

// frame is what the layout is rendered from.
type frame struct {
	view
	Nav      []navEntry
	Version  string
	Notices  []string
	SignedIn bool
	Flash    *flash
	Default  bool     // the well-known password is in force
	AsOf     event.ID // the newest event when the page was asked for, 0 if that is not known
}

// contentPolicy lets nothing in from elsewhere, and no script or style that is not a file of ours.
// Bootstrap draws arrows and ticks with data: images.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// show renders a page.
func (s surface) show(w http.ResponseWriter, r *http.Request, v view) error {
	f := frame{view: v, Nav: *s.nav, Version: s.Version, Notices: s.notices(), SignedIn: s.Auth.SignedIn(r),
		Default: s.Auth.IsDefault(), Flash: flashOf(r, v)}
	f.AsOf, _ = r.Context().Value(newestKey{}).(event.ID)
	return s.write(w, s.pages[v.Page], "layout", f, v.Status)
}

func (s surface) notices() []string {
	if s.Notices == nil {
		return nil
	}
	return s.Notices()
}

// fragment renders one template of a page alone.
func (s surface) fragment(w http.ResponseWriter, _ *http.Request, page, name string, data any) error {
	return s.write(w, s.pages[page], name, data, 0)
}

func (s surface) write(w http.ResponseWriter, p page, name string, data any, status int) error {
	var b bytes.Buffer
	if err := p().ExecuteTemplate(&b, name, data); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin") // "no-referrer" has browsers send "Origin: null" with our own forms
	header.Set("Vary", "Cookie")
	header.Set("Cache-Control", "no-store")
	if status != 0 {
		w.WriteHeader(status)
	}
	_, _ = w.Write(b.Bytes()) // the client is gone, if anything
	return nil
}

// flashOf is what the URL says of the form that led here. A key that the page does not know says
// nothing: the words are ours, never those of whoever made the link.
func flashOf(r *http.Request, v view) *flash {
	query := r.URL.Query()
	switch problem, saved := query.Get("error"), v.Saved[query.Get("saved")]; {
	case v.Problem != "":
		return &flash{Text: v.Problem}
	case v.Success != "":
		return &flash{OK: true, Text: v.Success}
	case problem != "":
		return &flash{Text: problem}
	case saved != "":
		return &flash{OK: true, Text: saved}
	case v.Note != "":
		return &flash{OK: true, Text: v.Note}
	}
	return nil
}

// done ends a form: it leads to a page of ours that says what was saved or what went wrong.
func done(w http.ResponseWriter, r *http.Request, to, saved string, err error) error {
	query := ""
	switch {
	case err != nil && fault.KindOf(err) == fault.Internal:
		return err
	case err != nil:
		query = "error=" + strings.ReplaceAll(url.QueryEscape(fault.Public(err)), "+", "%20")
	case saved != "":
		query = "saved=" + url.QueryEscape(saved)
	}
	if query != "" {
		to += map[bool]string{true: "&", false: "?"}[strings.Contains(to, "?")] + query
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// confirmation is a question before something is destroyed.
type confirmation struct {
	Title, Text string
	Items       []string // what it affects
	Action      string   // where yes is POSTed
	Hidden      url.Values
	Button      string // the word for yes
	Cancel      string // where no leads
	Section     string
}

// confirm asks. The script shows the same page's question as a dialog.
func (s surface) confirm(w http.ResponseWriter, r *http.Request, c confirmation) error {
	return s.show(w, r, view{Page: "confirm", Title: c.Title, Section: c.Section, Data: c})
}
