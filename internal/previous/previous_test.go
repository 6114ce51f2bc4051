package previous

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bty/internal/testenv/oldstate"
	"bty/internal/wire"
)

func read(t *testing.T, path string) *wire.PreviousState {
	t.Helper()
	state, err := Read(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func rowOf(t *testing.T, s *wire.PreviousState, mac string) wire.PreviousMachine {
	t.Helper()
	for _, m := range s.Machines {
		if m.MAC == mac {
			return m
		}
	}
	t.Fatalf("%s is not among %+v", mac, s.Machines)
	return wire.PreviousMachine{}
}

func TestRead(t *testing.T) {
	s := read(t, oldstate.Make(t, oldstate.V65, oldstate.Site))
	if len(s.Machines) != 17 || len(s.Images) != 2 || len(s.Settings) != 8 || s.Events != 5 || s.MadeBy != "0.65.4" || len(s.Lost) != 0 {
		t.Errorf("%d machines, %d images, %d settings, %d events of %s; lost %v", len(s.Machines), len(s.Images), len(s.Settings), s.Events, s.MadeBy, s.Lost)
	}
	m := rowOf(t, s, "52:54:00:00:03:03")
	if !m.Started || m.DisksAt != "2026-06-20T09:00:00+00:00" || strings.Join(m.Labels, "|") != "GPU|a.b-c_d|rack 3" || m.SeenFrom != "192.0.2.33" ||
		!strings.Contains(string(m.Disks), `"S33"`) || !strings.Contains(string(m.Tree), "R640") || m.Problem != "" || m.Notes != nil {
		t.Errorf("%+v", m)
	}
	if m := rowOf(t, s, "52:54:00:00:05:04"); m.StartedAt != "2026-06-21T09:50:00+00:00" || m.FlashedAt != "2026-06-20T10:00:00+00:00" {
		t.Errorf("%+v", m)
	}
	if s.Catalog == "" || s.Catalog != s.Source {
		t.Errorf("the catalog is in %q, the state in %q", s.Catalog, s.Source)
	}
	if e := s.Images[0]; e.Src != "https://example.com/foo.img.gz" || e.Size != 1024 || e.Description != "the foo" {
		t.Errorf("%+v", e)
	}
}

func TestOtherReleases(t *testing.T) {
	s := read(t, oldstate.Make(t, oldstate.V65, oldstate.Site, oldstate.To57, "UPDATE machines SET hostname = 'node-7' WHERE mac LIKE '%:01:01'"))
	if m := rowOf(t, s, "52:54:00:00:01:01"); s.MadeBy != "0.57.2" || len(m.Labels) != 1 || m.Labels[0] != "node-7" || len(m.Notes) != 1 {
		t.Errorf("%s: %+v", s.MadeBy, m)
	}
	s = read(t, oldstate.Make(t, oldstate.V65, oldstate.Site, oldstate.To77))
	if len(s.Images) != 0 || len(s.Lost) != 0 || s.Catalog != "" {
		t.Errorf("%q %+v", s.Catalog, s.Lost)
	}
}

// What is wrong with a row stands in the row, whatever it is; the others are read.
func TestBadRows(t *testing.T) {
	s := read(t, oldstate.Make(t, oldstate.V65, `
		INSERT INTO machines (mac, boot_mode, created_at, updated_at) VALUES (NULL, 'bty-tui', 'x', 'x'), ('', 'bty-tui', 'x', 'x'), (7, 'bty-tui', 'x', 'x'),
			(CAST(x'fffe' AS TEXT), 'bty-tui', 'x', 'x'), ('good', 'bty-tui', 'x', 'x');
		INSERT INTO machines (mac, boot_mode, target_disk_serial, created_at, updated_at, saw_flasher_boot) VALUES
			('big', 'bty-tui', printf('%.5000c', 'x'), 'x', 'x', 0), ('binary', x'00ff', NULL, 'x', 'x', 0), ('text', 'bty-tui', CAST(x'61ff' AS TEXT), 'x', 'x', 'yes');
		INSERT INTO machines (mac, boot_mode, known_disks, hw_lshw, created_at, updated_at) VALUES ('disks', 'bty-tui', '[{', printf('%.5000000c', 'x'), 'x', 'x');
		INSERT INTO machine_labels VALUES ('gone', 'a'), ('gone', 'b'), ('good', CAST(x'c3' AS TEXT));
		INSERT INTO settings VALUES ('k', CAST(x'c3' AS TEXT), 'x');
		INSERT INTO catalog_entries (bty_image_ref, src, name, size_bytes, added_at) VALUES ('r', 's', 'n', 'many', 'x');`))
	for i, want := range []string{"it has no MAC", "", "", "mac is not UTF-8", "label is not UTF-8", "target_disk_serial has 5000 bytes", "boot_mode is binary data", "target_disk_serial is not UTF-8", ""} {
		if got := s.Machines[i].Problem; want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%d: %q, want %q", i, got, want)
		}
	}
	if m := rowOf(t, s, "text"); !strings.Contains(m.Problem, "saw_flasher_boot is text") {
		t.Errorf("%+v", m)
	}
	if m := rowOf(t, s, "disks"); len(m.Notes) != 2 || m.Disks != nil || m.Tree != nil || !strings.Contains(m.Notes[1], "5000000 bytes") {
		t.Errorf("%+v", m)
	}
	if len(s.Lost) != 1 || s.Lost[0].ID != "gone" || !strings.Contains(s.Lost[0].Reason, "(a, b)") {
		t.Errorf("%+v", s.Lost)
	}
	if s.Settings[0].Problem == "" || s.Images[0].Problem == "" {
		t.Errorf("%+v %+v", s.Settings, s.Images)
	}
}

// Each file that cannot be read says what it is and what to do.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, raw []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sound, err := os.ReadFile(oldstate.Make(t, oldstate.V65, oldstate.Site))
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	holes := append([]byte{}, sound...)
	clear(holes[4096:12288])
	for name, tt := range map[string]struct{ path, want string }{
		"nothing":     {filepath.Join(dir, "none"), "give the state.db"},
		"folder":      {dir, "is a folder; give the state.db in it"},
		"fifo":        {fifo, "is no file"},
		"empty":       {file("empty", nil), "is empty"},
		"short":       {file("short", sound[:50]), "is truncated"},
		"text":        {file("text", []byte("version = 1\n")), "no SQLite database, or an encrypted one"},
		"encrypted":   {file("encrypted", append([]byte("\x8a\x11 no header at all"), sound[20:]...)), "no SQLite database, or an encrypted one"},
		"garbage":     {file("garbage", append([]byte(magic), []byte(strings.Repeat("garbage", 900))...)), "is no SQLite database"},
		"half":        {file("half", sound[:len(sound)/2]), "is truncated or damaged"},
		"a hole":      {file("hole", holes), "is truncated or damaged"},
		"no tables":   {oldstate.Make(t, "CREATE TABLE x (y); DROP TABLE x"), "it has no tables"},
		"not ours":    {oldstate.Make(t, "CREATE TABLE notes (text)"), `a table "notes", which is not known`},
		"too old":     {oldstate.Make(t, oldstate.V65, "ALTER TABLE machines DROP COLUMN hw_lshw"), `no column "hw_lshw"`},
		"renamed":     {oldstate.Make(t, oldstate.V65, "ALTER TABLE machines RENAME COLUMN boot_mode TO boot_policy"), `"boot_policy", which is not known`},
		"newer":       {oldstate.Make(t, oldstate.V65, "ALTER TABLE machines ADD COLUMN vlan"), `"vlan", which is not known`},
		"no settings": {oldstate.Make(t, oldstate.V65, "DROP TABLE settings"), `no table "settings"`},
		"no version":  {oldstate.Make(t, oldstate.V65, "DELETE FROM bty_version"), "it names 0 versions"},
		"UTF-16":      {oldstate.Make(t, "PRAGMA encoding = 'UTF-16le'", oldstate.V65), "UTF-16le"},
	} {
		_, err := Read(t.Context(), tt.path)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
			t.Errorf("%s: %v; want %q", name, err, tt.want)
		}
	}
}

// all is every file of a folder with its content.
func all(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[e.Name()] = string(raw)
	}
	return found
}

// untouched reads a database and holds the folder against what it was.
func untouched(t *testing.T, path string) *wire.PreviousState {
	t.Helper()
	before := all(t, filepath.Dir(path))
	s := read(t, path)
	after := all(t, filepath.Dir(path))
	for name, raw := range before {
		if name != "state.db-shm" && after[name] != raw { // what readers lock is not state
			t.Errorf("%s was changed", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("there are %d files and were %d", len(after), len(before))
	}
	return s
}

// What was committed is read from the log beside the file too, while the system runs, after it was
// killed, and when only the log was copied along.
func TestLogBesideTheFile(t *testing.T) {
	path := oldstate.Make(t, oldstate.V65, oldstate.Site, "PRAGMA journal_mode = WAL")
	untouched(t, path)
	running := oldstate.Open(t, path)
	defer running.Close()
	if _, err := running.Exec("PRAGMA wal_autocheckpoint = 0; UPDATE machines SET boot_mode = 'bty-tui' WHERE mac = '52:54:00:00:01:01'"); err != nil {
		t.Fatal(err)
	}
	if s := untouched(t, path); rowOf(t, s, "52:54:00:00:01:01").Mode != "bty-tui" {
		t.Error("the log was not read beside a system that runs")
	}
	killed := t.TempDir()
	for name, raw := range all(t, filepath.Dir(path)) {
		if err := os.WriteFile(filepath.Join(killed, name), []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left := filepath.Join(killed, "state.db")
	if s := untouched(t, left); rowOf(t, s, "52:54:00:00:01:01").Mode != "bty-tui" {
		t.Error("the log was not read after a kill")
	}
	if err := os.Remove(left + "-shm"); err != nil {
		t.Fatal(err)
	}
	if s := untouched(t, left); rowOf(t, s, "52:54:00:00:01:01").Mode != "bty-tui" {
		t.Error("the log was not read without its index")
	}
	if copies, _ := filepath.Glob(filepath.Join(os.TempDir(), "bty-import-*")); len(copies) > 0 {
		t.Errorf("copies are left: %v", copies)
	}
}

// A change that broke off is not read; one that is under way is not seen.
func TestChangeUnderWay(t *testing.T) {
	path := oldstate.Make(t, oldstate.V65, oldstate.Site)
	running := oldstate.Open(t, path)
	defer running.Close()
	if _, err := running.Exec("PRAGMA cache_size = 1; BEGIN IMMEDIATE; UPDATE machines SET boot_mode = 'bty-tui'"); err != nil {
		t.Fatal(err)
	}
	if s := untouched(t, path); rowOf(t, s, "52:54:00:00:01:01").Mode != "ipxe-exit" {
		t.Error("half a change was read")
	}
}

func TestLocked(t *testing.T) {
	path := oldstate.Make(t, oldstate.V65)
	running := oldstate.Open(t, path)
	defer running.Close()
	if _, err := running.Exec("BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	wait = 50
	defer func() { wait = busyWait }()
	if _, err := Read(t.Context(), path); err == nil || !strings.Contains(err.Error(), "locked by another program") {
		t.Errorf("%v", err)
	}
}

func TestFind(t *testing.T) {
	path := oldstate.Make(t, oldstate.V65)
	for _, given := range []string{path, filepath.Dir(path)} {
		if got, err := Find(given); err != nil || got != path {
			t.Errorf("%s: %s, %v", given, got, err)
		}
	}
	for given, want := range map[string]string{"/nonexistent": "give the state folder", t.TempDir(): "holds no state.db"} {
		if _, err := Find(given); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
}
