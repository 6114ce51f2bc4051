package deploy

import (
	"context"
	"strings"

	"bty/internal/doctor"
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

// Runs reports whether the asking user has a container of that name at work.
func Runs(ctx context.Context, name string) bool { return running(ctx)[name] }

// PublishedPorts says of ports that containers at work have published that they are the daemons': it is another
// program that has them, Podman's.
func PublishedPorts(ctx context.Context, ports []doctor.Port) []doctor.Port {
	at := running(ctx)
	for i, p := range ports {
		if at[p.Daemon] && (p.Hidden || len(p.Holders) > 0) {
			ports[i].Hidden, ports[i].Holders = false, []doctor.Process{{Name: p.Daemon}}
		}
	}
	return ports
}

func running(ctx context.Context) map[string]bool {
	return containers(ctx, Podman{Version: "asked already"})
}
