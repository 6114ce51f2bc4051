package build

import (
	"strings"
	"testing"
)

func TestTag(t *testing.T) {
	for version, want := range map[string]string{
		"1.2.3": "1.2.3", "v1.2.3-4-gabcdef0-dirty": "v1.2.3-4-gabcdef0-dirty", "0.1.0-dev+0123456789ab": "0.1.0-dev-0123456789ab",
		"1.2~rc1": "1.2-rc1", "": "unknown", "-": "unknown", strings.Repeat("a", 200): strings.Repeat("a", 128),
	} {
		if got := Tag(version); got != want {
			t.Errorf("%q is %q, want %q", version, got, want)
		}
	}
}
