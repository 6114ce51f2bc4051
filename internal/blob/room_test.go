package blob

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// What was not used for the longest time goes first, and never what is read, pinned or growing.
func TestEviction(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit int64
		do    func(t *testing.T, s *Store) // before the new one
		need  int64
		left  string // of a, b and c, of 100 bytes each
		fails bool
	}{
		{name: "no limit", need: 1000, left: "abc"},
		{name: "fits", limit: 400, need: 100, left: "abc"},
		{name: "one too many", limit: 400, need: 101, left: "bc"},
		{name: "two", limit: 400, need: 300, left: "c"},
		{name: "all", limit: 400, need: 400, left: ""},
		{name: "more than there is", limit: 400, need: 401, left: "abc", fails: true},
		{name: "the oldest was used", limit: 400, need: 200, left: "ac", do: func(t *testing.T, s *Store) { has(t, s, "a", blobOf('a')) }},
		{name: "the oldest is pinned", limit: 400, need: 200, left: "ac", do: pin("a")},
		{name: "all are pinned", limit: 400, need: 200, left: "abc", do: pin("a", "b", "c"), fails: true},
		{name: "unpinned again", limit: 400, need: 200, left: "bc", do: func(t *testing.T, s *Store) {
			pin("a")(t, s)
			if err := s.Pin("a", false); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "the oldest is read", limit: 400, need: 200, left: "ac", do: func(t *testing.T, s *Store) { lease(t, s, "a") }},
		{name: "all are read", limit: 400, need: 200, left: "abc", do: func(t *testing.T, s *Store) { lease(t, s, "a", "b", "c") }, fails: true},
		{name: "another one grows", limit: 400, need: 100, left: "bc", do: func(t *testing.T, s *Store) {
			if err := begin(t, s, "other", []byte("x")).Reserve(100); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "another one has ended", limit: 400, need: 100, left: "abc", do: func(t *testing.T, s *Store) {
			p := begin(t, s, "other", nil)
			if err := errors.Join(p.Reserve(100), p.Discard()); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(t.TempDir())
			cfg.Limit = tt.limit
			s := open(t, cfg)
			for _, name := range "abc" {
				put(t, s, string(name), blobOf(name))
			}
			if tt.do != nil {
				tt.do(t, s)
			}
			err := begin(t, s, "new", nil).Reserve(tt.need)
			if errors.Is(err, ErrNoRoom) != tt.fails || (err != nil) != tt.fails {
				t.Errorf("%v", err)
			}
			if got := left(s); got != tt.left {
				t.Errorf("left %s, want %s", got, tt.left)
			}
			if tt.fails && !strings.Contains(err.Error(), "unpin") {
				t.Errorf("it does not say what to do: %v", err)
			}
		})
	}
}

func blobOf(name rune) []byte { return bytes.Repeat([]byte(string(name)), 100) }

func pin(keys ...string) func(*testing.T, *Store) {
	return func(t *testing.T, s *Store) {
		for _, key := range keys {
			if err := s.Pin(key, true); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func lease(t *testing.T, s *Store, keys ...string) {
	for _, key := range keys {
		d, _ := s.Find(key)
		_, f, err := s.Lease(d)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
	}
}

func left(s *Store) string {
	var keys []string
	for _, b := range s.List() {
		for _, src := range b.Sources {
			keys = append(keys, src.Src)
		}
	}
	slices.Sort(keys)
	return strings.Join(keys, "")
}

// The floor counts what growing blobs will still take.
func TestFloor(t *testing.T) {
	cfg := config(t.TempDir())
	free, err := freeOf(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	const slack = 1 << 30 // others write to the same file system
	cfg.Floor = free - 3*slack
	s := open(t, cfg)
	put(t, s, "a", []byte("a"))
	first := begin(t, s, "b", nil)
	if err := first.Reserve(slack); err != nil {
		t.Fatal(err)
	}
	p := begin(t, s, "c", nil)
	if err := p.Reserve(4 * slack); !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), fmt.Sprint(cfg.Floor)) {
		t.Errorf("%v", err)
	}
	if err := p.Reserve(slack); err != nil {
		t.Error(err)
	}
	if err := p.Reserve(3 * slack); !errors.Is(err, ErrNoRoom) {
		t.Errorf("%v", err)
	}
	first.Rest()
	p.Rest()
	if got := left(s); got != "a" {
		t.Errorf("%q was evicted for what does not fit", got)
	}
}

// A limit that is lower than it was, or a file system that somebody else fills.
func TestShrink(t *testing.T) {
	cfg := config(t.TempDir())
	s := open(t, cfg)
	for _, name := range "abc" {
		put(t, s, string(name), blobOf(name))
	}
	pin("a")(t, s)
	if err := s.Shrink(); err != nil || left(s) != "abc" {
		t.Errorf("%v: %s", err, left(s))
	}
	s.Close()
	cfg.Limit = 200
	s = open(t, cfg)
	if err := s.Shrink(); err != nil || left(s) != "ac" || len(names(t, cfg.Dir)) != 5 {
		t.Errorf("%v: %s, %v", err, left(s), names(t, cfg.Dir))
	}
	s.Close()
	cfg.Limit, cfg.Floor = 0, 1<<60
	s = open(t, cfg)
	if err := s.Shrink(); err != nil || left(s) != "a" {
		t.Errorf("%v: %s", err, left(s))
	}
}

// Pins outlive the process and hold for what a source leads to later.
func TestPinsLast(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	pin("a", "later")(t, s)
	s.Close()
	s = open(t, config(dir))
	put(t, s, "later", []byte("x"))
	put(t, s, "b", []byte("y"))
	for _, b := range s.List() {
		if b.Pinned != (b.Sources[0].Src == "later") {
			t.Errorf("%+v", b)
		}
	}
}

// What cannot be deleted, because its file system is read-only for now, is deleted later; meanwhile nothing
// more is evicted, which would free nothing either.
func TestDeletedLater(t *testing.T) {
	cfg := config(t.TempDir())
	s := open(t, cfg)
	a := put(t, s, "a", blobOf('a'))
	put(t, s, "b", blobOf('b'))
	path := s.path(a)
	if err := errors.Join(os.Remove(path), os.MkdirAll(path+"/stays", 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(a); err == nil {
		t.Fatal("it was deleted")
	}
	s.cfg.Limit = 1
	if err := s.Shrink(); err == nil || left(s) != "b" {
		t.Errorf("%v: %q is left", err, left(s))
	}
	s.cfg.Limit = 300
	put(t, s, "c", blobOf('c')) // there is room for it
	p := begin(t, s, "d", nil)
	if err := p.Reserve(100); err != nil {
		t.Error(err)
	}
	if err := p.Reserve(200); err == nil || errors.Is(err, ErrNoRoom) || left(s) != "bc" {
		t.Errorf("%v: %q is left", err, left(s))
	}
	if err := p.Discard(); err != nil {
		t.Fatal(err)
	}
	s.cfg.Limit = 1
	if err := os.Remove(path + "/stays"); err != nil {
		t.Fatal(err)
	}
	if err := s.Shrink(); err != nil || left(s) != "" || len(names(t, cfg.Dir)) != 0 {
		t.Errorf("%v: %q is left, %v", err, left(s), names(t, cfg.Dir))
	}
}

// What was used, or proven, by a clock that was ahead is not the last to go, nor proven for years.
func TestClockWasAhead(t *testing.T) {
	cfg := config(t.TempDir())
	s := open(t, cfg)
	then, now := s.cfg.Now().AddDate(4, 0, 0), s.cfg.Now()
	s.cfg.Now = func() time.Time { then = then.Add(time.Second); return then }
	put(t, s, "a", blobOf('a'))
	put(t, s, "b", blobOf('b'))
	s.Close()
	cfg.Now = func() time.Time { now = now.Add(time.Second); return now }
	s = open(t, cfg)
	put(t, s, "c", blobOf('c'))
	if _, found := s.Unproven(now.AddDate(0, 0, -30)); !found {
		t.Error("none is read again")
	}
	s.cfg.Limit = 200
	if err := s.Shrink(); err != nil || left(s) != "bc" {
		t.Errorf("%v: %q is left", err, left(s))
	}
}

// An origin that claims a length near the end of all numbers gets no room for it, whatever the sums come to.
func TestAbsurdLength(t *testing.T) {
	cfg := config(t.TempDir())
	cfg.Floor = 1 << 62
	s := open(t, cfg)
	put(t, s, "a", blobOf('a'))
	if err := begin(t, s, "b", nil).Reserve(math.MaxInt64); !errors.Is(err, ErrNoRoom) {
		t.Error(err)
	}
}
