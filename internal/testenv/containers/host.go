package containers

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"bty/internal/testenv"
	"bty/internal/testenv/roots"
	"bty/internal/testenv/systemd"
)

// Quadlets is the folder that Podman makes units of, for root.
const Quadlets = "/etc/containers/systemd"

// Host is a running Debian with Podman. Close ends it, its containers and their images.
type Host struct {
	*systemd.Host
}

// Config says what to boot.
type Config struct {
	Build string // the build folder, with roots
	Files string // what is laid over the root; "" for a host as Debian makes it
}

// withoutGroups is for machines whose control groups are bound to the first version of their interface:
// there no container may have one of its own. It counts for every .container file.
const withoutGroups = "[Container]\nPodmanArgs=--cgroups=disabled\n"

// byHand is the same for containers that no Quadlet is for.
const byHand = "[containers]\ncgroups = \"disabled\"\n"

// Boot starts a host, and returns when its systemd has booted.
func Boot(ctx context.Context, lan *testenv.LAN, cfg Config) (*Host, error) {
	booted, err := systemd.Boot(ctx, lan, systemd.Config{Suite: roots.Podman, Build: cfg.Build, Files: cfg.Files, Containers: true})
	if err != nil {
		return nil, err
	}
	h := &Host{booted}
	for path, content := range map[string]string{
		Quadlets + "/container.d/test.conf":           withoutGroups,
		Quadlets + "/users/container.d/test.conf":     withoutGroups,
		"/etc/containers/containers.conf.d/test.conf": byHand,
	} {
		if err := h.Write(path, content, 0o644); err != nil {
			return nil, fmt.Errorf("preparing Podman: %w", closing(h, err))
		}
	}
	return h, nil
}

func closing(h *Host, err error) error {
	if closed := h.Close(); closed != nil {
		return fmt.Errorf("%w (and then: %w)", err, closed)
	}
	return err
}

// Load loads an image from an archive on this machine, and returns its name.
func (h *Host) Load(ctx context.Context, archive string) (string, error) {
	f, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer f.Close()
	out, err := h.feed(ctx, f, "podman", "load", "--quiet")
	if err != nil {
		return "", fmt.Errorf("loading %s: %w", archive, err)
	}
	_, name, _ := strings.Cut(strings.TrimSpace(out), ": ") // "Loaded image: localhost/bty-web:latest"
	return name, nil
}

// Process is a container's first process, as the host sees it.
func (h *Host) Process(ctx context.Context, container string) (int, error) {
	out, err := h.Try(ctx, "podman", "inspect", "--type=container", "--format={{.State.Pid}}", container)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || pid == 0 {
		return 0, fmt.Errorf("the container %s does not run: its process is %q", container, strings.TrimSpace(out))
	}
	return pid, nil
}

// Journal is the end of what everybody on the host said: Podman's words are under many names.
func (h *Host) Journal(ctx context.Context, lines int) string {
	out, err := h.Try(ctx, "journalctl", "--no-pager", "--quiet", "--output=short-precise", "--lines="+strconv.Itoa(lines))
	if err != nil {
		out += err.Error()
	}
	return "--- journal of the host\n" + out
}

// feed runs a command that reads something.
func (h *Host) feed(ctx context.Context, input io.Reader, name string, args ...string) (string, error) {
	cmd := h.Command(ctx, name, args...)
	cmd.Stdin = input
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}
