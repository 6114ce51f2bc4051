package deploy

import (
	"context"
	"strings"
)

// containers are the names of those that run.
func containers(ctx context.Context, p Podman) map[string]bool {
	if p.Version == "" || p.Err != "" {
		return nil
	}
	names := map[string]bool{}
	out, err := tool(ctx, "", "podman", "ps", "--format", "{{.Names}}")
	if err != nil {
		return nil // Podman's own trouble is said elsewhere
	}
	for _, name := range strings.Fields(out) {
		names[name] = true
	}
	return names
}
