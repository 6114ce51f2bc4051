package takeover

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fleet"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/previous"
	"bty/internal/rule"
	"bty/internal/store"
	"bty/internal/testenv/oldstate"
	"bty/internal/wire"
)

const foo = "8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe"

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// site is a state with nothing in it, and who takes another one over.
type site struct {
	*testing.T
	*Taker
	joined int64
	seen   []fleet.Sight
	fresh  int
}

func newSite(t *testing.T) *site {
	t.Helper()
	state, err := store.Open(filepath.Join(t.TempDir(), "bty.db"), "test")
	if err != nil {
		t.Fatal(err)
	}
	go state.Run(context.Background()) //nolint:errcheck // it ends with the store
	t.Cleanup(func() { _ = state.Close() })
	s := &site{T: t}
	s.Taker = New(Config{Store: state, Ledger: ledger.New(slog.New(slog.DiscardHandler)), Now: func() time.Time { return now },
		Joined: func(n int64) { s.joined += n }, Seen: func(one fleet.Sight) { s.seen = append(s.seen, one) }, Refresh: func() error { s.fresh++; return nil }})
	return s
}

// take takes what SQL makes over.
func (s *site) take(change func(*wire.PreviousState), parts ...string) wire.Takeover {
	s.Helper()
	in, err := previous.Read(s.Context(), oldstate.Make(s, append([]string{oldstate.V65}, parts...)...))
	if err != nil {
		s.Fatal(err)
	}
	if change != nil {
		change(in)
	}
	report, err := s.Take(s.Context(), *in, fleet.Who{})
	if err != nil {
		s.Fatal(err)
	}
	return report
}

// row is what became of one row.
func row(r wire.Takeover, id string) wire.TakeoverRow {
	i := slices.IndexFunc(r.Rows, func(row wire.TakeoverRow) bool { return row.ID == id })
	if i < 0 {
		return wire.TakeoverRow{Outcome: "no row " + id}
	}
	return r.Rows[i]
}

func (s *site) update(fn func(*store.Tx) error) {
	s.Helper()
	if err := s.Store.Update(s.Context(), fn); err != nil {
		s.Fatal(err)
	}
}

func (s *site) machine(mac machine.MAC) (m machine.Machine, found bool) {
	s.Helper()
	if err := s.Store.View(func(tx *store.Tx) (err error) { m, found, err = tx.Machine(mac); return err }); err != nil {
		s.Fatal(err)
	}
	return m, found
}

// isEmpty reports whether nothing at all was written.
func (s *site) isEmpty() (empty bool) {
	s.Helper()
	err := s.Store.View(func(tx *store.Tx) error {
		images, err := tx.Images()
		stored, settingsErr := tx.Settings()
		events, eventsErr := tx.Events(event.Filter{Limit: 1})
		empty = tx.CountMachines()+len(images)+len(stored)+len(events) == 0 && err == nil && settingsErr == nil && eventsErr == nil
		return nil
	})
	return empty && err == nil && s.joined == 0 && s.seen == nil && s.fresh == 0
}

const insert = "INSERT INTO machines (mac, boot_mode, bty_image_ref, target_disk_serial, sanboot_drive, last_flashed_at, created_at, updated_at) VALUES "

// Each row that cannot be taken says why, and keeps everything from being written, until it is to
// be left out.
func TestRefusedRows(t *testing.T) {
	for name, tt := range map[string]struct{ sql, id, want string }{
		"no MAC":        {insert + "(NULL, 'bty-tui', NULL, NULL, NULL, NULL, '', '')", "(no MAC)", "it has no MAC"},
		"garbage":       {insert + "('garbage', 'bty-tui', NULL, NULL, NULL, NULL, '', '')", "garbage", `its MAC is none: "garbage"`},
		"empty":         {insert + "('', 'bty-tui', NULL, NULL, NULL, NULL, '', '')", "", "its MAC is none"},
		"twice":         {insert + "('52:54:00:00:00:0a', 'bty-tui', NULL, NULL, NULL, NULL, '', ''), ('52-54-00-00-00-0A', 'ipxe-exit', NULL, NULL, NULL, NULL, '', '')", "52-54-00-00-00-0A", "2 rows are this machine (52:54:00:00:00:0a, 52-54-00-00-00-0A)"},
		"mode":          {insert + "('52:54:00:00:00:0a', 'local', NULL, NULL, NULL, NULL, '', '')", "52:54:00:00:00:0a", `boot_mode is not known: "local"`},
		"image":         {insert + "('52:54:00:00:00:0a', 'bty-tui', 'ABC', NULL, NULL, NULL, '', '')", "52:54:00:00:00:0a", "bty_image_ref is none"},
		"serial":        {insert + "('52:54:00:00:00:0a', 'bty-tui', NULL, printf('%.200c', 'x'), NULL, NULL, '', '')", "52:54:00:00:00:0a", "more than 128 characters"},
		"drive":         {insert + "('52:54:00:00:00:0a', 'bty-tui', NULL, NULL, 'C:', NULL, '', '')", "52:54:00:00:00:0a", "sanboot_drive is none"},
		"time":          {insert + "('52:54:00:00:00:0a', 'bty-tui', NULL, NULL, NULL, 'yesterday', '', '')", "52:54:00:00:00:0a", "last_flashed_at is no time"},
		"label":         {insert + "('52:54:00:00:00:0a', 'bty-tui', NULL, NULL, NULL, NULL, '', ''); INSERT INTO machine_labels VALUES ('52:54:00:00:00:0a', ' x')", "52:54:00:00:00:0a", `its label " x" is none`},
		"image ref":     {"INSERT INTO catalog_entries (bty_image_ref, src, name, added_at) VALUES ('" + foo + "', 'https://example.com/other', 'n', '')", "https://example.com/other", "and its src gives"},
		"image source":  {"INSERT INTO catalog_entries (bty_image_ref, src, name, added_at) VALUES ('x', 'ftp://example.com/x', 'n', '')", "ftp://example.com/x", "its src cannot be used"},
		"image digest":  {"INSERT INTO catalog_entries (bty_image_ref, src, name, disk_image_sha, added_at) VALUES ('" + foo + "', 'https://example.com/foo.img.gz', 'n', 'none', '')", "https://example.com/foo.img.gz", "disk_image_sha is none"},
		"image name":    {"INSERT INTO catalog_entries (bty_image_ref, src, name, added_at) VALUES ('" + foo + "', 'https://example.com/foo.img.gz', ' ', '')", "https://example.com/foo.img.gz", "its name is none"},
		"image format":  {"INSERT INTO catalog_entries (bty_image_ref, src, name, format, added_at) VALUES ('" + foo + "', 'https://example.com/foo.img.gz', 'n', 'rar', '')", "https://example.com/foo.img.gz", "its format is not known"},
		"setting":       {"INSERT INTO settings VALUES ('display.timezone', 'Mars', '')", "display.timezone", "the time zone is"},
		"setting value": {"INSERT INTO settings VALUES ('backup.enabled', 'yes', '')", "backup.enabled", "must be 0 or 1"},
	} {
		s := newSite(t)
		good := insert + "('52:54:00:00:00:01', 'bty-tui', NULL, NULL, NULL, NULL, '', '')"
		r := s.take(nil, good, tt.sql)
		got := row(r, tt.id)
		if got.Outcome != wire.TakenRefused || !strings.Contains(got.Reason, tt.want) || r.Written || !s.isEmpty() {
			t.Errorf("%s: %+v, written %t, empty %t; want %q", name, got, r.Written, s.isEmpty(), tt.want)
		}
		r = s.take(func(in *wire.PreviousState) { in.SkipBad = true }, good, tt.sql)
		if got := row(r, tt.id); !r.Written || got.Outcome != wire.TakenNot || s.joined != 1 {
			t.Errorf("%s left out: %+v, written %t, %d joined", name, got, r.Written, s.joined)
		}
	}
}

// A password in a source reaches neither the report nor the state.
func TestSecretsOfSources(t *testing.T) {
	s := newSite(t)
	r := s.take(nil, "INSERT INTO catalog_entries (bty_image_ref, src, name, added_at) VALUES ('"+foo+"', 'https://bob:s3cr3t@example.com/foo.img.gz?token=t0ken', 'n', '')",
		"INSERT INTO settings VALUES ('withcache.url', 'http://bob:s3cr3t@cache:3000', '')")
	if r.Written || r.Outcomes[wire.TakenRefused] != 2 || !s.isEmpty() {
		t.Errorf("%+v", r)
	}
	for _, row := range r.Rows {
		if text := row.ID + row.Reason; strings.Contains(text, "s3cr3t") || strings.Contains(text, "t0ken") {
			t.Errorf("%+v", row)
		}
	}
}

var box = machine.MAC{0x52, 0x54, 0, 0, 0, 0x0a}

// What is known here otherwise is named, and stays or goes only if somebody says which.
func TestConflicts(t *testing.T) {
	ref, _ := catalog.RefOf("https://example.com/foo.img.gz")
	there := []string{insert + "('52:54:00:00:00:0a', 'bty-flash-once', '" + foo + "', 'S1', NULL, '2026-06-20T10:00:00+00:00', '', '')",
		"INSERT INTO catalog_entries (bty_image_ref, src, name, disk_image_sha, added_at) VALUES ('" + foo + "', 'https://example.com/foo.img.gz', 'n', printf('%.64c', 'a'), '')",
		"INSERT INTO settings VALUES ('display.timezone', 'Europe/Oslo', '')"}
	for _, tt := range []struct {
		how, outcome string
		written      bool
		mode         machine.BootMode
		digest       byte
		zone         string
	}{
		{"refuse", wire.TakenConflict, false, machine.TUI, 1, "UTC"},
		{"keep", wire.TakenKept, true, machine.TUI, 1, "UTC"},
		{"replace", wire.TakenReplaced, true, machine.FlashOnce, 0xaa, "Europe/Oslo"},
	} {
		s := newSite(t)
		s.update(func(tx *store.Tx) error {
			if err := tx.PutMachine(machine.Machine{MAC: box, Intent: machine.Intent{Mode: machine.TUI, TargetSerial: "S1"}, CreatedAt: now}); err != nil {
				return err
			}
			if err := tx.PutImage(catalog.Entry{Ref: ref, Src: "https://example.com/foo.img.gz", Name: "n", Digest: catalog.Digest{1}, Grow: catalog.No}); err != nil {
				return err
			}
			return tx.PutSetting("display.timezone", "UTC")
		})
		r := s.take(func(in *wire.PreviousState) { in.Conflict, in.Images[0].Verify = tt.how, new(true) }, there...)
		if r.Written != tt.written || r.Outcomes[tt.outcome] != 3 {
			t.Errorf("%s: %+v", tt.how, r)
		}
		if got := row(r, box.String()).Reason; !strings.Contains(got, "mode: here bty-tui, there bty-flash-once") || strings.Contains(got, "disk:") {
			t.Errorf("%s: %s", tt.how, got)
		}
		m, _ := s.machine(box)
		var e catalog.Entry
		var stored map[string]string
		s.update(func(tx *store.Tx) (err error) {
			if e, _, err = tx.Image(ref); err == nil {
				stored, err = tx.Settings()
			}
			return err
		})
		if m.Intent.Mode != tt.mode || e.Digest[0] != tt.digest || stored["display.timezone"] != tt.zone || s.joined != 0 {
			t.Errorf("%s: %+v %x %v, %d joined", tt.how, m, e.Digest, stored, s.joined)
		}
		// What is not said there stays, even in a row that is replaced.
		if taken := tt.how == "replace"; e.Grow != catalog.No || taken != (e.Verify == catalog.Yes) {
			t.Errorf("%s: grow %q, verify %q", tt.how, e.Grow, e.Verify)
		}
	}
}

// A machine that was only seen here is no conflict; newer hardware stays, and so does what has
// happened here to one that is set the same.
func TestKnownHere(t *testing.T) {
	s := newSite(t)
	size := "1G"
	newer := machine.New(box, now)
	newer.Facts.InventoriedAt = now
	s.update(func(tx *store.Tx) error {
		if err := tx.PutHardware(box, machine.Hardware{Disks: []machine.Disk{{Path: "/dev/new", Size: &size}}}); err != nil {
			return err
		}
		return tx.PutMachine(newer)
	})
	there := []string{"INSERT INTO machines (mac, boot_mode, target_disk_serial, known_disks, known_disks_at, saw_flasher_boot, created_at, updated_at) VALUES " +
		"('52:54:00:00:00:0A', 'bty-tui', 'S1', '[{\"path\": \"/dev/old\"}]', '2026-06-01T00:00:00+00:00', 0, '', '')"}
	r := s.take(nil, there...)
	m, _ := s.machine(box)
	var h machine.Hardware
	s.update(func(tx *store.Tx) (err error) { h, _, err = tx.Hardware(box); return err })
	if got := row(r, box.String()); got.Outcome != wire.TakenChanged || m.Intent.Mode != machine.TUI || h.Disks[0].Path != "/dev/new" || s.joined != 0 || s.fresh != 1 {
		t.Errorf("%+v %+v %+v", got, m, h)
	}
	m.Facts.FlashedAt = now
	m.Intent.KernelWords, m.Intent.Grow, m.Intent.Verify = "bty.vlan=5", catalog.No, catalog.Yes // of which the previous system knows nothing
	s.update(func(tx *store.Tx) error { return tx.PutMachine(m) })
	if r := s.take(nil, there...); row(r, box.String()).Outcome != wire.TakenUnchanged {
		t.Errorf("%+v", r)
	}
	if m, _ := s.machine(box); !m.Facts.FlashedAt.Equal(now) {
		t.Errorf("%+v", m)
	}
	s.take(func(in *wire.PreviousState) { in.Conflict = "replace" }, strings.Replace(there[0], "'S1'", "'S2'", 1))
	if m, _ := s.machine(box); m.Intent.TargetSerial != "S2" || m.Intent.KernelWords != "bty.vlan=5" || m.Intent.Grow != catalog.No || m.Intent.Verify != catalog.Yes {
		t.Errorf("replaced: %+v", m.Intent)
	}
}

func TestDryRunAndBadCalls(t *testing.T) {
	s := newSite(t)
	r := s.take(func(in *wire.PreviousState) { in.DryRun = true }, oldstate.Site)
	if r.Written || !r.DryRun || !s.isEmpty() || len(r.WillFlash) != 5 || r.Outcomes[wire.TakenNew] != 24 {
		t.Errorf("%+v", r)
	}
	if _, err := s.Take(t.Context(), wire.PreviousState{Conflict: "overwrite"}, fleet.Who{}); err == nil || !strings.Contains(err.Error(), "refuse, replace or keep") {
		t.Errorf("%v", err)
	}
	s.busy.Lock()
	if _, err := s.Take(t.Context(), wire.PreviousState{}, fleet.Who{}); err == nil || !strings.Contains(err.Error(), "another import") {
		t.Errorf("%v", err)
	}
}

// A machine that has no image or disk of its own may get one from the rules here, by the hardware that comes with
// it: whoever takes it over is told that it is flashed.
func TestFlashedByRules(t *testing.T) {
	s := newSite(t)
	ref, err := catalog.RefOf("https://example.com/foo.img.gz")
	if err != nil {
		t.Fatal(err)
	}
	s.update(func(tx *store.Tx) error {
		return errors.Join(tx.PutImage(catalog.Entry{Ref: ref, Src: "https://example.com/foo.img.gz", Name: "foo"}),
			tx.PutDefault(rule.Assignment{Image: ref, Disk: &rule.DiskRule{Pick: rule.Only}}))
	})
	const disks = `'[{"path": "/dev/sda", "size": "100G", "serial": "S9", "type": "disk"}]'`
	r := s.take(nil, "INSERT INTO machines (mac, boot_mode, bty_image_ref, target_disk_serial, known_disks, saw_flasher_boot, created_at, updated_at) VALUES "+
		"('52:54:00:00:00:01', 'bty-flash-always', '"+ref.String()+"', NULL, "+disks+", 0, '', ''),"+
		"('52:54:00:00:00:02', 'bty-flash-always', NULL, 'S1', NULL, 0, '', ''),"+
		"('52:54:00:00:00:03', 'bty-flash-always', '"+ref.String()+"', NULL, NULL, 0, '', '')")
	var flashes []string
	s.update(func(tx *store.Tx) error {
		for _, id := range []string{"52:54:00:00:00:01", "52:54:00:00:00:02"} {
			mac, err := machine.ParseMAC(id)
			if err != nil {
				return err
			}
			m, _, err := tx.Machine(mac)
			will, asked := fleet.WillFlash(tx, m)
			if err = errors.Join(err, asked); err != nil {
				return err
			}
			if will {
				flashes = append(flashes, id)
			}
		}
		return nil
	})
	if !r.Written || len(flashes) != 2 || !slices.Equal(r.WillFlash, flashes) {
		t.Errorf("flashed are %q, and it says %q: %+v", flashes, r.WillFlash, r)
	}
	for id, want := range map[string]bool{"52:54:00:00:00:01": false, "52:54:00:00:00:03": true} {
		if got := row(r, id); strings.Contains(got.Reason, "no target disk") != want {
			t.Errorf("%+v", got)
		}
	}
}
