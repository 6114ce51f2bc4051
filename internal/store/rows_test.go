package store

import (
	"reflect"
	"slices"
	"testing"
)

// Each schema's rows keep their names in the next: they are compared across upgrades.
func TestRows(t *testing.T) {
	for file, want := range map[string]map[string]int{
		goldenFile:  {"machines": len(schema1().Machines), "images": len(schema1().Images), "settings": 0, "tokens": 0, "rules": 0},
		goldenFile2: {"machines": len(schema2().Machines), "images": len(schema2().Images), "settings": 3, "tokens": 2, "rules": 4},
		goldenFile4: {"machines": len(schema4().Machines), "images": len(schema4().Images), "settings": 3, "tokens": 2, "rules": 4},
	} {
		path := copied(t, file)
		before := copyRows(t, path)
		for table, n := range want {
			if len(before[table]) != n {
				t.Errorf("%s: %s are %q, want %d", file, table, before[table], n)
			}
		}
		s := open(t, path)
		var after map[string][]string
		if err := s.View(func(tx *Tx) error { after = tx.Rows(); return nil }); err != nil {
			t.Fatal(err)
		}
		for table, names := range before {
			for _, name := range names {
				if !slices.Contains(after[table], name) {
					t.Errorf("%s: %s of %s is lost by the migration", file, name, table)
				}
			}
		}
		if !reflect.DeepEqual(before["machines"], after["machines"]) {
			t.Errorf("%s: %q became %q", file, before["machines"], after["machines"])
		}
	}
}

func copyRows(t *testing.T, path string) (rows map[string][]string) {
	t.Helper()
	kept, err := OpenCopy(path, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if err := kept.View(func(tx *Tx) error { rows = tx.Rows(); return nil }); err != nil {
		t.Fatal(err)
	}
	return rows
}
