package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/wire"
)

// maxSources bounds what bty-web may publish.
const maxSources = 20000

// Published is the catalog as bty-web told it last, kept in a file: after a restart of this host the
// cache gives what it has before bty-web runs.
type Published struct {
	Path  string
	Rules *Rules
}

// Load takes what the file has; without one nothing is published yet. What a kill has left of writing it goes.
func (p *Published) Load() error {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(p.Path), temporary)) // the pattern is good
	for _, path := range left {
		_ = os.Remove(path) // the engine says what is wrong with the folder
	}
	text, err := os.ReadFile(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var list wire.CacheSources
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return fmt.Errorf("the sources that bty-web published: %w", err)
	}
	p.Rules.Publish(list.Sources)
	return nil
}

// Put replaces the list, in the file first. A source that nobody could ask for is left out: one odd
// entry of the catalog must not keep the others from being given.
func (p *Published) Put(list wire.CacheSources) error {
	if err := check(list); err != nil {
		return err
	}
	list.Sources = slices.DeleteFunc(slices.Clone(list.Sources), func(s wire.CacheSource) bool { return readable(s.Src) != nil })
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if err := replace(p.Path, text); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the list could not be written to %s; look for space and permissions of the cache's folder", p.Path)
	}
	p.Rules.Publish(list.Sources)
	return nil
}

func check(list wire.CacheSources) error {
	if len(list.Sources) > maxSources {
		return fault.New(fault.TooLarge, "%d sources; a cache takes %d", len(list.Sources), maxSources)
	}
	for _, s := range list.Sources {
		if _, err := catalog.ParseDigest(s.SHA256); s.SHA256 != "" && err != nil {
			return fault.New(fault.Invalid, "%s: %v", s.Src, err)
		}
		if s.SizeBytes < 0 {
			return fault.New(fault.Invalid, "%s: size_bytes is negative", s.Src)
		}
	}
	return nil
}

const temporary = ".sources-*"

// replace writes a file, all of it or none, so that it is there after a power cut.
func replace(path string, text []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, temporary)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // there is none once it has its name
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
