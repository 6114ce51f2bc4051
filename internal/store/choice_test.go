package store

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/machine"
)

// Choices survive the file being closed, and a change of one alone is written. That rows of a release
// that had none read as nothing said, the golden files show.
func TestChoicesAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	s := open(t, path)
	ctx := context.Background()
	m := machine.New(mac(1), time.Unix(1, 0).UTC())
	e := catalog.Entry{Ref: catalog.ImageRef{1}, Src: "https://h/a", Name: "a"}
	keep := func(grow, verify catalog.Choice) {
		t.Helper()
		m.Intent.Grow, m.Intent.Verify, e.Grow, e.Verify = grow, verify, grow, verify
		if err := s.Update(ctx, func(tx *Tx) error {
			if err := tx.PutMachine(m); err != nil {
				return err
			}
			return tx.PutImage(e)
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, path)
		_ = s.View(func(tx *Tx) error {
			gotM, _, errM := tx.Machine(m.MAC)
			gotE, _, errE := tx.Image(e.Ref)
			if errM != nil || errE != nil || !gotM.Intent.Equal(m.Intent) || gotE != e || gotM.Intent.Grow != grow || gotM.Intent.Verify != verify {
				t.Errorf("%q and %q came back as %+v (%v) and %+v (%v)", grow, verify, gotM.Intent, errM, gotE, errE)
			}
			return nil
		})
	}
	for _, c := range []catalog.Choice{catalog.Unsaid, catalog.Yes, catalog.No, catalog.Unsaid} {
		keep(c, catalog.Unsaid)
	}
	for _, c := range []catalog.Choice{catalog.Yes, catalog.No, catalog.Unsaid} {
		keep(catalog.Unsaid, c)
	}
}
