package pyclient

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// Entry is an image of a catalog.
type Entry struct {
	Name   string `toml:"name"`
	Src    string `toml:"src"`
	SHA256 string `toml:"sha256"`
	Format string `toml:"format"`
}

// wizard shows a catalog to whoever is there. What they choose is flashed and reported once.
func (c *Client) wizard(ctx context.Context, catalog, banner string) Outcome {
	o := Outcome{Wizard: true, Banner: banner, Catalog: catalog}
	entries, err := c.catalog(ctx, catalog)
	if err != nil {
		o.Why = err.Error()
		return o
	}
	o.Entries = entries
	if c.Choose == nil {
		return o
	}
	src, serial := c.Choose(entries)
	if src == "" {
		return o
	}
	if err := c.byHand(ctx, entries, src, serial); err != nil {
		o.Why = err.Error()
		return o
	}
	c.report(ctx, "done", "")
	o.Rebooted = true
	return o
}

func (c *Client) catalog(ctx context.Context, url string) ([]Entry, error) {
	raw, err := c.urlopen(ctx, http.MethodGet, url, nil, 30*time.Second, 4<<20)
	if err != nil {
		return nil, err
	}
	var file struct {
		Version int     `toml:"version"`
		Images  []Entry `toml:"images"`
	}
	if err := toml.Unmarshal(raw, &file); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, e := range file.Images {
		if e.Name == "" || e.Src == "" || seen[e.Name] {
			return nil, fmt.Errorf("catalog entry %q is not usable, nor is the catalog", e.Name)
		}
		seen[e.Name] = true
	}
	if file.Version != 1 {
		return nil, fmt.Errorf("catalog version %d", file.Version)
	}
	return file.Images, nil
}

func (c *Client) byHand(ctx context.Context, entries []Entry, src, serial string) error {
	for _, e := range entries {
		if e.Src != src {
			continue
		}
		disks, err := c.disks(ctx)
		if err != nil {
			return err
		}
		disk, ok := match(disks, serial)
		if !ok {
			return fmt.Errorf("no disk with serial %s", serial)
		}
		i, err := c.probe(ctx, src, formatOf(e.Name, e.Format), e.SHA256)
		if err != nil {
			return err
		}
		if problems := c.validate(ctx, i, disk.Path); len(problems) > 0 {
			return fmt.Errorf("%v", problems)
		}
		return c.flash(ctx, i, disk.Path)
	}
	return fmt.Errorf("the catalog has no %s", src)
}
