package catalog

import (
	"strings"
	"testing"
)

func TestChoice(t *testing.T) {
	for _, c := range []Choice{Unsaid, Yes, No} {
		if got := ChoiceOf(c.Bool()); got != c {
			t.Errorf("%q comes back as %q", c, got)
		}
		if Kept.Over(c) != c || c.Over(Yes) != c || c.Over(No) != c {
			t.Errorf("%q over others", c)
		}
	}
	for _, next := range []bool{false, true} {
		if !Yes.Or(next) || No.Or(next) || Unsaid.Or(next) != next {
			t.Errorf("before %t", next)
		}
	}
}

// What an entry says of growing goes through a catalog.toml and back; one that says nothing has no key.
func TestGrowInTOML(t *testing.T) {
	var entries []Entry
	for _, c := range []Choice{Yes, No, Unsaid} {
		e := image("a"+string(c), "https://h/a"+string(c))
		e.Grow = c
		entries = append(entries, e)
	}
	raw := EncodeTOML(entries, Listing{})
	if text := string(raw); strings.Count(text, "grow = true\n") != 1 || strings.Count(text, "grow = false\n") != 1 || strings.Count(text, "grow") != 2 {
		t.Errorf("%s", text)
	}
	listed, err := DecodeTOML(raw)
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range listed {
		if one.Grow != entries[i].Grow || one.Err != nil {
			t.Errorf("%q came back as %q (%v)", entries[i].Grow, one.Grow, one.Err)
		}
	}
}

// Schema version 1 has no such key: a file with something else there is sound, as are keys that nobody
// knows, but what the image is to do is not guessed.
func TestOddGrowInTOML(t *testing.T) {
	for _, odd := range []string{`"yes"`, `1`, `[true]`, `{ last = true }`} {
		listed, err := DecodeTOML([]byte("version = 1\n[[images]]\nname = \"a\"\nsrc = \"https://h/a\"\ngrow = " + odd +
			"\n[[images]]\nname = \"b\"\nsrc = \"https://h/b\"\ngrowth = \"unknown\"\n"))
		if err != nil {
			t.Fatalf("%s: %v", odd, err)
		}
		if e := listed[0].Err; e == nil || !strings.Contains(e.Error(), "grow") {
			t.Errorf("%s: %v", odd, e)
		}
		if one := listed[1]; one.Err != nil || one.Grow != Unsaid {
			t.Errorf("%s: the other image: %+v", odd, one)
		}
	}
}
