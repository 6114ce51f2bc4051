package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"bty/compose"
	"bty/internal/build"
)

// Files of a compose project, in the deployment's folder.
const (
	composeFile   = "compose.yml"
	variablesFile = ".env"
	secretsFolder = "secrets"
	passwordFile  = "admin-password"
)

func (s Site) composeFiles(dir string) []File {
	content, err := fs.ReadFile(compose.Files, composeFile)
	if err != nil {
		return nil // it is embedded: a test looks
	}
	return []File{
		{Path: filepath.Join(dir, composeFile), Content: string(content), Mode: 0o644, Kind: "project", Shipped: true},
		{Path: filepath.Join(dir, variablesFile), Mode: 0o644, Kind: "project", Content: fmt.Sprintf(
			"# Made by bty-lab deploy.\nBTY_IMAGE_PREFIX=%s\nBTY_VERSION=%s\nBTY_HOST_ADDRESS=%s\n", s.Prefix, build.Tag(s.Version), s.four())},
	}
}

// composePort is the port of the pages that the project's .env names. The last line counts.
func composePort(dir string, otherwise int) int {
	raw, err := os.ReadFile(filepath.Join(dir, variablesFile))
	if err != nil {
		return otherwise
	}
	for line := range strings.Lines(string(raw)) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "BTY_WEB_PORT=")
		if n, err := strconv.ParseUint(strings.Trim(value, `"'`), 10, 16); ok && err == nil && n > 0 {
			otherwise = int(n)
		}
	}
	return otherwise
}

// four is the address as far as the configuration takes it: firmware speaks IPv4.
func (s Site) four() string {
	if s.Address.Is4() {
		return s.Address.String()
	}
	return ""
}

// Composed are the services of a compose project; nothing if that is not what the site is.
func (s Site) Composed() (names []string) {
	if s.Mode != Compose {
		return nil
	}
	for _, v := range s.services() {
		if v.Name != "bty-sniff" {
			names = append(names, v.Name)
		}
	}
	return names
}

func (d *planner) compose() {
	d.images()
	changed := d.writeFiles()
	d.password()
	dir := d.want.Dir
	if changed || d.pending() || len(d.plan.Steps) > 0 || !d.allRun() {
		d.step("start", strings.Join(d.plan.Site.Composed(), ", ")+" with "+d.Podman.Compose, "podman ps --all shows what runs; podman logs NAME says why one does not.",
			d.plan.Site.up(d.Podman.Compose, dir))
		d.step("check", fmt.Sprintf("bty-web answers on port %d", d.WebPort), "podman logs bty-web says what it is at.", checkAnswer(d.plan.Site, d.WebPort, containerWords))
	}
}

func (d *planner) allRun() bool {
	for _, name := range d.plan.Site.Composed() {
		if !d.Containers[name] {
			return false
		}
	}
	return true
}

// up starts the services. podman-compose makes containers anew that have changed.
func (s Site) up(program, dir string) Action {
	return action(func(ctx context.Context, e *Engine) error {
		args := []string{"--file", filepath.Join(e.path(dir), composeFile)}
		if s.Has("bty-tftp") {
			args = append(args, "--profile", "tftp")
		}
		args = append(args, "up", "--detach")
		ctx, cancel := context.WithTimeout(ctx, longTime)
		defer cancel()
		_, err := longTool(ctx, "", program, append(args, s.Composed()...)...)
		return err
	})
}

// composePassword is a file that its folder hides: inside of the container its reader is another user.
func (e *Engine) composePassword(hash string) error {
	dir := filepath.Join(e.dir, secretsFolder)
	err := os.MkdirAll(e.path(dir), 0o700)
	if err == nil {
		err = os.Chmod(e.path(dir), 0o700) // somebody may have made it
	}
	if err != nil {
		return err
	}
	return e.put(File{Path: filepath.Join(dir, passwordFile), Content: hash + "\n", Mode: 0o444})
}

func (d *planner) purgeCompose(data bool) {
	if d.Record.State == Initialised {
		return
	}
	detail := "the containers"
	if data {
		detail += ", and the volumes with all that is in them"
	}
	d.step("remove", detail+", with "+d.Podman.Compose, "podman ps --all shows what is left.", down(d.Podman.Compose, d.want.Dir, data))
	d.purgeImages()
}

func down(program, dir string, data bool) Action {
	return action(func(ctx context.Context, e *Engine) error {
		file := filepath.Join(e.path(dir), composeFile)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		args := []string{"--file", file, "--profile", "tftp", "down"}
		if data {
			args = append(args, "--volumes")
		}
		_, err := tool(ctx, "", program, args...)
		return err
	})
}

// containerWords are what a container said last.
func containerWords(ctx context.Context) string {
	out, err := tool(ctx, "", "podman", "logs", "--tail", "10", "bty-web")
	if err != nil {
		return err.Error()
	}
	return out
}

// controlVolume has the control socket of a project's server.
const controlVolume = "bty-control"

// ComposedSocket is the control socket of the asking user's compose project, "" if there is none. coming is one
// that an upgrade brings: a project of an earlier release has only the state's volume.
func ComposedSocket(ctx context.Context, coming bool) string {
	if _, err := exec.LookPath("podman"); err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	volumes := []string{controlVolume}
	if coming {
		volumes = append(volumes, service("bty-web").Volumes[0])
	}
	for _, volume := range volumes {
		folder, err := tool(ctx, "", "podman", "volume", "inspect", "--format", "{{.Mountpoint}}", volume)
		if err == nil {
			all := filepath.Dir(filepath.Dir(strings.TrimSpace(folder)))
			return filepath.Join(all, controlVolume, "_data", "control.sock")
		}
	}
	return ""
}
