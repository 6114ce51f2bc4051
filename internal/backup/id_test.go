package backup

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseID(t *testing.T) {
	for text, want := range map[string]bool{
		"2026-11-25T12-00-00Z": true, "2026-11-25T12-00-00Z-1": true, "2026-11-25T12-00-00Z-12": true,
		"2026-11-25T12-00-00Z-keep": false, "2026-11-25T12-00-00Zfoo": false, "2026-11-25T12-00-00Z-0": false, "2026-11-25T12-00-00Z-01": false,
		"2026-13-25T12-00-00Z": false, "2026-02-30T12-00-00Z": false, "2026-11-25T12:00:00Z": false, "2026-11-25T12-00-00Z\n": false,
		"": false, "..": false, ".partial-2026-11-25T12-00-00Z": false, "2026-11-25T12-00-00Z/../x": false, "2026-11-25T12-00-00Z-9999999": false,
	} {
		if _, got := ParseID(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestOrderOfIDs(t *testing.T) {
	want := []ID{"2026-11-25T12-00-00Z", "2026-11-25T12-00-00Z-1", "2026-11-25T12-00-00Z-2", "2026-11-25T12-00-00Z-10", "2026-11-25T12-00-01Z"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, Compare)
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// An ID is given once: within a second, when the clock goes back, and when the process was
// restarted in the second of the last backup.
func TestNewID(t *testing.T) {
	dir := t.TempDir()
	s := siteIn(t, dir, "")
	given := map[ID]bool{}
	take := func(s *site) {
		t.Helper()
		s.Manager.mu.Lock()
		defer s.Manager.mu.Unlock()
		id := s.newID()
		if _, ok := ParseID(string(id)); !ok || given[id] {
			t.Errorf("%s is given twice, or is none", id)
		}
		given[id] = true
	}
	for range 3 {
		take(s)
	}
	s.pass(-time.Hour)
	take(s)
	take(s)
	s.pass(2 * time.Hour)
	take(s)
	s.pass(-2*time.Hour + time.Second)
	s.Manager.lastID = ""
	first := s.newID()
	given[first] = true
	s.stop()
	again := siteIn(t, dir, "")
	again.pass(s.now().Sub(again.now()))
	again.begun = again.now().Truncate(time.Second) // as if it had begun in that very second
	take(again)
}

// However large an upload may be, what is held in memory or taken for a database has a bound, and so
// has the name that an event keeps of it.
func TestBounds(t *testing.T) {
	for largest, want := range map[int64][2]int64{1 << 40: {512 << 20, 8 << 30}, 1000: {1000, 1000}} {
		m := &Manager{Config: Config{Largest: largest}}
		if got := [2]int64{m.BundleLimit(), m.DatabaseLimit()}; got != want {
			t.Errorf("%d: %d, want %d", largest, got, want)
		}
	}
	if got := sourceName(strings.Repeat("ä", 1000)); got != strings.Repeat("ä", 200) {
		t.Errorf("%q", got)
	}
}
