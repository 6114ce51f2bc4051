package catalog

import (
	"fmt"
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

// What an entry says goes through a catalog.toml and back; one that says nothing has no key.
func TestChoicesInTOML(t *testing.T) {
	var entries []Entry
	for _, grow := range []Choice{Yes, No, Unsaid} {
		for _, verify := range []Choice{Yes, No, Unsaid} {
			e := image("a"+fmt.Sprint(len(entries)), fmt.Sprintf("https://h/%d", len(entries)))
			e.Grow, e.Verify = grow, verify
			entries = append(entries, e)
		}
	}
	raw := EncodeTOML(entries, Listing{})
	for _, key := range []string{"grow", "verify"} {
		if text := string(raw); strings.Count(text, key+" = true\n") != 3 || strings.Count(text, key+" = false\n") != 3 || strings.Count(text, key) != 6 {
			t.Errorf("%s:\n%s", key, text)
		}
	}
	listed, err := DecodeTOML(raw)
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range listed {
		if want := entries[i]; one.Grow != want.Grow || one.Verify != want.Verify || one.Err != nil {
			t.Errorf("%q and %q came back as %q and %q (%v)", want.Grow, want.Verify, one.Grow, one.Verify, one.Err)
		}
	}
}

// Schema version 1 has no such keys: a file with something else there is sound, as are keys that nobody
// knows, but what the image is to do is not guessed.
func TestOddChoicesInTOML(t *testing.T) {
	for _, key := range []string{"grow", "verify"} {
		for _, odd := range []string{`"yes"`, `1`, `[true]`, `{ last = true }`} {
			listed, err := DecodeTOML([]byte("version = 1\n[[images]]\nname = \"a\"\nsrc = \"https://h/a\"\n" + key + " = " + odd +
				"\n[[images]]\nname = \"b\"\nsrc = \"https://h/b\"\n" + key + "2 = \"unknown\"\n"))
			if err != nil {
				t.Fatalf("%s = %s: %v", key, odd, err)
			}
			if e := listed[0].Err; e == nil || !strings.Contains(e.Error(), key) {
				t.Errorf("%s = %s: %v", key, odd, e)
			}
			if one := listed[1]; one.Err != nil || one.Grow != Unsaid || one.Verify != Unsaid {
				t.Errorf("%s = %s: the other image: %+v", key, odd, one)
			}
		}
	}
}
