package settings

import (
	"context"
	"crypto/rand"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"bty/internal/event"
	"bty/internal/ledger"
)

// Upstream is where things are fetched from; "" of a field means the default.
type Upstream struct {
	NetbootRepo, NetbootTag, CatalogURL string
}

// SaveUpstream stores where live environments and the catalog come from.
func (s *Settings) SaveUpstream(ctx context.Context, u Upstream, from netip.Addr) error {
	return s.save(ctx, event.SettingsUpstream, "upstream", "where releases and the catalog come from was changed", from, map[Name]field{
		NetbootRepo: {label: "netboot_repo", value: u.NetbootRepo},
		NetbootTag:  {label: "netboot_tag", value: u.NetbootTag},
		CatalogURL:  {label: "catalog_url", value: u.CatalogURL},
	})
}

// SaveDisplay stores the zone that times are shown in; "" means the default.
func (s *Settings) SaveDisplay(ctx context.Context, zone string, from netip.Addr) error {
	return s.save(ctx, event.SettingsDisplay, "display", "the time zone of the pages was changed", from,
		map[Name]field{DisplayZone: {label: "display_timezone", value: zone}})
}

// Schedule is the operator's part of Backup, as it was typed.
type Schedule struct {
	Enabled         bool
	Cadence, Retain string
}

// SaveBackup stores the schedule of backups.
func (s *Settings) SaveBackup(ctx context.Context, b Schedule, from netip.Addr) error {
	enabled := "0"
	if b.Enabled {
		enabled = "1"
	}
	return s.save(ctx, event.SettingsBackup, "backup", "the schedule of backups was changed", from, map[Name]field{
		BackupEnabled:   {"backup_enabled", enabled, true},
		BackupCadence:   {"backup_cadence", b.Cadence, true},
		BackupRetention: {"backup_retention_count", b.Retain, true},
	})
}

// SaveEvents stores for how many days events are kept; "" means what the configuration says.
func (s *Settings) SaveEvents(ctx context.Context, days string, from netip.Addr) error {
	return s.save(ctx, event.SettingsEvents, "events", "how long events are kept was changed", from,
		map[Name]field{EventsKeepDays: {label: "events_keep_days", value: days}})
}

// BackupRan stores when the schedule last made a backup. It is no act of the operator: no event.
func (s *Settings) BackupRan(ctx context.Context, at time.Time) error {
	err := s.Store.Update(ctx, func(tx Tx) error {
		return tx.PutSetting(string(BackupLastRun), at.UTC().Format(time.RFC3339Nano))
	})
	if err != nil {
		return err
	}
	return s.Refresh()
}

// Forget removes a stored value, so that the configuration's counts.
func (s *Settings) Forget(ctx context.Context, name Name, from netip.Addr) error {
	if checks[name] == nil || name == BackupLastRun {
		return refuse("%q is not the name of a stored setting", name)
	}
	return s.save(ctx, event.SettingsForgotten, string(name), "the stored value of "+string(name)+" was removed", from,
		map[Name]field{name: {label: string(name)}})
}

// EndSessions signs everybody out, whoever asks for it included.
func (s *Settings) EndSessions(ctx context.Context, from netip.Addr) error {
	err := ledger.Commit(ctx, s.Ledger, s.Store.Update, func(tx Tx) ([]event.Event, error) {
		return []event.Event{{At: s.Now(), Kind: event.SessionsEnded, SubjectKind: event.Auth, SubjectID: "operator", Actor: event.Operator,
			SourceIP: from, Summary: "everybody was signed out"}}, tx.PutSetting(string(SessionEpoch), rand.Text())
	})
	if err != nil {
		return err
	}
	return s.Refresh()
}

// field is one value of a form, under the name that events have for it.
type field struct {
	label, value string
	required     bool // else "" removes the stored value
}

type change struct {
	Old *string `json:"old"`
	New *string `json:"new"`
}

// save stores the fields and what they were before as one event; nothing is stored if one of them
// cannot be used.
func (s *Settings) save(ctx context.Context, kind event.Kind, subject, summary string, from netip.Addr, fields map[Name]field) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f := fields[name]
		f.value = strings.TrimSpace(f.value)
		if f.value != "" || f.required {
			if err := checks[name](f.value); err != nil {
				return err
			}
		}
		fields[name] = f
	}
	err := ledger.Commit(ctx, s.Ledger, s.Store.Update, func(tx Tx) ([]event.Event, error) {
		changes, err := putAll(tx, fields)
		if err != nil {
			return nil, err
		}
		return []event.Event{{At: s.Now(), Kind: kind, SubjectKind: event.Settings, SubjectID: subject, Actor: event.Operator,
			SourceIP: from, Summary: summary, Details: ledger.Details(changes)}}, nil
	})
	if err != nil {
		return err
	}
	return s.Refresh()
}

func putAll(tx Tx, fields map[Name]field) (map[string]change, error) {
	stored, err := tx.Settings()
	if err != nil {
		return nil, err
	}
	changes := map[string]change{}
	for name, f := range fields {
		c := change{New: orNull(f.value)}
		if old, ok := stored[string(name)]; ok {
			c.Old = &old
		}
		changes[f.label] = c
		if f.value == "" {
			err = tx.DeleteSetting(string(name))
		} else {
			err = tx.PutSetting(string(name), f.value)
		}
		if err != nil {
			return nil, err
		}
	}
	return changes, nil
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
