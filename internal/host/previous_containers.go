package host

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"

	"bty/internal/doctor"
)

// podman is what a command of it prints; nothing if there is none, or none that works: then none of
// its containers runs either.
func podman(ctx context.Context, args ...string) []byte {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "podman", args...).Output()
	if err != nil {
		return nil
	}
	return out
}

// container is one of the previous system that runs.
type container struct {
	doctor.PreviousContainer
	unit   string            // of systemd that made it, "" if none did
	mounts map[string]string // folders of this host by where they are inside
}

// previousContainers asks Podman for those that run.
func previousContainers(ctx context.Context) []container {
	list := readContainers(podman(ctx, "ps", "--format", "json"))
	args := []string{"inspect", "--type", "container"}
	for _, c := range list {
		args = append(args, c.Name)
	}
	if len(list) > 0 {
		addMounts(list, podman(ctx, args...))
	}
	return list
}

func readContainers(text []byte) (list []container) {
	var found []struct {
		Names  []string
		Image  string
		Labels map[string]string
	}
	if json.Unmarshal(text, &found) != nil {
		return nil
	}
	for _, c := range found {
		if !strings.HasPrefix(c.Image, previousImages) || len(c.Names) == 0 {
			continue
		}
		list = append(list, container{
			PreviousContainer: doctor.PreviousContainer{Name: c.Names[0], Image: c.Image, Folder: c.Labels["com.docker.compose.project.working_dir"]},
			unit:              c.Labels["PODMAN_SYSTEMD_UNIT"],
		})
	}
	return list
}

// addMounts adds the folders of the containers to them.
func addMounts(list []container, text []byte) {
	var found []struct {
		Name   string
		Mounts []struct{ Source, Destination string }
	}
	if json.Unmarshal(text, &found) != nil {
		return
	}
	for i := range list {
		list[i].mounts = map[string]string{}
		for _, c := range found {
			if c.Name != list[i].Name {
				continue
			}
			for _, m := range c.Mounts {
				list[i].mounts[m.Destination] = m.Source
			}
		}
	}
}
