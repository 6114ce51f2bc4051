package previous

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bty/internal/catalog"
	"bty/internal/wire"
)

// CatalogName is the file that holds the catalog from 0.66 on, in the data folder of withcache.
const CatalogName = "catalog.toml"

// maxCatalog is more than any of withcache's has, in bytes.
const maxCatalog = 16 << 20

// Beside is where bty-lab deploy of the previous system has withcache's catalog, for its database at
// path; "" if there is none.
func Beside(path string) string {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	file := filepath.Join(filepath.Dir(filepath.Dir(absolute)), "withcache", CatalogName)
	if !isThere(file) {
		return ""
	}
	return file
}

// AddCatalog adds the images of a catalog.toml, given by its path or by the folder that it is in, to
// those that the database has. An error is one of the whole file.
func AddCatalog(state *wire.PreviousState, path string) error {
	raw, path, err := readCatalog(path)
	if err != nil {
		return err
	}
	listed, err := catalog.DecodeTOML(raw)
	if err != nil {
		return fmt.Errorf("%s: %w; give the catalog.toml of withcache's data folder", path, err)
	}
	have := map[catalog.ImageRef]bool{}
	for _, one := range state.Images {
		if ref, err := catalog.RefOf(one.Src); err == nil {
			have[ref] = true
		}
	}
	for _, one := range listed {
		addListed(state, one, have)
	}
	state.Catalog = path
	return nil
}

// addListed adds one image, or says why it is left out. What else is wrong with it is found as with
// those of a database.
func addListed(state *wire.PreviousState, one catalog.Listed, have map[catalog.ImageRef]bool) {
	lose := func(why string) {
		state.Lost = append(state.Lost, wire.TakeoverRow{Kind: "image", ID: clip(one.Name), Outcome: wire.TakenNot, Reason: why})
	}
	if _, err := catalog.ParseFormat(string(one.Format)); err != nil {
		lose(fmt.Sprintf("it is no disk image: %.200v", err)) // there it could not be chosen for a machine either
		return
	}
	e := wire.PreviousImage{Src: one.Src, ResolvedSrc: one.ResolvedSrc, Name: one.Name, Format: string(one.Format), Arch: one.Arch, Size: one.Size, Description: one.Description,
		Grow: one.Grow.Bool(), Verify: one.Verify.Bool()}
	if !one.Ref.IsZero() {
		e.Ref = one.Ref.String()
	}
	if !one.Digest.IsZero() {
		e.Digest = one.Digest.String()
	}
	if have[one.Ref] {
		lose("another image has the same source")
		return
	}
	if !one.Ref.IsZero() {
		have[one.Ref] = true
	}
	state.Images = append(state.Images, e)
}

// readCatalog returns what is in the file that a path means, and its name.
func readCatalog(path string) (raw []byte, name string, err error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, CatalogName)
		info, err = os.Stat(path)
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, path, fmt.Errorf("%w; give the catalog.toml of withcache, or its data folder (its container mounts it at /data)", err)
	case err != nil:
		return nil, path, fmt.Errorf("%w; be root, or give a copy that you may read", err)
	case !info.Mode().IsRegular():
		return nil, path, fmt.Errorf("%s is no file; give the catalog.toml of withcache", path)
	case info.Size() > maxCatalog:
		return nil, path, fmt.Errorf("%s has %d bytes, more than a catalog has; give the catalog.toml of withcache", path, info.Size())
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, path, fmt.Errorf("%w; be root, or give a copy that you may read", err)
	}
	defer file.Close()
	raw, err = io.ReadAll(io.LimitReader(file, maxCatalog))
	return raw, path, err
}
