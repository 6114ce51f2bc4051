package deploy

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// previous finds signs of the Python system on this host: its Quadlets, and its containers.
func previous(_ context.Context, root string, _ bool) (signs []string) {
	for _, name := range []string{"bty-web", "bty-tftp", "withcache", "nbdmux"} {
		path := filepath.Join(root, "etc/containers/systemd", name+".container")
		raw, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(raw), "ghcr.io/safl/") {
			signs = append(signs, "its Quadlet /"+strings.TrimPrefix(path, "/"))
		}
	}
	return signs
}
