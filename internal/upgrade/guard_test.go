package upgrade

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"bty/internal/store"
	"bty/internal/testenv/states"
)

// place is a state of an earlier release, a file that marks the release in place, and an armed guard.
type place struct {
	*testing.T
	Guard
	folder, mark string
	before       map[string][]string
}

func newPlace(t *testing.T, state string) *place {
	dir := t.TempDir()
	p := &place{T: t, folder: filepath.Join(dir, "2026-11-26T10-00-00Z"), mark: filepath.Join(dir, "bty-web")}
	p.Database = filepath.Join(dir, "state", "bty.db")
	if err := states.Unpack(state, filepath.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	p.put("old")
	sum, err := digestOf(p.mark)
	if err != nil {
		t.Fatal(err)
	}
	p.Old = map[string]string{p.mark: sum}
	p.before = p.rows(p.Database)
	return p
}

// put has a release in place.
func (p *place) put(release string) {
	p.Helper()
	if err := os.WriteFile(p.mark, []byte(release), 0o755); err != nil {
		p.Fatal(err)
	}
}

func (p *place) rows(path string) map[string][]string {
	p.Helper()
	rows, err := rowsIn(path)
	if err != nil {
		p.Fatal(err)
	}
	return rows
}

func (p *place) stand(says string) {
	p.Helper()
	said, err := p.Stand(context.Background(), p.folder)
	if err != nil || says == "" && said != "" || !strings.Contains(said, says) {
		p.Fatalf("%q, %v; want %q", said, err, says)
	}
}

// migrate is what a newer release does first.
func (p *place) migrate() {
	p.Helper()
	s, err := store.Open(p.Database, "test")
	if err != nil {
		p.Fatal(err)
	}
	if err := s.Abandon(); err != nil {
		p.Fatal(err)
	}
}

func (p *place) back() {
	p.Helper()
	if err := os.WriteFile(filepath.Join(p.folder, backName), nil, 0o600); err != nil {
		p.Fatal(err)
	}
	p.put("old")
}

// Every earlier release gets its own database back, with all rows, and what the new one made of it is kept.
func TestGuardPutsBack(t *testing.T) {
	names := states.Names()
	for _, name := range names[:len(names)-1] { // the last one is migrated by nobody
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, name)
			p.stand("") // the old release starts once more
			p.put("new")
			p.stand("kept")
			p.migrate()
			p.stand("") // it crashed, and starts again: what was kept is not replaced
			p.back()
			p.stand("put back as the old release left it")
			if lost := Lost(p.before, p.rows(p.Database)); len(lost) > 0 {
				t.Errorf("lost: %v", lost)
			}
			schema, err := schemaOf(p.Database)
			if err != nil || int(schema) != 1+slices.Index(names, name) {
				t.Errorf("schema %d, %v", schema, err)
			}
			if newer, err := schemaOf(p.Database + aside + filepath.Base(p.folder)); err != nil || int(newer) != len(names) {
				t.Errorf("the database put aside has schema %d, %v", newer, err)
			}
			if info, err := os.Stat(p.Database); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
			p.stand("") // and once more
			p.migrate() // by the new release, which somebody has installed meanwhile
			p.stand("put back as the old release left it")
			if second, err := schemaOf(p.Database + aside + filepath.Base(p.folder) + ".2"); err != nil || int(second) != len(names) {
				t.Errorf("the second database put aside has schema %d, %v", second, err)
			}
			if putBackNote(p.folder) == "" {
				t.Error("nothing tells what was done")
			}
		})
	}
}

// A database that the old release knows stays, with what was written to it meanwhile.
func TestGuardLeavesWhatTheOldReleaseKnows(t *testing.T) {
	names := states.Names()
	p := newPlace(t, names[len(names)-1])
	p.put("new")
	p.stand("kept")
	s, err := store.Open(p.Database, "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	if err := s.Update(ctx, func(tx *store.Tx) error { return tx.PutSetting("written.meanwhile", "yes") }); err != nil {
		t.Fatal(err)
	}
	stop()
	<-ran
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p.back()
	p.stand("")
	if rows := p.rows(p.Database); !slices.Contains(rows["settings"], "written.meanwhile") {
		t.Errorf("%v", rows["settings"])
	}
}

// What the new release has damaged, or a newer one wrote, is put aside as well.
func TestGuardPutsAside(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, string){
		"damaged": func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("no database"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"gone": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"newer": func(t *testing.T, path string) { setSchema(t, path, 99) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, "schema4")
			p.put("new")
			p.stand("kept")
			spoil(t, p.Database)
			p.back()
			p.stand("put back")
			if lost := Lost(p.before, p.rows(p.Database)); len(lost) > 0 {
				t.Errorf("lost: %v", lost)
			}
		})
	}
}

func setSchema(t *testing.T, path string, schema byte) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte{0, 0, 0, schema})
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// A new release that never opened the database gives nothing to put back, and a host without one has none
// to keep.
func TestGuardWithoutADatabase(t *testing.T) {
	p := newPlace(t, "schema1")
	p.back()
	p.stand("")
	if err := os.Remove(p.Database); err != nil {
		t.Fatal(err)
	}
	p.put("new")
	p.stand("")
}

// A database that cannot be kept is not opened by the new release.
func TestGuardCannotKeep(t *testing.T) {
	p := newPlace(t, "schema1")
	p.put("new")
	p.folder = filepath.Join(p.folder, "gone")
	if said, err := p.Stand(t.Context(), p.folder); err == nil || !strings.Contains(err.Error(), "keep the database before the new release opens it") {
		t.Errorf("%q, %v", said, err)
	}
}
