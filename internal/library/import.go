package library

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"bty/internal/catalog"
	"bty/internal/fault"
)

// MaxUpload is the largest catalog.toml that is uploaded, or fetched from the catalog's URL, in
// bytes.
const MaxUpload = 1 << 20

// Uploaded is the source that a report of an upload names.
const Uploaded = "<upload>"

// Import takes over a catalog.toml from a URL, a registry or a path on this server.
func (l *Library) Import(ctx context.Context, source string, from netip.Addr) (Report, error) {
	if catalog.HasUserInfo(source) {
		return Report{}, fault.New(fault.Invalid, "the source carries a user name or password, which the events would show; publish the catalog where none is needed")
	}
	listed, err := l.load(ctx, source)
	if err != nil {
		return Report{}, err
	}
	return l.take(ctx, listed, source, from)
}

// Upload takes over a catalog.toml that the operator sends, and keeps it as the catalog file.
func (l *Library) Upload(ctx context.Context, name string, raw []byte, from netip.Addr) (Report, error) {
	lower := strings.ToLower(name)
	switch {
	case name != "" && !strings.HasSuffix(lower, ".toml") && !strings.HasSuffix(lower, ".tml"):
		return Report{}, fault.New(fault.Invalid, "unexpected file extension of %.100q; want .toml", name)
	case len(raw) > MaxUpload:
		return Report{}, fault.New(fault.Invalid, "upload exceeded %d bytes", MaxUpload)
	case len(raw) == 0:
		return Report{}, fault.New(fault.Invalid, "upload was empty")
	}
	return l.keep(ctx, raw, Uploaded, "catalog parse failed", from)
}

// FetchRelease takes over the published catalog, and keeps it as the catalog file.
func (l *Library) FetchRelease(ctx context.Context) (Report, error) {
	source := l.CatalogURL()
	raw, err := l.fetch(ctx, source, MaxUpload)
	switch {
	case errors.Is(err, errTooLarge):
		return Report{}, fault.Wrap(fault.Invalid, err, "fetched catalog exceeded %d bytes", MaxUpload)
	case err != nil:
		return Report{}, fault.Wrap(fault.Invalid, err, "release fetch failed: %v", err)
	case len(raw) == 0:
		return Report{}, fault.New(fault.Invalid, "fetched catalog was empty")
	}
	return l.keep(ctx, raw, source, "fetched catalog parse failed", netip.Addr{})
}

// keep takes over a catalog.toml and puts it in place of the catalog file, which stays as it was
// if anything goes wrong before.
func (l *Library) keep(ctx context.Context, raw []byte, source, failure string, from netip.Addr) (Report, error) {
	listed, err := catalog.DecodeTOML(raw)
	if err != nil {
		return Report{}, fault.Wrap(fault.Invalid, err, "%s: %v", failure, err)
	}
	l.file.Lock()
	defer l.file.Unlock()
	commit, cancel, err := replaceFile(l.File, raw)
	if err != nil {
		return Report{}, unwritable(l.File, err)
	}
	defer cancel()
	report, err := l.take(ctx, listed, source, from)
	if err != nil {
		return Report{}, err
	}
	if err := commit(); err != nil {
		return report, unwritable(l.File, err)
	}
	return report, nil
}

func unwritable(path string, err error) error {
	return fault.Wrap(fault.Unavailable, err, "the catalog file %s could not be written: %v; make its folder writable for bty-web, or set [paths] catalog_file", path, withoutPath(errors.Unwrap(err)))
}

// Startup is what became of the catalog file at the start.
type Startup struct {
	Added    int
	Problems []Problem
}

// TakeFile adds what the catalog file lists and the catalog lacks, without asking a registry. An
// image that the operator deleted stays deleted. That there is no file is no error.
func (l *Library) TakeFile(ctx context.Context) (Startup, error) {
	raw, err := readFile(l.File, maxCatalog)
	if errors.Is(err, fs.ErrNotExist) {
		return Startup{}, nil
	}
	if err != nil {
		return Startup{}, fmt.Errorf("read %s: %w", l.File, err)
	}
	listed, err := catalog.DecodeTOML(raw)
	if err != nil {
		return Startup{}, fmt.Errorf("%s: %w", l.File, err)
	}
	absent, err := l.absent(listed)
	if err != nil || len(absent) == 0 {
		return Startup{}, err
	}
	var report Report
	err = l.Store.Update(ctx, func(tx Tx) error {
		report = Report{}
		wanted, err := notDropped(tx, absent)
		if err != nil {
			return err
		}
		return l.putAll(tx, wanted, nil, &report)
	})
	return Startup{report.Imported, report.Errors}, err
}

func notDropped(tx Tx, listed []*catalog.Listed) ([]*catalog.Listed, error) {
	var wanted []*catalog.Listed
	for _, one := range listed {
		dropped, err := tx.Dropped(one.Ref)
		if err != nil {
			return nil, err
		}
		if !dropped {
			wanted = append(wanted, one)
		}
	}
	return wanted, nil
}
