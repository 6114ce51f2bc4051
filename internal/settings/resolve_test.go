package settings

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"bty/internal/config"
)

func load(t *testing.T, vars map[string]string) *config.Config {
	t.Helper()
	c, _, err := config.Load(config.Source{Etc: t.TempDir(), Getenv: func(k string) string { return vars[k] }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestResolve(t *testing.T) {
	type m = map[string]string
	for _, tt := range []struct {
		name         string
		vars, stored m
		of           Name
		text, from   string
		problem      string // part of it, "" for none
	}{
		{"repo: default", nil, nil, NetbootRepo, "safl/bty", "default", ""},
		{"repo: variable", m{"BTY_BOOT_RELEASE_REPO": "me/fork"}, nil, NetbootRepo, "me/fork", "variable BTY_BOOT_RELEASE_REPO", ""},
		{"repo: stored", m{"BTY_BOOT_RELEASE_REPO": "me/fork"}, m{"upstream.netboot_repo": "a/b"}, NetbootRepo, "a/b", "stored", ""},
		{"repo: mirror", nil, m{"upstream.netboot_repo": "http://mirror/bty"}, NetbootRepo, "safl/bty", "default", "[netboot] release_url"},
		{"repo: stored nonsense", m{"BTY_BOOT_RELEASE_REPO": "me/fork"}, m{"upstream.netboot_repo": "../.."}, NetbootRepo, "me/fork", "variable BTY_BOOT_RELEASE_REPO", "variable BTY_BOOT_RELEASE_REPO counts instead"},
		{"repo: nonsense in both", m{"BTY_BOOT_RELEASE_REPO": "x"}, m{"upstream.netboot_repo": "y"}, NetbootRepo, "safl/bty", "default", "the default counts instead"},
		{"tag", nil, m{"upstream.netboot_tag": "v1"}, NetbootTag, "v1", "stored", ""},
		{"tag: not one that can be fetched", nil, m{"upstream.netboot_tag": "v1+2"}, NetbootTag, "latest", "default", "upstream.netboot_tag (stored) cannot be used"},
		{"tag: path", nil, m{"upstream.netboot_tag": "../v1"}, NetbootTag, "latest", "default", "upstream.netboot_tag (stored) cannot be used"},
		{"catalog: no variable", m{"BTY_UPSTREAM_CATALOG_URL": "http://x/"}, nil, CatalogURL, defaultCatalog, "default", ""},
		{"catalog: oras", nil, m{"upstream.catalog_url": "oras://h/x:1"}, CatalogURL, "oras://h/x:1", "stored", ""},
		{"catalog: secret in the URL", nil, m{"upstream.catalog_url": "http://u:p@h/"}, CatalogURL, defaultCatalog, "default", "without a user name"},
		{"withcache: none", nil, nil, WithcacheURL, "", "default", ""},
		{"withcache: variable", m{"BTY_WITHCACHE_URL": "http://c:3000"}, nil, WithcacheURL, "http://c:3000", "variable BTY_WITHCACHE_URL", ""},
		{"withcache: stored", m{"BTY_WITHCACHE_URL": "http://c:3000"}, m{"withcache.url": "http://d"}, WithcacheURL, "http://d", "stored", ""},
		{"withcache: stored nonsense", nil, m{"withcache.url": "(unset)"}, WithcacheURL, "", "default", "withcache.url must be an http:// or https:// URL"},
		{"withcache: stored blank", m{"BTY_WITHCACHE_URL": "http://c"}, m{"withcache.url": ""}, WithcacheURL, "http://c", "variable BTY_WITHCACHE_URL", ""},
		{"nbdmux", nil, m{"nbdmux.url": "http://n"}, NbdmuxURL, "http://n", "stored", ""},
		{"overlay", m{"BTY_RAMBOOT_OVERLAY_SIZE": "4G"}, nil, RambootOverlay, "4G", "variable BTY_RAMBOOT_OVERLAY_SIZE", ""},
		{"overlay: nonsense", nil, m{"ramboot.overlay_size": "; rm"}, RambootOverlay, "10G", "variable BTY_RAMBOOT_OVERLAY_SIZE", "overlay"},
		{"zone", m{"BTY_DISPLAY_TZ": "Europe/Berlin"}, nil, DisplayZone, "Europe/Berlin", "variable BTY_DISPLAY_TZ", ""},
		{"zone: stored", m{"BTY_DISPLAY_TZ": "Europe/Berlin"}, m{"display.timezone": "Asia/Tokyo"}, DisplayZone, "Asia/Tokyo", "stored", ""},
		{"zone: nonsense", m{"BTY_DISPLAY_TZ": "Mars/Base"}, m{"display.timezone": "Local"}, DisplayZone, "UTC", "default", "IANA"},
		{"cadence", nil, m{"backup.cadence": "Daily"}, BackupCadence, "manual", "default", "manual, daily or weekly"},
		{"enabled", nil, m{"backup.enabled": "true"}, BackupEnabled, "0", "default", "0 or 1"},
		{"retention", nil, m{"backup.retention_count": "07"}, BackupRetention, "7", "default", "whole number"},
		{"retention: good", nil, m{"backup.retention_count": "30"}, BackupRetention, "30", "stored", ""},
		{"last run", nil, m{"backup.last_run_at": "yesterday"}, BackupLastRun, "", "default", "RFC 3339"},
		{"days", m{"BTY_EVENTS_KEEP_DAYS": "30"}, nil, EventsKeepDays, "30", "variable BTY_EVENTS_KEEP_DAYS", ""},
		{"days: stored", m{"BTY_EVENTS_KEEP_DAYS": "30"}, m{"events.keep_days": "0"}, EventsKeepDays, "0", "stored", ""},
		{"days: nonsense", nil, m{"events.keep_days": "-1"}, EventsKeepDays, "365", "default", "events.keep_days"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := resolve(tt.stored, load(t, tt.vars))
			got := v.text[tt.of]
			if tt.of == RambootOverlay && tt.from != "stored" {
				got.From = tt.from // the loader fills the default in
			}
			if got.Text != tt.text || got.From != tt.from || got.Stored != (tt.from == "stored") {
				t.Errorf("%q from %s, want %q from %s", got.Text, got.From, tt.text, tt.from)
			}
			problems := strings.Join(v.problems, "\n")
			if (problems != "") != (tt.problem != "") || !strings.Contains(problems, tt.problem) {
				t.Errorf("problems %q, want %q", problems, tt.problem)
			}
		})
	}
}

// Typed values are always there, whatever is stored.
func TestTypedValues(t *testing.T) {
	garbage := map[string]string{}
	for name := range checks {
		garbage[string(name)] = "\x00garbage"
	}
	v := resolve(garbage, load(t, nil))
	if v.zone != time.UTC || v.backup != (Backup{Cadence: Manual, Keep: 7}) || v.keepDays != 365 || len(v.problems) != len(checks) {
		t.Errorf("%+v", v)
	}
	at := time.Date(2026, 11, 25, 21, 0, 0, 5000, time.UTC)
	v = resolve(map[string]string{"backup.enabled": "1", "backup.cadence": "weekly", "backup.retention_count": "3",
		"backup.last_run_at": at.Format(time.RFC3339Nano), "display.timezone": "Asia/Tokyo"}, load(t, nil))
	if v.backup != (Backup{true, Weekly, 3, at}) || v.zone.String() != "Asia/Tokyo" || len(v.problems) > 0 {
		t.Errorf("%+v %v", v.backup, v.problems)
	}
}
