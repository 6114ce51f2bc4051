package aptget

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Apt runs apt's tools with every folder they write to under dir.
type Apt struct {
	dir string
}

// Open prepares dir for the sources. Nothing is fetched yet.
func Open(dir string, sources []Source) (*Apt, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("making apt's folder: %w", err)
		}
	}
	a := &Apt{dir: dir}
	var lines strings.Builder
	for _, s := range sources {
		fmt.Fprintln(&lines, s.Line())
	}
	files := map[string]string{"etc/sources.list": lines.String(), "etc/status": "", "etc/apt.conf": a.config()}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return nil, fmt.Errorf("writing apt's configuration: %w", err)
		}
	}
	return a, nil
}

// config keeps proxies and credentials of the machine's own configuration, which is read
// before APT_CONFIG, and replaces what names a folder. dpkg's status is an empty file, so that
// nothing counts as installed; the machine's pins and hooks do not apply to these lists.
func (a *Apt) config() string {
	return fmt.Sprintf(`Dir::Etc::sourcelist "%[1]s/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "%[1]s/lists";
Dir::State::status "%[1]s/etc/status";
Dir::Cache "%[1]s/cache";
APT::Sandbox::User "";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Acquire::Retries "3";
`, a.dir)
}

// For goes on with the packages of another architecture, in Debian's words (amd64, arm64), which this machine
// need not know of.
func (a *Apt) For(ctx context.Context, architecture string) error {
	config := a.config() + fmt.Sprintf("APT::Architecture \"%[1]s\";\n#clear APT::Architectures;\nAPT::Architectures {\"%[1]s\";};\n", architecture)
	if err := os.WriteFile(filepath.Join(a.dir, "etc", "apt.conf"), []byte(config), 0o644); err != nil {
		return fmt.Errorf("writing apt's configuration: %w", err)
	}
	return a.Update(ctx)
}

// Update fetches the package lists.
func (a *Apt) Update(ctx context.Context) error {
	_, err := a.run(ctx, a.dir, "apt-get", "-q", "update")
	return err
}

// Dependency is the first package that name depends on whose name starts with prefix: the real
// package behind one that always points to the newest.
func (a *Apt) Dependency(ctx context.Context, name, prefix string) (string, error) {
	out, err := a.run(ctx, a.dir, "apt-cache", "depends", "--important", name)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		dependency, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: ")
		if ok && strings.HasPrefix(dependency, prefix) {
			return dependency, nil
		}
	}
	return "", fmt.Errorf("package %s depends on no %s*", name, prefix)
}

// Download fetches one package, checked against the signed lists, and returns the file.
func (a *Apt) Download(ctx context.Context, name string) (string, error) {
	into, err := os.MkdirTemp(a.dir, "deb-")
	if err != nil {
		return "", err
	}
	if _, err := a.run(ctx, into, "apt-get", "-q", "download", name); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(into, "*.deb"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("apt-get download %s left %d packages in %s; want one", name, len(found), into)
	}
	return found[0], nil
}

// Version is what the package file says of itself.
func (a *Apt) Version(ctx context.Context, deb string) (string, error) {
	out, err := a.run(ctx, a.dir, "dpkg-deb", "--field", deb, "Version")
	return strings.TrimSpace(out), err
}

// Extract unpacks the package's files under dir.
func (a *Apt) Extract(ctx context.Context, deb, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	_, err = a.run(ctx, a.dir, "dpkg-deb", "--extract", deb, dir)
	return err
}

func (a *Apt) run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(a.dir, "etc", "apt.conf"), "LC_ALL=C")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, errs.String(), tail(out.String()))
	}
	return out.String(), nil
}

// tail is the end of what a command said, where the reason is.
func tail(s string) string {
	const enough = 2000
	return s[max(0, len(s)-enough):]
}
