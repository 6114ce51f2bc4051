package ui

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"bty/internal/config"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/settings"
)

func (s surface) settingsRoutes(r routes) {
	r.own("GET /ui/settings", s.settings)
	r.own("POST /ui/settings/upstream", s.saveUpstream)
	r.own("POST /ui/settings/backup", s.saveBackup)
	r.own("POST /ui/settings/display", s.saveDisplay)
	r.own("POST /ui/settings/events", s.saveEvents)
	r.own("POST /ui/settings/config/edit", s.editConfig)
	r.own("POST /ui/settings/stored/remove", s.forgetStored)
}

// settingsPage is what the page shows.
type settingsPage struct {
	*settings.Settings
	Repo, Tag, Catalog, ZoneName, Days settings.Value
	Backup                             settings.Backup
	Groups                             []settings.Group
	File                               string // that new settings are written into, "" for none
	Pending                            []config.Key
	Problems                           []string
	Now                                time.Time
}

var savedSettings = map[string]string{
	"upstream":  "Saved: where releases and the catalog come from.",
	"backup":    "Saved: the schedule of backups.",
	"display":   "Saved: the time zone of the pages.",
	"events":    "Saved: how long events are kept.",
	"config":    "Saved in the configuration file.",
	"forgotten": "The stored value is gone: the configuration's counts.",
}

func (s surface) settings(w http.ResponseWriter, r *http.Request) error {
	set := s.Settings
	data := settingsPage{Settings: set, Repo: set.Value(settings.NetbootRepo), Tag: set.Value(settings.NetbootTag), Catalog: set.Value(settings.CatalogURL),
		ZoneName: set.Value(settings.DisplayZone), Days: set.Value(settings.EventsKeepDays), Backup: set.Backup(), Groups: set.Groups(),
		File: set.WritableFile(), Pending: set.Pending(), Problems: set.Problems(), Now: s.Now()}
	return s.show(w, r, view{Page: "settings", Title: "Settings", Section: "settings", Saved: savedSettings, Problem: s.editProblem(r), Data: data})
}

// editProblem is the whole sentence about an edit that was not made: a URL has room for a code
// only, and the event has the rest.
func (s surface) editProblem(r *http.Request) string {
	code := r.URL.Query().Get("error")
	if code == "" {
		return ""
	}
	kind := event.SettingsConfigFailed
	found, err := s.Book.Events(event.Filter{Kind: &kind, Limit: 1})
	if err != nil || len(found) == 0 {
		return ""
	}
	var told struct{ Error, Reason string }
	if json.Unmarshal(found[0].Details, &told) != nil || told.Error != code {
		return ""
	}
	return told.Reason
}

// toSettings ends a form of the page: anchor is the card that it belongs to.
func toSettings(w http.ResponseWriter, r *http.Request, saved, anchor string, err error) error {
	to := "/ui/settings?saved=" + saved + anchor
	if err != nil {
		if fault.KindOf(err) == fault.Internal {
			return err
		}
		to = "/ui/settings?error=" + url.QueryEscape(fault.Public(err)) + anchor
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (s surface) saveUpstream(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	err = s.Settings.SaveUpstream(r.Context(), settings.Upstream{NetbootRepo: form.Get("netboot_repo"), NetbootTag: form.Get("netboot_tag"),
		CatalogURL: form.Get("catalog_url")}, s.Client(r))
	return toSettings(w, r, "upstream", "", err)
}

// saveBackup answers bad values with 422, as clients know it.
func (s surface) saveBackup(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	err = s.Settings.SaveBackup(r.Context(), settings.Schedule{Enabled: form.Has("backup_enabled"), Cadence: form.Get("backup_cadence"),
		Retain: form.Get("backup_retention_count")}, s.Client(r))
	if err != nil {
		return err
	}
	return toSettings(w, r, "backup", "#backup-schedule", nil)
}

func (s surface) saveDisplay(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	return toSettings(w, r, "display", "#display", s.Settings.SaveDisplay(r.Context(), form.Get("display_timezone"), s.Client(r)))
}

func (s surface) saveEvents(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	return toSettings(w, r, "events", "#events", s.Settings.SaveEvents(r.Context(), form.Get("events_keep_days"), s.Client(r)))
}

func (s surface) forgetStored(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	return toSettings(w, r, "forgotten", "", s.Settings.Forget(r.Context(), settings.Name(form.Get("name")), s.Client(r)))
}

func (s surface) editConfig(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	value := form.Get("value")
	if form.Has("remove") { // the second button of the form
		value = ""
	}
	_, err = s.Settings.EditConfig(r.Context(), form.Get("section"), form.Get("key"), value, s.Client(r))
	if refused, ok := errors.AsType[*config.EditError](err); ok {
		http.Redirect(w, r, "/ui/settings?error="+url.QueryEscape(refused.Code()), http.StatusSeeOther)
		return nil
	}
	return toSettings(w, r, "config", "", err)
}
