package machine

import (
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "512": 512, "512B": 512, "1K": 1024, "953.9G": 1024242325914, "931.5g": 1000190509056, "1.8T": 1979120929997,
		" 2 TiB ": 2 << 40, "480GB": 480 << 30, "1P": 1 << 50,
	} {
		if got, ok := ParseSize(text); !ok || got != want {
			t.Errorf("%q is %d, %t; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "G", "B", "iB", "x", "-1G", "NaN", "inf", "1e30", "9E99", "1X", "1.2.3G", "8E"} {
		if got, ok := ParseSize(text); ok && text != "8E" {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"953.9G", "1", "", "E", "-0", "1e5K"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := ParseSize(s); ok && n < 0 || !ok && n != 0 {
			t.Errorf("%q: %d %t", s, n, ok)
		}
	})
}

func TestDescribe(t *testing.T) {
	for _, one := range []struct{ tree, vendor, product string }{
		{`{"vendor":"Dell Inc.","product":"PowerEdge R640 (SKU=NotProvided)"}`, "Dell Inc.", "PowerEdge R640 (SKU=NotProvided)"},
		{`[{"vendor":"QEMU","product":"Standard PC"}]`, "QEMU", "Standard PC"},
		{`{"id":"host"}`, "", ""},
		{`[]`, "old", "old"},
		{`{"vendor":7}`, "old", "old"},
		{`"x"`, "old", "old"},
		{`{"vendor":" A\n B\u0000 "}`, "A B\x00", ""},
		{`{"product":"` + strings.Repeat("ü", 100) + `"}`, "", strings.Repeat("ü", maxDMI)},
	} {
		h := Hardware{Vendor: "old", Product: "old"}
		h.Describe([]byte(one.tree))
		if h.Vendor != one.vendor || h.Product != one.product {
			t.Errorf("%s: %q %q", one.tree, h.Vendor, h.Product)
		}
	}
}
