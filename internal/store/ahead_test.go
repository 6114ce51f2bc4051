package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"bty/internal/event"
)

// Zeros go where nobody has written yet: the database holds together at every size, also when a long
// reader makes it grow, and when it is opened again.
func TestAheadNeverTouchesWhatIsUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	text := string(bytes.Repeat([]byte("x"), 20_000))
	n := 0
	for range 2 {
		s := open(t, path)
		grow := func() {
			for range 60 {
				err := s.Update(context.Background(), func(tx *Tx) error {
					for range 5 {
						n++
						if err := tx.AppendEvent(&event.Event{Kind: event.MachineFlashed, Summary: fmt.Sprint(n, text)}); err != nil {
							return err
						}
					}
					return tx.PutMachine(schema1().Machines[n%5])
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		grow()
		if err := s.View(func(*Tx) error { grow(); return nil }); err != nil {
			t.Fatal(err)
		}
		all := 0
		err := s.View(func(tx *Tx) error {
			return tx.EachEventBack(0, func(e event.Event) (bool, error) {
				if e.Summary != fmt.Sprint(n-all, text) {
					t.Fatalf("event %d is not what was put", e.ID)
				}
				all++
				return true, nil
			})
		})
		if err != nil || all != n {
			t.Fatalf("%d of %d events: %v", all, n, err)
		}
		check(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAhead(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const end = 64 << 20
	content := bytes.Repeat([]byte{7}, 1<<20)
	if _, err := file.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(end); err != nil {
		t.Fatal(err)
	}
	a := ahead{file: file}
	used, steps := int64(len(content)), 0
	for range 100 {
		before := a.filled
		if a.keep(used); a.filled != max(before, used) {
			steps++
		}
	}
	if a.filled-used != fillStep || steps != 1 {
		t.Errorf("of a small file %d bytes are filled in %d steps", a.filled-used, steps)
	}
	got := make([]byte, len(content))
	if _, err := file.ReadAt(got, 0); err != nil || !bytes.Equal(got, content) {
		t.Errorf("what was there is not there any more: %v", err)
	}
	for used = 40 << 20; used < end; used += 4096 {
		if a.keep(used); a.filled-used > mostAhead+fillStep || a.filled > end {
			t.Fatalf("used up to %d, filled up to %d", used, a.filled)
		}
	}
	if info, err := file.Stat(); err != nil || info.Size() != end || a.filled != end {
		t.Errorf("the file ends at %d, filled up to %d: %v", info.Size(), a.filled, err)
	}
	file.Close()
	a.filled = 0
	if a.keep(used - end); !a.off {
		t.Error("a file that takes nothing is tried again and again")
	}
}
