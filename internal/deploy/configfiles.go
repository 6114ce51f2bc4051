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
	state := mountpoint(ctx, service("bty-web").Volumes[0])
	if state == "" {
		return nil // there is no volume yet, or this is no user who may look
	}
	for _, path := range []string{r.Places().Config + "conf.d", r.Places().Config + "bty.toml", filepath.Join(state, "bty.toml")} {
		if _, err := os.Stat(path); err == nil {
			files = append(files, path)
		}
	}
	return files
}

// StateFolders are where the state and the boot files are on this host if the folder's record speaks of
// containers; "" if it does not, or that is not known.
func StateFolders(ctx context.Context, dir string) (state, boot string) {
	r, err := ReadRecord(dir)
	if err != nil || r == nil || r.Mode == Host || r.State == Initialised {
		return "", ""
	}
	volumes := service("bty-web").Volumes
	return mountpoint(ctx, volumes[0]), mountpoint(ctx, volumes[1])
}

// mountpoint is where a volume of Podman is on this host; "" if there is none, or this is no user who may look.
func mountpoint(ctx context.Context, volume string) string {
	out, err := tool(ctx, "", "podman", "volume", "inspect", "--format", "{{.Mountpoint}}", volume)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}
