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

// previousVersion is the version of the previous system if that is what answers: it has the script that
// machines begin with, and not the route by which this one says that it is ready.
func previousVersion(ctx context.Context, base string) string {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var said struct {
		Version string `json:"version"`
	}
	status, body := fetch(ctx, base+"/version")
	if status != http.StatusOK || json.Unmarshal(body, &said) != nil || said.Version == "" {
		return ""
	}
	if status, script := fetch(ctx, base+"/pxe-bootstrap.ipxe"); status != http.StatusOK || !strings.HasPrefix(string(script), "#!ipxe") {
		return ""
	}
	if status, _ := fetch(ctx, base+"/readyz"); status != http.StatusNotFound {
		return ""
	}
	return fmt.Sprintf("%.40s", said.Version)
}

// fetch returns the status of an answer and how it begins, 0 if there is none.
func fetch(ctx context.Context, url string) (status int, begins []byte) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	const enough = 4096
	begins, err = io.ReadAll(io.LimitReader(resp.Body, enough))
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, begins
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
