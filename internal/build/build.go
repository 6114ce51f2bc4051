// Package build knows which version of bty this binary is.
package build

import (
	"runtime/debug"
	"strings"
)

// unreleased is the version of a binary that no release process has named.
const unreleased = "0.1.0-dev"

// Version is set by the linker (-ldflags "-X bty/internal/build.Version=1.2.3"); otherwise it is
// what the Go toolchain recorded. It is never changed after the program has started.
var Version string

func init() {
	if Version == "" {
		info, _ := debug.ReadBuildInfo()
		Version = fromBuildInfo(info)
	}
}

// fromBuildInfo takes the version of a tagged module, else names the commit.
func fromBuildInfo(info *debug.BuildInfo) string {
	if info == nil {
		return unreleased
	}
	v := strings.TrimPrefix(info.Main.Version, "v")
	// A pseudo-version (v0.0.0-date-commit) says less than the number we develop towards.
	if v != "" && v != "(devel)" && !strings.HasPrefix(v, "0.0.0-") {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return unreleased + "+" + s.Value[:12]
		}
	}
	return unreleased
}
