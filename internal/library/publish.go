package library

import (
	"bty/internal/catalog"
	"bty/internal/wire"
)

// Published is the catalog as a cache has to know it.
type Published struct {
	Sources wire.CacheSources
	InUse   map[catalog.ImageRef]wire.CacheSource // what machines are bound to, or rules assign
}

// Published reads it.
func (l *Library) Published() (Published, error) {
	entries, users, err := l.Listing()
	p := Published{InUse: map[catalog.ImageRef]wire.CacheSource{}, Sources: wire.CacheSources{Sources: []wire.CacheSource{}}}
	for _, e := range entries {
		s, ok := CacheSource(e)
		if !ok {
			continue
		}
		p.Sources.Sources = append(p.Sources.Sources, s)
		if users[e.Ref].Any() {
			p.InUse[e.Ref] = s
		}
	}
	return p, err
}

// CacheSource is an entry as a cache has to know it, and whether a cache fetches such.
func CacheSource(e catalog.Entry) (s wire.CacheSource, ok bool) {
	switch catalog.Scheme(e.Src) {
	case "oras":
	case "http", "https":
		if catalog.HasUserInfo(e.Src) {
			return s, false
		}
	default:
		return s, false
	}
	s = wire.CacheSource{Src: e.Src, SizeBytes: e.Size, Name: e.Name}
	s.Rolling = e.Rolling && e.Digest.IsZero() // of a tag, what it leads to is for us to say
	if !e.Digest.IsZero() {
		s.SHA256 = e.Digest.String()
	}
	return s, true
}
