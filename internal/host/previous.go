package host

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"bty/internal/doctor"
)

// previousImages is where the images of the previous system come from.
const previousImages = "ghcr.io/safl/"

// previousUnits are its Quadlets in the order in which it is stopped: no new boots first, what
// running machines read from last.
var previousUnits = []string{"bty-tftp", "bty-web", "nbdmux", "withcache"}

// Previous looks for the previous system: its units below root, its containers, and what answers on
// the port of bty-web.
func Previous(ctx context.Context, root string, port int) *doctor.Previous {
	p := &doctor.Previous{Port: port, Version: previousVersion(ctx, fmt.Sprintf("http://127.0.0.1:%d", port))}
	quadlets(root, p)
	p.Containers = previousContainers(ctx, len(p.Quadlets) > 0)
	for _, c := range p.Containers {
		if data := filepath.Join(c.Folder, "data/bty"); p.State == "" && c.Folder != "" && isThere(data) {
			p.State = data
		}
	}
	return p
}

// quadlets notes its units and where they have its state.
func quadlets(root string, p *doctor.Previous) {
	for _, name := range previousUnits {
		path := filepath.Join(root, "etc/containers/systemd", name+".container")
		raw, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(raw), previousImages) {
			continue
		}
		p.Quadlets = append(p.Quadlets, path)
		if m := stateVolume.FindSubmatch(raw); m != nil && p.State == "" {
			p.State = string(m[1])
		}
	}
}

var stateVolume = regexp.MustCompile(`(?m)^\s*Volume\s*=\s*(/[^:\s]*):/var/lib/bty(?::|\s*$)`)

// answerTime is how long a server on this host may take.
const answerTime = 2 * time.Second

// previousVersion is the version of the previous system if that is what answers: both say a version
// there, but only its server is uvicorn.
func previousVersion(ctx context.Context, base string) string {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/version", nil)
	if err != nil {
		return ""
	}
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var said struct {
		Version string `json:"version"`
	}
	if resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Server"), "uvicorn") || json.NewDecoder(io.LimitReader(resp.Body, 4096)).Decode(&said) != nil {
		return ""
	}
	return fmt.Sprintf("%.40s", said.Version)
}

// previousContainers asks Podman for those that run, without those of Quadlets.
func previousContainers(ctx context.Context, hasUnits bool) []doctor.PreviousContainer {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "podman", "ps", "--format", "json").Output()
	if err != nil {
		return nil // no Podman, or none that works: then none of its containers runs
	}
	return readContainers(out, hasUnits)
}

func readContainers(text []byte, hasUnits bool) (list []doctor.PreviousContainer) {
	var found []struct {
		Names  []string
		Image  string
		Labels map[string]string
	}
	if json.Unmarshal(text, &found) != nil {
		return nil
	}
	for _, c := range found {
		if !strings.HasPrefix(c.Image, previousImages) || len(c.Names) == 0 || hasUnits && c.Labels["PODMAN_SYSTEMD_UNIT"] != "" {
			continue
		}
		list = append(list, doctor.PreviousContainer{Name: c.Names[0], Image: c.Image, Folder: c.Labels["com.docker.compose.project.working_dir"]})
	}
	return list
}

func isThere(path string) bool { _, err := os.Stat(path); return err == nil }
