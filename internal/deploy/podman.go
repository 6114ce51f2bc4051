package deploy

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
)

// podmanFloor is the oldest Podman whose Quadlets know what ours say: drop-ins are of 5.0.
var podmanFloor = [2]int{5, 0}

// atLeast compares major and minor version.
func (p Podman) atLeast(floor [2]int) bool {
	if p.Err != "" {
		return false
	}
	parts := strings.SplitN(p.Version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return false
	}
	return major > floor[0] || major == floor[0] && minor >= floor[1]
}

// podman asks Podman what it is.
func podman(ctx context.Context) (p Podman) {
	for _, name := range []string{"podman-compose", "docker-compose"} {
		if _, err := exec.LookPath(name); err == nil {
			p.Compose = name
			break
		}
	}
	if _, err := exec.LookPath("podman"); err != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	out, err := tool(ctx, "", "podman", "version", "--format", "{{.Client.Version}}")
	if err != nil {
		p.Err = err.Error()
		return p
	}
	p.Version = strings.TrimSpace(out)
	if out, err = tool(ctx, "", "podman", "info", "--format", "{{.Host.OCIRuntime.Name}}"); err == nil {
		p.Runtime = strings.TrimSpace(out)
	}
	return p
}
