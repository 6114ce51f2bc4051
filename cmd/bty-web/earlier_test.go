package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bty/internal/store"
	"bty/internal/testenv/states"
	"bty/internal/wire"
)

// The state folder of each earlier release is taken over as it is: no row, no secret, no setting and no
// backup is lost, and what the site wrote stays as it wrote it.
func TestStatesOfEarlierReleases(t *testing.T) {
	t.Parallel()
	for i, name := range states.Names() {
		t.Run(name, func(t *testing.T) {
			a := prepare(t, map[string]string{"BTY_ADMIN_PASSWORD": ""})
			if err := states.Unpack(name, a.state); err != nil {
				t.Fatal(err)
			}
			// These tests name one file to read the configuration from.
			if err := os.Symlink(filepath.Join(a.state, "bty.toml"), filepath.Join(filepath.Dir(a.state), "none.toml")); err != nil {
				t.Fatal(err)
			}
			before := rowsOf(t, filepath.Join(a.state, "bty.db"))
			files := map[string]string{}
			for _, file := range []string{"bty.toml", "catalog.toml", "session-secret", "boot/bty-live-x86_64.initrd"} {
				files[file] = readFile(t, filepath.Join(a.state, file))
			}
			a.begin()
			after := a.rows()
			if len(before["machines"]) != states.Machines || after.Schema != uint32(len(states.Names())) {
				t.Errorf("%d machines before, schema %d after", len(before["machines"]), after.Schema)
			}
			for table, names := range before {
				for _, row := range names {
					if !slices.Contains(after.Tables[table], row) {
						t.Errorf("%s of %s is lost", row, table)
					}
				}
			}
			a.vars["BTY_ADMIN_PASSWORD"] = states.Password // of its bty.toml
			a.signIn()
			if labels := a.machine("52:54:00:00:01:03")["labels"]; len(labels.([]any)) != 2 {
				t.Errorf("labels %v", labels)
			}
			if n := len(a.do("GET", "/api/v1/backups", nil).is(t, 200).object(t)["backups"].([]any)); n != min(i, 1) {
				t.Errorf("%d backups", n)
			}
			for file, was := range files {
				if now := readFile(t, filepath.Join(a.state, file)); now != was {
					t.Errorf("%s was changed to\n%s", file, now)
				}
			}
			kept, err := filepath.Glob(filepath.Join(a.state, "bty.db.schema*"))
			if i+1 < len(states.Names()) {
				if err != nil || len(kept) != 1 || !reflect.DeepEqual(rowsOf(t, kept[0]), before) {
					t.Errorf("kept of it: %q, %v", kept, err)
				}
			} else if len(kept) > 0 {
				t.Errorf("nothing was migrated, and %q was kept", kept)
			}
			a.restart()
			a.alive()
			if again, _ := filepath.Glob(filepath.Join(a.state, "bty.db.schema*")); !slices.Equal(again, kept) {
				t.Errorf("another start kept %q", again)
			}
		})
	}
}

// rows are what the running server says of its database.
func (a *appliance) rows() (rows wire.Rows) {
	a.Helper()
	status, text := a.control("GET", "/rows")
	if err := json.Unmarshal([]byte(text), &rows); err != nil || status != 200 {
		a.Fatalf("%d %s: %v", status, text, err)
	}
	return rows
}

func rowsOf(t *testing.T, path string) (rows map[string][]string) {
	t.Helper()
	kept, err := store.OpenCopy(path, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if err := kept.View(func(tx *store.Tx) error { rows = tx.Rows(); return nil }); err != nil {
		t.Fatal(err)
	}
	return rows
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ToValidUTF8(string(raw), "?")
}
