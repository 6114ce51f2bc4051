package packaging_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// Versions in the order of their age, as git describes them: dpkg and rpm see the same order.
func TestVersions(t *testing.T) {
	described := []string{"1e7fc10", "v0.9.0-rc1", "v0.9.0-rc1-3-gabcdef0", "v0.9.0-rc2", "v0.9.0", "v0.9.0-4-gabcdef0",
		"v0.9.0-12-gabcdef0", "v0.9.0-12-gabcdef0-dirty", "v0.9.1", "v0.10.0", "v1.0.0"}
	before := ""
	for _, d := range described {
		v := strings.TrimSpace(output(t, "./version.sh", d))
		if before == "" && !regexp.MustCompile(`^0~git\d{8}\.\d+\.g[0-9a-f]{7}$`).MatchString(v) {
			t.Errorf("without a tag: %s", v)
		}
		if before != "" {
			if err := exec.Command("dpkg", "--compare-versions", before, "lt", v).Run(); err != nil {
				t.Errorf("dpkg: %s is not older than %s", before, v)
			}
			if got := output(t, "rpm", "--eval", fmt.Sprintf(`%%{lua: print(rpm.vercmp(%q, %q))}`, before, v)); strings.TrimSpace(got) != "-1" {
				t.Errorf("rpm: %s is not older than %s", before, v)
			}
		}
		before = v
	}
}
