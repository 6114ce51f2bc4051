package machine

import (
	"strings"
	"testing"
)

func TestParseMAC(t *testing.T) {
	const canonical = "aa:bb:cc:dd:ee:0f"
	for _, s := range []string{"aa:bb:cc:dd:ee:0f", "AA:BB:CC:DD:EE:0F", "aa-bb-cc-dd-ee-0f", "Aa-bB:cc-dd:EE-0f"} {
		m, err := ParseMAC(s)
		if err != nil || m.String() != canonical {
			t.Errorf("%q: %s, %v", s, m, err)
		}
	}
	for _, s := range []string{"", "aabbccddee0f", "aabb.ccdd.ee0f", "aa:bb:cc:dd:ee", "aa:bb:cc:dd:ee:0f:11", "aa:bb:cc:dd:ee:0f ", " aa:bb:cc:dd:ee:0f",
		"aa:bb:cc:dd:ee:0g", "a:bb:cc:dd:ee:00f", "aa::bb:cc:dd:ee:0", "aa_bb_cc_dd_ee_0f", "aa:bb:cc:dd:ee:é", "aa:bb:cc:dd:ee:0f\x00", "aa:bb:cc:dd:ee:+f"} {
		if m, err := ParseMAC(s); err == nil {
			t.Errorf("%q is taken as %s", s, m)
		} else if !strings.Contains(err.Error(), "invalid MAC") {
			t.Errorf("%q: %v", s, err)
		}
	}
	m, _ := ParseMAC(canonical)
	if m.Hyphens() != "aa-bb-cc-dd-ee-0f" {
		t.Error(m.Hyphens())
	}
}

func TestParseTypedMAC(t *testing.T) {
	for _, s := range []string{"aabbccddee0f", "AABB.CCDD.EE0F", " aa:bb:cc:dd:ee:0f\n", "aa-bb-cc-dd-ee-0f"} {
		m, err := ParseTypedMAC(s)
		if err != nil || m.String() != "aa:bb:cc:dd:ee:0f" {
			t.Errorf("%q: %s, %v", s, m, err)
		}
	}
	for _, s := range []string{"", "aabbccddee0", "aabbccddee0fg", "aabb.ccdd.ee0g", "aa.bbccdd.ee0f", "....", "aabbccddéé"} {
		if m, err := ParseTypedMAC(s); err == nil {
			t.Errorf("%q is taken as %s", s, m)
		}
	}
}

func FuzzMAC(f *testing.F) {
	for _, s := range []string{"aa:bb:cc:dd:ee:0f", "AA-BB-CC-DD-EE-0F", "aabb.ccdd.ee0f", "aabbccddee0f", "", " ", "aa:bb:cc:dd:ee:0f\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		strict, strictErr := ParseMAC(s)
		typed, typedErr := ParseTypedMAC(s)
		if strictErr == nil && (typedErr != nil || typed != strict) {
			t.Errorf("%q: strict %s, typed %s (%v)", s, strict, typed, typedErr)
		}
		for _, one := range []struct {
			m   MAC
			err error
		}{{strict, strictErr}, {typed, typedErr}} {
			if again, err := ParseMAC(one.m.String()); one.err == nil && (err != nil || again != one.m) {
				t.Errorf("%q: %s does not come back: %v", s, one.m, err)
			}
		}
	})
}
