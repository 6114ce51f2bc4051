package upgrade

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dpkg is the book of Debian and what descends from it.
type dpkg struct{}

func (dpkg) ending() string { return ".deb" }

func (dpkg) canRepack() bool { return true }

func (dpkg) installed(ctx context.Context) (string, error) {
	out, err := tool(ctx, "dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", packageName)
	if _, ok := errors.AsType[*toolError](err); ok { // no such package
		return "", nil
	}
	status, version, _ := strings.Cut(strings.TrimSpace(out), " ")
	switch status {
	case "installed", "half-configured", "unpacked", "half-installed", "triggers-pending", "triggers-awaited":
		return version, err
	}
	return "", err
}

func (dpkg) about(ctx context.Context, file string) (string, error) {
	out, err := tool(ctx, "dpkg-deb", "--show", "--showformat=${Package} ${Architecture} ${Version}", file)
	if err != nil {
		return "", fmt.Errorf("%s is no Debian package that can be read: %w", file, err)
	}
	fields := strings.Fields(out)
	if len(fields) != 3 || fields[0] != packageName {
		return "", refused("package", fmt.Sprintf("%s is the package %s, not bty", file, strings.Join(fields, " ")), "Name the package of bty")
	}
	own, err := tool(ctx, "dpkg", "--print-architecture")
	if own = strings.TrimSpace(own); err == nil && own != fields[1] {
		return "", refused("package", fmt.Sprintf("%s is for %s, and this host is %s", file, fields[1], own), "Name the package for "+own)
	}
	return fields[2], err
}

// edited reads dpkg --verify, whose lines are as rpm's: a test for each place, c for configuration, a path.
func (dpkg) edited(ctx context.Context) ([]Edited, error) {
	out, err := tool(ctx, "dpkg", "--verify", packageName)
	if _, ok := errors.AsType[*toolError](err); err != nil && !ok {
		return nil, err
	}
	return parseVerify(out, ".dpkg-dist"), nil
}

// parseVerify reads the lines that dpkg and rpm have in common. Documents that a host leaves out are not
// the site's edits.
func parseVerify(out, beside string) (found []Edited) {
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		path := fields[len(fields)-1]
		switch isConfig := len(fields) > 2 && fields[1] == "c"; {
		case fields[0] == "missing" && !isConfig:
		case fields[0] == "missing":
			found = append(found, Edited{path, "was deleted, and stays so"})
		case isConfig:
			found = append(found, Edited{path, "stays as it is; where the new release has another, that is beside it as " + path + beside})
		case strings.Contains(fields[0], "5"):
			found = append(found, Edited{path, "is replaced: it is no configuration. It is kept in the snapshot; a drop-in in /etc/systemd/system would stay"})
		}
	}
	return found
}

func (dpkg) size(ctx context.Context, file string) (int64, error) {
	out, err := tool(ctx, "dpkg-deb", "--field", file, "Installed-Size")
	if err != nil {
		return 0, err
	}
	kib, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: Installed-Size: %w", file, err)
	}
	return kib << 10, nil
}

// lockWait is how long another run of the package manager is waited for.
const lockWait = time.Minute

// held is in what dpkg says then, of any of its locks: who has it differs from one release to another.
var held = regexp.MustCompile(`(?m)^dpkg: error: .* (is|was) locked by .*process`)

func (dpkg) install(ctx context.Context, file string) error {
	for end := time.Now().Add(lockWait); ; {
		err := toItsEnd(ctx, moving, file+logEnding, "dpkg", "--force-confdef", "--force-confold", "--install", file)
		failed, ok := errors.AsType[*toolError](err)
		switch {
		case !ok || !held.MatchString(failed.Said):
			return err
		case time.Now().After(end): // apt, or what is left of a run that was killed
			return &notNow{fmt.Sprintf("another run of the package manager has been at work for over %v: %s", lockWait, failed.Said)}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// changes compares file by file, by content.
func (dpkg) changes(ctx context.Context, file string) ([]Change, error) {
	offered, err := debContents(ctx, file)
	if err != nil {
		return nil, err
	}
	out, err := tool(ctx, "dpkg-query", "--listfiles", packageName)
	if err != nil {
		return nil, err
	}
	return compareFiles(offered, strings.Fields(out))
}

// compareFiles lists what differs between a package's files, with their digests, and those in place.
func compareFiles(offered map[string]string, installed []string) (list []Change, err error) {
	for path, sum := range offered {
		have, err := digestOf(path)
		switch {
		case err != nil:
			return nil, err
		case have == "":
			list = append(list, Change{"new", path})
		case have != sum:
			list = append(list, Change{"changed", path})
		}
	}
	for _, path := range installed {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && offered[path] == "" {
			list = append(list, Change{"gone", path})
		}
	}
	slices.SortFunc(list, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// debContents are the regular files of a package with their digests.
func debContents(ctx context.Context, file string) (map[string]string, error) {
	files := map[string]string{}
	err := eachInDeb(ctx, file, func(path string, content io.Reader) error {
		hash := sha256.New()
		_, err := io.Copy(hash, content)
		files[path] = hex.EncodeToString(hash.Sum(nil))
		return err
	})
	return files, err
}

// eachInDeb visits the regular files of a package.
func eachInDeb(ctx context.Context, file string, visit func(path string, content io.Reader) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, reading, fmt.Errorf("dpkg-deb had not ended after %v", reading))
	defer cancel()
	cmd := command(ctx, "dpkg-deb", "--fsys-tarfile", file)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = eachInTar(out, visit)
	late := context.Cause(ctx)
	if err != nil {
		cancel() // err is what matters
	}
	if wait := cmd.Wait(); err == nil {
		err = wait
	}
	if err != nil {
		return fmt.Errorf("%s: the files of the package cannot be read: %w: %s", file, cmp.Or(late, err), tail(said.String()))
	}
	return nil
}

func eachInTar(r io.Reader, visit func(path string, content io.Reader) error) error {
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			_, err = io.Copy(io.Discard, r) // what follows the end
			return err
		case err != nil:
			return err
		case header.Typeflag != tar.TypeReg:
			continue
		}
		if err := visit(filepath.Join("/", header.Name), archive); err != nil {
			return err
		}
	}
}
