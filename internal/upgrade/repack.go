package upgrade

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// repack makes a package of what dpkg has installed: dpkg keeps the scripts of a package, not its file,
// and a repository may have nothing but the newest. It is made without compression, for a few minutes.
func (d dpkg) repack(ctx context.Context, to, next string) error {
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
	shipped, err := d.shipped(ctx, edited, next)
	if err != nil {
		return err
	}
	edited = slices.DeleteFunc(edited, func(path string) bool { return shipped[path] != nil })
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
		if content := shipped[path]; content != nil {
			err = os.WriteFile(filepath.Join(tree, path), content, 0o644)
		} else {
			err = repackFile(ctx, path, filepath.Join(tree, path))
		}
		if err != nil {
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

// shipped are edited files of configuration as the release in place has them: those that the next release has
// unchanged. A package without them would have dpkg forget them, and ask about them when it is next told to
// install another.
func (dpkg) shipped(ctx context.Context, edited []string, next string) (files map[string][]byte, err error) {
	if len(edited) == 0 {
		return nil, nil
	}
	books, err := tool(ctx, "dpkg-query", "--show", "--showformat=${Conffiles}", packageName)
	if err != nil {
		return nil, err
	}
	was := map[string]string{}
	for line := range strings.Lines(books) {
		if fields := strings.Fields(line); len(fields) >= 2 && slices.Contains(edited, fields[0]) {
			was[fields[0]] = fields[1]
		}
	}
	files = map[string][]byte{}
	err = eachInDeb(ctx, next, func(path string, content io.Reader) error {
		if was[path] == "" {
			return nil
		}
		raw, err := io.ReadAll(io.LimitReader(content, maxFile))
		if sum := md5.Sum(raw); err == nil && hex.EncodeToString(sum[:]) == was[path] {
			files[path] = raw
		}
		return err
	})
	return files, err
}

// configs are the package's files of configuration.
func (dpkg) configs(ctx context.Context) ([]string, error) {
	out, err := tool(ctx, "dpkg-query", "--control-show", packageName, conffiles)
	if _, ok := errors.AsType[*toolError](err); ok { // it has none
		return nil, nil
	}
	return strings.Fields(out), err
}

// conffiles is the control file that names the files of configuration.
const conffiles = "conffiles"

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
	configs, err := d.configs(ctx) // the list of control files does not have it
	if err != nil {
		return err
	}
	configs = slices.DeleteFunc(configs, func(path string) bool { return slices.Contains(without, path) })
	if len(configs) > 0 {
		if err := os.WriteFile(filepath.Join(dir, conffiles), []byte(strings.Join(configs, "\n")+"\n"), 0o644); err != nil {
			return err
		}
	}
	names, err := tool(ctx, "dpkg-query", "--control-list", packageName)
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(names) {
		if name == "md5sums" || name == "list" || name == conffiles { // dpkg-deb needs none, dpkg makes its own
			continue
		}
		content, err := tool(ctx, "dpkg-query", "--control-show", packageName, name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o755)
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
