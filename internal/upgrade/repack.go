package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// repack makes a package of what dpkg has installed: dpkg keeps the scripts of a package, not its file,
// and a repository may have nothing but the newest. It is made without compression, for a few minutes.
func (d dpkg) repack(ctx context.Context, to string) error {
	tree, err := os.MkdirTemp(filepath.Dir(to), "tree.")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tree)
	if err := os.Chmod(tree, 0o755); err != nil { // it becomes the mode of /
		return err
	}
	edited, err := d.editedConfigs(ctx)
	if err != nil {
		return err
	}
	if err := d.repackControl(ctx, filepath.Join(tree, "DEBIAN"), edited); err != nil {
		return err
	}
	out, err := tool(ctx, "dpkg-query", "--listfiles", packageName)
	if err != nil {
		return err
	}
	for path := range strings.Lines(out) {
		path = strings.TrimSuffix(path, "\n")
		if !strings.HasPrefix(path, "/") || path == "/." || slices.Contains(edited, path) {
			continue
		}
		if err := repackFile(ctx, path, filepath.Join(tree, path)); err != nil {
			return err
		}
	}
	if _, err := tool(ctx, "dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, to); err != nil {
		return fmt.Errorf("pack the release in place, for the way back: %w", err)
	}
	return nil
}

// editedConfigs are files of configuration that the site has changed. They must not be in the package: dpkg
// would take the site's content for the release's, and replace it with the next upgrade.
func (d dpkg) editedConfigs(ctx context.Context) (paths []string, err error) {
	configs, err := d.configs(ctx)
	if err != nil {
		return nil, err
	}
	edited, err := d.edited(ctx)
	for _, e := range edited {
		if slices.Contains(configs, e.Path) {
			paths = append(paths, e.Path)
		}
	}
	return paths, err
}

// configs are the package's files of configuration.
func (dpkg) configs(ctx context.Context) ([]string, error) {
	out, err := tool(ctx, "dpkg-query", "--control-show", packageName, "conffiles")
	if _, ok := errors.AsType[*toolError](err); ok { // it has none
		return nil, nil
	}
	return strings.Fields(out), err
}

// repackControl makes the control files from dpkg's books.
func (d dpkg) repackControl(ctx context.Context, dir string, without []string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	status, err := tool(ctx, "dpkg-query", "--status", packageName)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "control"), []byte(controlOf(status)), 0o644); err != nil {
		return err
	}
	names, err := tool(ctx, "dpkg-query", "--control-list", packageName)
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(names) {
		if name == "md5sums" || name == "list" { // dpkg-deb needs none, dpkg makes its own
			continue
		}
		content, err := tool(ctx, "dpkg-query", "--control-show", packageName, name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o755)
		if name == "conffiles" {
			content, mode = linesWithout(content, without), 0o644
			if content == "" {
				continue
			}
		}
		if name == "triggers" || name == "shlibs" || name == "symbols" {
			mode = 0o644
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
			return err
		}
	}
	return nil
}

// controlOf takes what is only in dpkg's status out of it.
func controlOf(status string) string {
	var b strings.Builder
	skip := false
	for line := range strings.Lines(status) {
		if !strings.HasPrefix(line, " ") {
			field, _, _ := strings.Cut(line, ":")
			skip = field == "Status" || field == "Conffiles" || field == "Config-Version"
		}
		if !skip && strings.TrimSpace(line) != "" {
			b.WriteString(line)
		}
	}
	return b.String()
}

func linesWithout(content string, without []string) string {
	var b strings.Builder
	for line := range strings.Lines(content) {
		if !slices.Contains(without, strings.TrimSpace(line)) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// repackFile copies a file, a folder without its content, or a link. What a host leaves out is not there.
func repackFile(ctx context.Context, from, to string) error {
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		return os.MkdirAll(to, info.Mode().Perm())
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	_, err = copyFile(ctx, from, to)
	return err
}
