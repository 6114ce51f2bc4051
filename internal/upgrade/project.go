package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bty/internal/build"
	"bty/internal/deploy"
)

// Project is a compose project. Nobody holds its ports while a container is made anew.
type Project struct {
	Dir     string // with compose.yml and .env
	Program string // podman-compose
	Images  string // folder with archives of images
	Version string // of the new release; "" for that of the archives
	Tell    func(string)

	services []string // whose containers there are
	now      string   // .env
	next     string
	file     projectText // compose.yml
	archives map[string]archive
}

// Names in the folder of a project, and of variables in its .env.
const (
	variables     = ".env"
	versionOf     = "BTY_VERSION"
	prefixOf      = "BTY_IMAGE_PREFIX"
	portOf        = "BTY_WEB_PORT"
	defaultPort   = "8080"
	projectFile   = "compose.yml"
	stateVolume   = "bty-data"
	defaultPrefix = deploy.DefaultPrefix
)

// variable is the value of a line NAME=value of an .env, as compose reads it: the last one counts.
func variable(text, name, otherwise string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok && value != "" {
			otherwise = strings.Trim(value, `"'`)
		}
	}
	return otherwise
}

// withVariable has an .env give a variable another value, and keeps all else.
func withVariable(text, name, value string) string {
	var b strings.Builder
	found := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), name+"=") {
			line, found = name+"="+value+"\n", true
		}
		b.WriteString(line)
	}
	if found {
		return b.String()
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		b.WriteByte('\n')
	}
	b.WriteString(name + "=" + value + "\n")
	return b.String()
}

// Look implements Place.
func (p *Project) Look(ctx context.Context) (look Look, err error) {
	if _, err := os.Stat(filepath.Join(p.Dir, projectFile)); err != nil {
		return look, refused("not-installed", fmt.Sprintf("there is no compose project in %s: %v", p.Dir, err), "Name its folder, or bring one up: bty-lab deploy --mode compose "+p.Dir)
	}
	raw, err := os.ReadFile(p.env())
	if err != nil && !os.IsNotExist(err) {
		return look, err
	}
	p.now = string(raw)
	look.From, look.To = variable(p.now, versionOf, "latest"), p.Version
	if err := p.choose(ctx, &look); err != nil {
		return look, err
	}
	p.next = withVariable(p.now, versionOf, look.To)
	if p.file, err = readProjectFile(p.Dir, look.To); err != nil {
		return look, err
	}
	p.file.tell(&look)
	if look.State, err = mountpoint(ctx, deploy.Site{}, stateVolume); err != nil {
		return look, err
	}
	if look.Apart, err = checkConfig(look.State, deploy.Site{}); err != nil {
		return look, err
	}
	look.Database = filepath.Join(look.State, "bty.db")
	look.Units, look.Marks = []string{server}, []string{p.env()}
	look.Configs = []string{filepath.Join(p.Dir, projectFile), filepath.Join(p.Dir, "compose.override.yml"), p.env(), filepath.Join(p.Dir, "secrets")}
	look.Notes = append(look.Notes, "Without systemd nobody holds the ports of this project: requests are refused for the seconds in which its containers are made anew.")
	return look, nil
}

func (p *Project) env() string { return filepath.Join(p.Dir, variables) }

func (p *Project) path() string { return filepath.Join(p.Dir, projectFile) }

// choose finds the containers that there are, and the images that they would run.
func (p *Project) choose(ctx context.Context, look *Look) error {
	out, err := tool(ctx, "podman", "ps", "--all", "--format", "{{.Names}}")
	if err != nil {
		return err
	}
	there := strings.Fields(out)
	p.services = nil
	for _, s := range deploy.Services() {
		if slices.Contains(there, s.Name) {
			p.services = append(p.services, s.Name)
		}
	}
	if len(p.services) == 0 || p.services[0] != "bty-web" {
		return refused("not-installed", "the project's container bty-web is not there", "Start it: "+p.Program+" --file "+filepath.Join(p.Dir, projectFile)+" up --detach")
	}
	if p.Images != "" {
		if p.archives, err = archives(p.Images); err != nil {
			return err
		}
		if web, ok := p.archives["bty-web"]; ok && look.To == "" {
			look.To = web.tag
		}
	}
	if look.To == "" {
		look.To = look.From
	}
	for _, name := range p.services {
		reference := variable(p.now, prefixOf, defaultPrefix) + "/" + name + ":" + look.To
		if look.To != look.From {
			look.Changes = append(look.Changes, Change{"changed", name + ":" + look.From + " -> " + reference})
		}
		if a, ok := p.archives[name]; ok && a.tag == look.To || deploy.IsRegistry(variable(p.now, prefixOf, defaultPrefix)) {
			continue
		}
		if _, err := tool(ctx, "podman", "image", "exists", reference); err != nil {
			return refused("images", fmt.Sprintf("the image %s is not loaded", reference), "Load it (podman load -i FILE), or name the folder of the new images with --images")
		}
	}
	return nil
}

const projectPlan = packagesName + "/project.json"

// projectSwitch is what differs between the two releases.
type projectSwitch struct {
	Services  []string
	Old, Next string      // .env
	File      projectText // compose.yml
}

// side is one of the two releases: the text of .env, and that of compose.yml.
type side struct{ env, file string }

func (s projectSwitch) old() side  { return side{s.Old, s.File.Old} }
func (s projectSwitch) next() side { return side{s.Next, s.File.Next} }

func readProjectSwitch(folder string) (plan projectSwitch, err error) {
	raw, err := os.ReadFile(filepath.Join(folder, projectPlan))
	if err == nil {
		err = json.Unmarshal(raw, &plan)
	}
	if err != nil {
		err = fmt.Errorf("what differs between the releases cannot be read (%s): %w", filepath.Join(folder, projectPlan), err)
	}
	return plan, err
}

// Prepare implements Place.
func (p *Project) Prepare(ctx context.Context, folder string) error {
	if err := os.MkdirAll(filepath.Join(folder, packagesName), 0o700); err != nil {
		return err
	}
	for _, name := range p.services {
		if a, ok := p.archives[name]; ok {
			if _, err := tool(ctx, "podman", "load", "--quiet", "--input", a.path); err != nil {
				return err
			}
		}
	}
	raw, err := json.Marshal(projectSwitch{p.services, p.now, p.next, p.file})
	if err != nil {
		return err
	}
	return deploy.ReplaceFile(filepath.Join(folder, projectPlan), raw, 0o600)
}

// Switch implements Place.
func (p *Project) Switch(ctx context.Context, folder string) error {
	return p.put(ctx, folder, projectSwitch.next)
}

// Return implements Place.
func (p *Project) Return(ctx context.Context, folder string) error {
	return p.put(ctx, folder, projectSwitch.old)
}

func (p *Project) put(ctx context.Context, folder string, choose func(projectSwitch) side) error {
	plan, err := readProjectSwitch(folder)
	if err != nil {
		return err
	}
	if _, err := tool(ctx, "podman", "stop", "--ignore", "--time=40", "bty-web"); err != nil {
		return err
	}
	release := choose(plan)
	if release.file != "" { // else it is the same, or the site's own
		if err := deploy.ReplaceFile(p.path(), []byte(release.file), modeOf(p.path(), 0o644)); err != nil {
			return err
		}
	}
	if err := deploy.ReplaceFile(p.env(), []byte(release.env), modeOf(p.env(), 0o644)); err != nil {
		return err
	}
	guard, err := ReadGuard(folder)
	if err != nil {
		return err
	}
	if done, err := guard.Stand(ctx, folder); err != nil {
		return err
	} else if done != "" {
		p.Tell("note: " + done)
	}
	return p.up(ctx, plan.Services)
}

// up makes the containers anew whose image has changed.
func (p *Project) up(ctx context.Context, services []string) error {
	args := []string{"--file", filepath.Join(p.Dir, projectFile)}
	if slices.Contains(services, "bty-tftp") {
		args = append(args, "--profile", "tftp")
	}
	cmd := append(append(args, "up", "--detach"), services...)
	_, err := tool(ctx, p.Program, cmd...)
	return err
}

// Refresh implements Place: compose itself sees what is not as its file says.
func (p *Project) Refresh(ctx context.Context) error { return p.up(ctx, p.services) }

// Settled implements Place.
func (p *Project) Settled(_ context.Context, folder string, release string) error {
	if folder == "" {
		return deploy.Upgraded(p.Dir, release, build.Version)
	}
	plan, err := readProjectSwitch(folder)
	if err != nil {
		return err
	}
	exchanged := []deploy.Exchanged{{Path: p.env(), Old: plan.Old, New: plan.Next}}
	if plan.File.Next != "" {
		exchanged = append(exchanged, deploy.Exchanged{Path: p.path(), Old: plan.File.Old, New: plan.File.Next})
	}
	return deploy.Upgraded(p.Dir, release, build.Version, exchanged...)
}

// Ready asks the server over its port.
func (p *Project) Ready(ctx context.Context) error {
	raw, err := os.ReadFile(p.env())
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	port := variable(string(raw), portOf, defaultPort)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort("127.0.0.1", port)+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status + ": " + strings.TrimSpace(string(said)))
	}
	return err
}

// Starts is how often Podman has started the server again by itself.
func (p *Project) Starts(ctx context.Context) int {
	out, err := tool(ctx, "podman", "inspect", "--format", "{{.RestartCount}}", "bty-web")
	n, bad := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || bad != nil {
		return 0
	}
	return n
}

// Words are what the server said last.
func (p *Project) Words(ctx context.Context) string {
	// What a container says on its standard error, Podman says on its own.
	out, err := exec.CommandContext(ctx, "podman", "logs", "--tail", strconv.Itoa(lastLines), "bty-web").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("podman logs bty-web: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}
