package library

import (
	"context"
	"time"

	"bty/internal/catalog"
	"bty/internal/wire"
)

// Checked is what the origin and the cache say of a source now.
type Checked struct {
	Src       string
	Error     string // why the origin cannot be reached, "" if it can
	Size      int64  // 0 if it does not say
	Format    catalog.Format
	Digest    catalog.Digest // that a registry names
	Known     catalog.Digest // that the catalog holds
	Cache     catalog.Cached
	Cacheable bool // a cache fetches sources of this kind
	At        time.Time
}

// Moved reports whether the source leads to other bytes than the catalog holds it to.
func (c Checked) Moved() bool {
	return !c.Digest.IsZero() && !c.Known.IsZero() && c.Digest != c.Known
}

// Check asks the origin of an image, which need not be in the catalog, and the cache. It changes
// nothing here; a cache that lacks the image begins to fetch it.
func (l *Library) Check(ctx context.Context, src string) (Checked, error) {
	c := Checked{Src: src, At: l.Now(), Format: catalog.FormatOf(catalog.BaseName(src))}
	if ref, err := catalog.RefOf(src); err == nil {
		err := l.Store.View(func(tx Tx) error {
			entry, found, err := tx.Image(ref)
			if found {
				c.Known, c.Format = entry.Digest, entry.Format
			}
			return err
		})
		if err != nil {
			return c, err
		}
	}
	l.checkOrigin(ctx, &c)
	c.Cache = catalog.Cached{Configured: l.Cache.Configured()}
	if c.Cacheable && c.Cache.Configured {
		c.Cache = l.Cache.Ask(ctx, catalog.Entry{Src: src, Digest: c.Known}, "")
	}
	return c, nil
}

func (l *Library) checkOrigin(ctx context.Context, c *Checked) {
	switch scheme := catalog.Scheme(c.Src); {
	case scheme == "oras":
		c.Cacheable = true
		found, err := l.resolve(ctx, c.Src)
		if err != nil {
			c.Error = err.Error()
			return
		}
		c.Size, c.Digest = found.size, found.digest
		if c.Format == catalog.FormatUnknown {
			c.Format = found.format
		}
	case scheme != "http" && scheme != "https":
		c.Error = "only http://, https:// and oras:// sources can be asked"
	case catalog.HasUserInfo(c.Src):
		c.Src, c.Error = "", "the URL carries a user name or password"
	default:
		c.Cacheable = true
		size, err := l.head(ctx, c.Src)
		if err != nil {
			c.Error = err.Error()
			return
		}
		c.Size = size
	}
}

// Wire is c as clients read it.
func (c Checked) Wire() wire.CatalogCheck {
	answer := wire.CatalogCheck{Src: c.Src, CheckedAt: wire.IsoTime(c.At.Truncate(time.Second)), Withcache: wire.CacheCheck{Configured: c.Cache.Configured}}
	answer.Origin = wire.OriginCheck{Reachable: c.Error == "", Error: c.Error}
	if c.Error == "" {
		answer.Origin.OriginSaid = &wire.OriginSaid{Moved: c.Moved()}
		if c.Size > 0 {
			answer.Origin.SizeBytes = &c.Size
		}
		if c.Format != catalog.FormatUnknown {
			answer.Origin.Format = (*string)(&c.Format)
		}
		if !c.Digest.IsZero() {
			digest := c.Digest.String()
			answer.Origin.DiskImageSHA = &digest
		}
	}
	switch hit, warmed := c.Cache.Hit, !c.Cache.Hit; {
	case !c.Cache.Configured:
	case !c.Cacheable:
		answer.Withcache.Applicable = new(bool)
	default:
		answer.Withcache.Hit, answer.Withcache.Warmed = &hit, &warmed
	}
	return answer
}
