package blob

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
)

// withGuests has a room of 1000 bytes, half of it for guests, whose names are in capitals.
func withGuests(t *testing.T) *Store {
	cfg := config(t.TempDir())
	cfg.Limit, cfg.Share = 1000, 50
	cfg.Listed = func(src string) bool { return src != "" && unicode.IsLower(rune(src[0])) }
	return open(t, cfg)
}

// Blobs that no address of the catalog leads to go first, and take a share of the room at most.
func TestGuests(t *testing.T) {
	for _, tt := range []struct {
		name  string
		held  string // of 100 bytes each, in the order in which they came
		do    func(t *testing.T, s *Store)
		new   string
		need  int64
		left  string
		fails bool
	}{
		{name: "within the share", held: "abAB", new: "N", need: 300, left: "ABab"},
		{name: "the oldest guest for a new one", held: "abABCDE", new: "N", need: 100, left: "BCDEab"},
		{name: "a guest larger than the share", held: "abAB", new: "N", need: 501, left: "ABab", fails: true},
		{name: "as large as the share", held: "abAB", new: "N", need: 500, left: "ab"},
		{name: "a guest that is read stays", held: "abABCDE", do: func(t *testing.T, s *Store) { lease(t, s, "A") }, new: "N", need: 100, left: "ACDEab"},
		{name: "all are read", held: "abAB", do: func(t *testing.T, s *Store) { lease(t, s, "A", "B") }, new: "N", need: 400, left: "ABab", fails: true},
		{name: "one that grows counts", held: "abA", do: func(t *testing.T, s *Store) {
			if err := begin(t, s, "G", nil).Reserve(300); err != nil {
				t.Fatal(err)
			}
		}, new: "N", need: 200, left: "ab"},
		{name: "one that is pinned is no guest", held: "abABCDE", do: pin("A"), new: "N", need: 100, left: "ABCDEab"},
		{name: "one of the catalog is no guest", held: "abABCDE", do: func(t *testing.T, s *Store) {
			if err := s.Bind("c", digest(blobOf('A')), Source{Src: "c"}); err != nil {
				t.Fatal(err)
			}
		}, new: "N", need: 100, left: "ABCDEabc"},
		{name: "guests before the catalog", held: "abcdefABC", new: "n", need: 300, left: "Cabcdef"},
		{name: "and then the catalog", held: "abcdefABC", new: "n", need: 600, left: "cdef"},
		{name: "the catalog has no share", held: "", new: "n", need: 1000, left: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := withGuests(t)
			for _, name := range tt.held {
				put(t, s, string(name), blobOf(name))
			}
			if tt.do != nil {
				tt.do(t, s)
			}
			err := begin(t, s, tt.new, nil).Reserve(tt.need)
			if errors.Is(err, ErrNoRoom) != tt.fails || (err != nil) != tt.fails {
				t.Errorf("%v", err)
			}
			if tt.fails && !strings.Contains(err.Error(), "allow_share") {
				t.Errorf("it does not say what to do: %v", err)
			}
			if got := left(s); got != tt.left {
				t.Errorf("left %s, want %s", got, tt.left)
			}
		})
	}
}

// Of too many addresses of the same bytes neither one that is pinned goes nor one of the catalog, whoever
// asks for others: a pin would be lost with it.
func TestManySourcesKeepPins(t *testing.T) {
	s := withGuests(t)
	d := put(t, s, "Pinned", []byte("x"))
	if err := errors.Join(s.Bind("listed", d, Source{Src: "listed"}), s.Pin("Pinned", true)); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * maxSources {
		if err := s.Bind(fmt.Sprint("Q", i), d, Source{Src: fmt.Sprint("Q", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.List()[0].Sources); n != maxSources {
		t.Errorf("%d addresses", n)
	}
	for key, want := range map[string]bool{"Pinned": true, "listed": true, "Q0": false, fmt.Sprint("Q", 2*maxSources-1): true} {
		if _, known := s.Find(key); known != want {
			t.Errorf("%s: %v", key, known)
		}
	}
	if !s.List()[0].Pinned {
		t.Error("the pin is lost")
	}
}
