package build

import (
	"runtime/debug"
	"testing"
)

func TestFromBuildInfo(t *testing.T) {
	commit := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123"}}
	for name, tc := range map[string]struct {
		info *debug.BuildInfo
		want string
	}{
		"no information":  {nil, "0.1.0-dev"},
		"development":     {&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "0.1.0-dev"},
		"from a commit":   {&debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-2026-0123"}, Settings: commit}, "0.1.0-dev+0123456789ab"},
		"a tagged module": {&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: commit}, "1.2.3"},
	} {
		if got := fromBuildInfo(tc.info); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
