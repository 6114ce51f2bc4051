package library

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"bty/internal/catalog"
	"bty/internal/fault"
)

// maxCatalog is the largest catalog.toml that an import reads, in bytes.
const maxCatalog = 4 << 20

// load reads a catalog.toml from where the operator says it is: http(s), a registry, or a path on
// this server.
func (l *Library) load(ctx context.Context, source string) ([]catalog.Listed, error) {
	raw, err := l.read(ctx, source)
	if err != nil {
		return nil, err
	}
	listed, err := catalog.DecodeTOML(raw)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "failed to load catalog from '%s': %v", source, err)
	}
	return listed, nil
}

func (l *Library) read(ctx context.Context, source string) ([]byte, error) {
	switch scheme := catalog.Scheme(source); scheme {
	case "http", "https", "oras":
		raw, err := l.fetch(ctx, source, maxCatalog)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "failed to fetch catalog from '%s': %v", source, err)
		}
		return raw, nil
	case "file", "":
		raw, err := readFile(source, maxCatalog)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "failed to load catalog from '%s': %v", source, err)
		}
		return raw, nil
	default:
		return nil, fault.New(fault.Invalid, "failed to load catalog from '%s': the scheme %q is not known; want http, https, oras, file or a path on this server", source, scheme)
	}
}

// fetch reads a remote file of at most limit bytes.
func (l *Library) fetch(ctx context.Context, source string, limit int64) ([]byte, error) {
	canonical, err := catalog.Canonical(source)
	switch {
	case err != nil:
		return nil, err
	case isORAS(source):
		return l.Registry.Fetch(ctx, canonical, limit)
	}
	return l.get(ctx, source, limit)
}

// readFile reads a file of this server, given as a path or a file:// URL. It never waits: a FIFO
// or a device is refused.
func readFile(source string, limit int64) ([]byte, error) {
	path, err := localPath(source)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	}
	raw, err := readAll(f, limit)
	return raw, withoutPath(err)
}

func localPath(source string) (string, error) {
	path := source
	if catalog.Scheme(source) == "file" {
		u, err := url.Parse(source)
		if err != nil || u.Host != "" && u.Host != "localhost" {
			return "", errors.New("it is no path on this server; want file:///path/catalog.toml")
		}
		path = u.Path
	}
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return "", errors.New("it is no absolute path; want /path/catalog.toml")
	}
	return path, nil
}

// withoutPath drops the path from err; the message around it has it already.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// replaceFile prepares new content for a file beside it; commit puts it in place, cancel drops it.
func replaceFile(path string, content []byte) (commit func() error, cancel func(), err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".catalog-*.toml")
	if err != nil {
		return nil, nil, fmt.Errorf("write %s: %w", path, err)
	}
	cancel = func() { _ = os.Remove(f.Name()) } // it is gone once it is in place
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(0o640), f.Sync(), f.Close()); err != nil {
		cancel()
		return nil, nil, fmt.Errorf("write %s: %w", path, err)
	}
	return func() error { return os.Rename(f.Name(), path) }, cancel, nil
}
