package upgrade

import (
	"os/exec"
	"testing"
)

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		order int
		known bool
	}{
		{"1.2.3", "1.2.3", 0, true},
		{"v1.2.3", "1.2.3", 0, true},
		{"1.2.3", "1.10.0", -1, true},
		{"1.2.3-rc1", "1.2.3", -1, true},
		{"v1.2.3-rc1", "1.2.3~rc1", 0, true},
		{"v1.2.3-4-gabcdef0", "1.2.3", 1, true},
		{"v1.2.3-4-gabcdef0", "1.2.3+git4.gabcdef0", 0, true},
		{"1.2.3-10-gabcdef0", "1.2.3-9-g0123456", 1, true},
		{"0~git20261126.153.gabcdef0", "0.1.0", -1, true},
		{"1.3.0-1", "1.2.3-1", 1, true},
		{"1.2.3-1", "1.2.3-2", -1, true},
		{"abcdef0", "1.2.3", 0, false},
		{"483c8dd", "1.2.3", 0, false},
		{"483c8dd-dirty", "e03d94d", 0, false},
		{"unknown", "unknown", 0, true},
		{"", "1.0", 0, false},
	} {
		if order, known := Compare(c.a, c.b); order != c.order || known != c.known {
			t.Errorf("%s and %s: %d, %t", c.a, c.b, order, known)
		}
		if order, known := Compare(c.b, c.a); order != -c.order || known != c.known {
			t.Errorf("%s and %s: %d, %t", c.b, c.a, order, known)
		}
	}
}

// dpkg itself has the last word on its order.
func TestCompareAsDpkg(t *testing.T) {
	dpkg, err := exec.LookPath("dpkg")
	if err != nil {
		t.Fatal("dpkg is missing: these tests run on Debian")
	}
	versions := []string{"0~git20261126.153.gabc", "0.1.0~dev", "0.1.0", "1.2.3~rc1", "1.2.3", "1.2.3+dirty", "1.2.3+git4.gabc", "1.2.10", "1.10.0", "2.0a", "2.0"}
	for _, a := range versions {
		for _, b := range versions {
			order, _ := Compare(a, b)
			word := map[int]string{-1: "lt", 0: "eq", 1: "gt"}[order]
			if err := exec.Command(dpkg, "--compare-versions", a, word, b).Run(); err != nil {
				t.Errorf("%s %s %s: dpkg disagrees", a, word, b)
			}
		}
	}
}
