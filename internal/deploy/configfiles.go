package deploy

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// ConfigFiles are the files of the configuration that bty-web reads in a container which the folder's
// record speaks of: those of the host or the user, and what the pages write into its volume. nil is for the usual ones.
func ConfigFiles(ctx context.Context, dir string) (files []string) {
	r, err := ReadRecord(dir)
	if err != nil || r == nil || r.Mode != Quadlet || r.State == Initialised {
		return nil
	}
	state, err := tool(ctx, "", "podman", "volume", "inspect", "--format", "{{.Mountpoint}}", service("bty-web").Volumes[0])
	if err != nil {
		return nil // there is no volume yet, or this is no user who may look
	}
	for _, path := range []string{r.Places().Config + "conf.d", r.Places().Config + "bty.toml", filepath.Join(strings.TrimSpace(state), "bty.toml")} {
		if _, err := os.Stat(path); err == nil {
			files = append(files, path)
		}
	}
	return files
}
