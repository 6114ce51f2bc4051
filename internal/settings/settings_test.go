package settings

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/config"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/store"
)

var (
	moment = time.Date(2026, 11, 25, 21, 0, 0, 0, time.UTC)
	here   = netip.MustParseAddr("192.0.2.9")
)

type real struct{ *store.Store }

func (s real) View(fn func(Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s real) Update(ctx context.Context, fn func(Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

// open returns Settings over a database of their own.
func open(t *testing.T, vars map[string]string) (*Settings, *store.Store, *strings.Builder) {
	t.Helper()
	state, err := store.Open(filepath.Join(t.TempDir(), "bty.db"), "test")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = state.Run(context.Background()) }()
	t.Cleanup(func() { state.Close() })
	journal := &strings.Builder{}
	log := slog.New(slog.NewTextHandler(journal, nil))
	s, err := New(Config{Store: real{state}, Ledger: ledger.New(slog.New(slog.DiscardHandler)), Log: log,
		Now: func() time.Time { return moment }, Started: load(t, vars)})
	if err != nil {
		t.Fatal(err)
	}
	return s, state, journal
}

func newest(t *testing.T, state *store.Store) (e event.Event) {
	t.Helper()
	err := state.View(func(tx *store.Tx) error {
		found, err := tx.Events(event.Filter{Limit: 1})
		if len(found) > 0 {
			e = found[0]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSave(t *testing.T) {
	s, state, _ := open(t, nil)
	changed := s.Subscribe(t.Context())
	for _, tt := range []struct {
		name     string
		save     func() error
		kind     event.Kind
		subject  string
		details  string
		inForce  func() any
		expected any
	}{
		{"upstream", func() error {
			return s.SaveUpstream(t.Context(), Upstream{" me/fork ", "v1", "https://h/c.toml"}, here)
		}, event.SettingsUpstream, "upstream",
			`{"catalog_url":{"old":null,"new":"https://h/c.toml"},"netboot_repo":{"old":null,"new":"me/fork"},"netboot_tag":{"old":null,"new":"v1"}}`,
			func() any { return s.NetbootRepo() + s.NetbootTag() + s.CatalogURL() }, "me/forkv1https://h/c.toml"},
		{"upstream cleared", func() error { return s.SaveUpstream(t.Context(), Upstream{NetbootTag: "v2"}, here) }, event.SettingsUpstream, "upstream",
			`{"catalog_url":{"old":"https://h/c.toml","new":null},"netboot_repo":{"old":"me/fork","new":null},"netboot_tag":{"old":"v1","new":"v2"}}`,
			func() any { return s.NetbootRepo() + s.NetbootTag() }, "safl/btyv2"},
		{"display", func() error { return s.SaveDisplay(t.Context(), "Asia/Tokyo", here) }, event.SettingsDisplay, "display",
			`{"display_timezone":{"old":null,"new":"Asia/Tokyo"}}`, func() any { return s.Zone().String() }, "Asia/Tokyo"},
		{"backup", func() error { return s.SaveBackup(t.Context(), Schedule{true, "daily", "12"}, here) }, event.SettingsBackup, "backup",
			`{"backup_cadence":{"old":null,"new":"daily"},"backup_enabled":{"old":null,"new":"1"},"backup_retention_count":{"old":null,"new":"12"}}`,
			func() any { return s.Backup() }, Backup{Enabled: true, Cadence: Daily, Keep: 12}},
		{"events", func() error { return s.SaveEvents(t.Context(), "14", here) }, event.SettingsEvents, "events",
			`{"events_keep_days":{"old":null,"new":"14"}}`, func() any { return s.EventsKeepDays() }, 14},
		{"forgotten", func() error { return s.Forget(t.Context(), EventsKeepDays, here) }, event.SettingsForgotten, "events.keep_days",
			`{"events.keep_days":{"old":"14","new":null}}`, func() any { return s.EventsKeepDays() }, 365},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.save(); err != nil {
				t.Fatal(err)
			}
			e := newest(t, state)
			if e.Kind != tt.kind || e.SubjectID != tt.subject || e.SubjectKind != event.Settings || e.Actor != event.Operator || e.SourceIP != here || string(e.Details) != tt.details {
				t.Errorf("event %+v %s", e, e.Details)
			}
			if got := tt.inForce(); got != tt.expected {
				t.Errorf("in force: %v, want %v", got, tt.expected)
			}
			select {
			case <-changed:
			default:
				t.Error("nobody was told")
			}
		})
	}
}

func TestRefusalsStoreNothing(t *testing.T) {
	s, state, _ := open(t, nil)
	for name, save := range map[string]func() error{
		"repo": func() error {
			return s.SaveUpstream(t.Context(), Upstream{NetbootRepo: "nope", NetbootTag: "v1"}, here)
		},
		"catalog":   func() error { return s.SaveUpstream(t.Context(), Upstream{CatalogURL: "oras://u:secret@h/x:1"}, here) },
		"zone":      func() error { return s.SaveDisplay(t.Context(), "Mars/Base", here) },
		"zone path": func() error { return s.SaveDisplay(t.Context(), "../../etc/passwd", here) },
		"cadence":   func() error { return s.SaveBackup(t.Context(), Schedule{true, "hourly", "7"}, here) },
		"retention": func() error { return s.SaveBackup(t.Context(), Schedule{true, "daily", "0"}, here) },
		"blank":     func() error { return s.SaveBackup(t.Context(), Schedule{true, "daily", ""}, here) },
		"days":      func() error { return s.SaveEvents(t.Context(), "1e3", here) },
		"unknown":   func() error { return s.Forget(t.Context(), "auth.session_epoch", here) },
	} {
		if err := save(); fault.KindOf(err) != fault.Rejected || strings.Contains(fault.Public(err), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if e := newest(t, state); e.ID != 0 || s.NetbootTag() != "latest" {
		t.Errorf("stored: %+v", e)
	}
}

// Whatever lies in the database, a start and a page go on, and the journal says it once.
func TestStoredNonsenseIsReported(t *testing.T) {
	s, state, journal := open(t, nil)
	err := state.Update(t.Context(), func(tx *store.Tx) error { return tx.PutSetting("display.timezone", "Mars/Base") })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Refresh(); err != nil {
			t.Fatal(err)
		}
	}
	if s.Zone() != time.UTC || len(s.Problems()) != 1 || strings.Count(journal.String(), "Mars/Base") != 1 {
		t.Errorf("%v %v\n%s", s.Zone(), s.Problems(), journal)
	}
	if err := s.BackupRan(t.Context(), moment); err != nil || !s.Backup().LastRun.Equal(moment) {
		t.Errorf("%v %v", s.Backup(), err)
	}
	if e := newest(t, state); e.ID != 0 {
		raw, _ := json.Marshal(e)
		t.Errorf("an event nobody asked for: %s", raw)
	}
}

// Readers, savers and reloads at one time: every reader sees one whole state.
func TestAtOneTime(t *testing.T) {
	s, _, _ := open(t, nil)
	watched := 0
	s.Watch(func() { watched++ })
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 20 {
				zone := []string{"Asia/Tokyo", "Europe/Berlin"}[i%2]
				if err := s.SaveDisplay(t.Context(), zone, here); err != nil {
					t.Error(err)
				}
				if got := s.Zone().String(); got != "Asia/Tokyo" && got != "Europe/Berlin" {
					t.Errorf("zone %s", got)
				}
				_, err := s.Reload()
				if err != nil || len(s.Groups()) == 0 || len(s.Pending()) > 0 {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if watched < 2 {
		t.Error("nobody was told")
	}
}

// A value that would not reach the daemon that goes by it is not written, and the page says where it
// belongs; what stands there without effect can be taken away.
func TestUnseen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "bty.toml")
	if err := os.WriteFile(file, []byte("[tftp]\nmax_transfers = 7\n[cache]\nstrict_miss = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, _, _ := open(t, map[string]string{"BTY_CONFIG_FILE": file, "BTY_PATHS_STATE_DIR": dir})
	row := func(key string) Row {
		for _, g := range s.Groups() {
			for _, r := range g.Rows {
				if r.String() == key {
					return r
				}
			}
		}
		t.Fatalf("there is no row %s", key)
		return Row{}
	}
	edit := func(key, value string) error {
		section, name, _ := strings.Cut(key, ".")
		_, err := s.EditConfig(t.Context(), section, name, value, here)
		return err
	}
	for _, tt := range []struct {
		key, value string
		apart      []string
		want       string // of the row and the refusal, "" where it is written
	}{
		{"tftp.max_transfers", "9", nil, ""},
		{"tftp.max_transfers", "10", []string{"bty-tftp"}, "bty-tftp does not see the file that this page writes. Set it on the host, in /etc/bty/bty.toml or as BTY_TFTP_MAX_TRANSFERS in the environment of bty-tftp; then restart that. What stands here now does not count."},
		{"sniff.interfaces", "eth1", []string{"bty-tftp", "bty-sniff"}, "BTY_SNIFF_INTERFACES in the environment of bty-sniff; then restart that."},
		{"cache.allow", "https://x.example/", []string{"bty-cache"}, "BTY_CACHE_ALLOW in the environment of bty-cache; then reload that."},
		{"cache.allow", "https://x.example/", []string{"bty-tftp"}, ""},
		{"sniff.allow", "", []string{"bty-sniff"}, ""}, // bty-web's, whatever its name
		{"log.level", "debug", []string{"bty-tftp", "bty-sniff", "bty-cache"}, ""},
	} {
		s.Apart = tt.apart
		if got := row(tt.key).Locked; tt.want == "" && got != "" || !strings.HasSuffix(got, tt.want) {
			t.Errorf("%s, apart %v: the page says %q", tt.key, tt.apart, got)
		}
		err := edit(tt.key, tt.value)
		if refused, ok := errors.AsType[*config.EditError](err); tt.want == "" && err != nil || tt.want != "" && (!ok || refused.Obstacle != config.InvalidValue || !strings.Contains(refused.What, "does not see the file")) {
			t.Errorf("%s, apart %v: %v", tt.key, tt.apart, err)
		}
	}
	s.Apart = []string{"bty-cache"}
	if r := row("cache.strict_miss"); !r.InFile || r.Locked == "" {
		t.Errorf("what stands in the file cannot be taken away: %+v", r)
	}
	if err := edit("cache.strict_miss", ""); err != nil || row("cache.strict_miss").IsSet {
		t.Errorf("it stays: %v", err)
	}
}
