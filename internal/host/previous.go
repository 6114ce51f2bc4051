package host

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bty/internal/doctor"
)

// previousImages is where the images of the previous system come from.
const previousImages = "ghcr.io/safl/"

// previousUnits are its Quadlets in the order in which it is stopped: no new boots first, what
// running machines read from last.
var previousUnits = []string{"bty-tftp", "bty-web", "nbdmux", "withcache"}

// Where its containers have its state, and that of withcache.
const (
	stateInside = "/var/lib/bty"
	cacheInside = "/data"
)

// Previous looks for the previous system: its units below root, its containers, and what answers on
// the port of bty-web.
func Previous(ctx context.Context, root string, port int) *doctor.Previous {
	p := &doctor.Previous{Port: port, Version: previousVersion(ctx, fmt.Sprintf("http://127.0.0.1:%d", port))}
	for _, name := range previousUnits {
		path := filepath.Join(root, unitFolder, name+".container")
		if text, ok := previousUnit(path); ok {
			p.Quadlets = append(p.Quadlets, path)
			p.State = cmp.Or(p.State, volume(ctx, text, stateInside))
		}
	}
	running := previousContainers(ctx)
	for _, c := range running {
		p.State = cmp.Or(p.State, c.mounts[stateInside])
		if !slices.Contains(p.Quadlets, filepath.Join(root, unitFolder, strings.TrimSuffix(c.unit, ".service")+".container")) {
			p.Containers = append(p.Containers, c.PreviousContainer)
		}
		if data := filepath.Join(c.Folder, "data/bty"); p.State == "" && c.Folder != "" && isThere(data) {
			p.State = data
		}
	}
	return p
}

// PreviousCatalog looks for the data folder of the previous system's withcache on this host, where it
// runs or its unit says, also one that has been moved away as the doctor shows it; "" if there is none.
func PreviousCatalog(ctx context.Context, root string) string {
	for _, folder := range []string{unitFolder, doctor.MovedUnits} {
		if text, ok := previousUnit(filepath.Join(root, folder, "withcache.container")); ok {
			if data := volume(ctx, text, cacheInside); data != "" {
				return data
			}
		}
	}
	for _, c := range previousContainers(ctx) {
		if data := c.mounts[cacheInside]; data != "" && strings.HasPrefix(c.Image, previousImages+"withcache") {
			return data
		}
	}
	return ""
}

// unitFolder is where the Quadlets of root are.
const unitFolder = "etc/containers/systemd"

// previousUnit is the text of a Quadlet if it is one of the previous system.
func previousUnit(path string) (text string, ok bool) {
	raw, err := os.ReadFile(path)
	return string(raw), err == nil && strings.Contains(string(raw), previousImages)
}

// volume is where a Quadlet has the folder that is inside of its container; "" if that is not known.
func volume(ctx context.Context, unit, inside string) string {
	for line := range strings.Lines(unit) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		parts := strings.Split(strings.TrimSpace(value), ":")
		if strings.TrimSpace(key) != "Volume" || len(parts) < 2 || parts[1] != inside {
			continue
		}
		if filepath.IsAbs(parts[0]) {
			return parts[0]
		}
		name, isUnit := strings.CutSuffix(parts[0], ".volume")
		if isUnit {
			name = "systemd-" + name
		}
		return strings.TrimSpace(string(podman(ctx, "volume", "inspect", "--format", "{{.Mountpoint}}", name)))
	}
	return ""
}

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

func isThere(path string) bool { _, err := os.Stat(path); return err == nil }
