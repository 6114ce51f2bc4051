package ui

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/web/body"
	"bty/internal/web/serve"
)

func (s surface) eventsRoutes(r routes) {
	r.own("GET /ui/events", s.events)
	r.own("POST /ui/events/acknowledge", s.acknowledge)
}

// eventsList is what the URL of the events page may say. Rows are in the order of what happened.
var eventsList = listSpec{
	Path:    "/ui/events",
	Columns: []string{"id"},
	Desc:    true,
	Filters: []string{"attention", "failed", "unacknowledged"},
	Keep:    []string{"kind", "subject_kind", "subject_id", "actor", "source_ip", "before_id"},
	Search:  "kind, subject, address, text",
}

// eventsPage is what the events page shows.
type eventsPage struct {
	List   list
	Rows   []event.Event
	Kinds  []event.Kind
	Alarms int // that were not acknowledged
	News   string
}

func (s surface) events(w http.ResponseWriter, r *http.Request) error {
	state := eventsList.read(r)
	page, err := s.Book.Page(eventFilter(state), state.Page, state.PerPage)
	if err != nil {
		return err
	}
	alarms, err := s.Book.Alarms()
	if err != nil {
		return err
	}
	state.cut(page.Total)
	data := eventsPage{List: state, Rows: page.Events, Kinds: event.Kinds, Alarms: alarms, News: newsOf(state)}
	return s.show(w, r, view{Page: "events", Title: "Events", Section: "events", Data: data, Saved: map[string]string{
		"acknowledged": "Acknowledged.", "unacknowledged": "Not acknowledged any more."}})
}

// eventFilter is what a list's state selects of the audit log.
func eventFilter(l list) event.Filter {
	f := event.Filter{Text: l.Query, Kind: kept[event.Kind](l, "kind"), SubjectKind: kept[event.Subject](l, "subject_kind"), SubjectID: kept[string](l, "subject_id"),
		Actor: kept[event.Actor](l, "actor"), SourceIP: kept[string](l, "source_ip")}
	if id, err := strconv.ParseUint(l.Kept("before_id"), 10, 63); err == nil {
		f.Before = event.ID(id)
	}
	switch l.Filter {
	case "attention":
		f.AlarmsOnly, f.UnacknowledgedOnly = true, true
	case "failed":
		f.FailedOnly = true
	case "unacknowledged":
		f.UnacknowledgedOnly = true
	}
	return f
}

func kept[T ~string](l list, name string) *T {
	if l.Kept(name) == "" {
		return nil
	}
	v := T(l.Kept(name))
	return &v
}

// newsOf is the kinds of events whose arrival the page announces; "*" is all.
func newsOf(l list) string {
	kinds := slices.DeleteFunc(slices.Clone(event.Kinds), func(k event.Kind) bool {
		return l.Kept("kind") != "" && string(k) != l.Kept("kind") || l.Filter == "failed" && !k.Failed() || l.Filter == "attention" && !k.Alarms()
	})
	if len(kinds) == len(event.Kinds) {
		return "*"
	}
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, " ")
}

// Actors are who can make something happen.
func (eventsPage) Actors() []event.Actor {
	return []event.Actor{event.Operator, event.Client, event.System}
}

// From is the address that an event came from, "" if there is none.
func (eventsPage) From(e event.Event) string { return event.Address(e.SourceIP) }

// FilterBy is the list of the events that have a value in common with one of them.
func (p eventsPage) FilterBy(name, value string) string { return p.List.KeepURL(name, value) }

// SubjectURL leads to what an event happened to.
func (p eventsPage) SubjectURL(e event.Event) string {
	switch e.SubjectKind {
	case event.Machine:
		return "/ui/machines/" + url.PathEscape(e.SubjectID)
	default:
		return p.List.KeepURL("subject_id", e.SubjectID)
	}
}

// acknowledge marks the selected events, or takes that back: for a browser as every form, for
// everybody else with the answer that clients know.
func (s surface) acknowledge(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	ids, seen, err := readMarks(form)
	isBrowser := strings.Contains(r.Header.Get("Accept"), "text/html")
	known := 0
	if err == nil {
		known, err = s.Book.Mark(r.Context(), ids, seen)
	}
	if isBrowser {
		if len(ids) == 0 {
			err = fault.New(fault.Rejected, "no event is selected: tick the events first, then choose what becomes of them")
		}
		return done(w, r, cmp.Or(localPath(form.Get("back")), eventsList.Path), map[bool]string{true: "acknowledged", false: "unacknowledged"}[seen], err)
	}
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, marked{known, seen})
	return nil
}

type marked struct {
	Updated      int  `json:"updated"`
	Acknowledged bool `json:"acknowledged"`
}

// readMarks reads which events to mark and how. The button of a row names its own event alone.
func readMarks(form url.Values) (ids []event.ID, seen bool, err error) {
	texts, say := form["ids"], form.Get("acknowledged")
	for name, word := range map[string]string{"ack": "1", "unack": "0"} {
		if form.Has(name) {
			texts, say = form[name], word
		}
	}
	seen = say != "" && say != "0" && say != "false"
	if len(texts) == 0 {
		return nil, seen, body.Problems{{Type: "missing", Loc: []any{"body", "ids"}, Message: "Field required: select the events first"}}
	}
	if len(texts) > ledger.MaxMarked {
		return nil, seen, body.Problems{{Type: "too_long", Loc: []any{"body", "ids"}, Message: "List should have at most " + strconv.Itoa(ledger.MaxMarked) + " items", Input: len(texts)}}
	}
	for i, text := range texts {
		id, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return nil, seen, body.Problems{{Type: "int_parsing", Loc: []any{"body", "ids", i}, Message: "Input should be a valid integer, unable to parse string as an integer", Input: text}}
		}
		ids = append(ids, event.ID(id))
	}
	return ids, seen, nil
}
