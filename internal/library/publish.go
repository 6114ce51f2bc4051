package library

import (
	"bty/internal/catalog"
	"bty/internal/wire"
)

// Sources is the catalog as a cache has to know it, and the images that roll and have something new
// to take.
func (l *Library) Sources() (list wire.CacheSources, rolled []catalog.Entry, err error) {
	entries, err := l.Images()
	list.Sources = []wire.CacheSource{}
	for _, e := range entries {
		if s, ok := CacheSource(e); ok {
			list.Sources = append(list.Sources, s)
		}
		if e.IsTag() && e.Rolling && e.Next != nil {
			rolled = append(rolled, e)
		}
	}
	return list, rolled, err
}

// InUse is what machines are bound to or rules assign, as a cache has to know it. Every machine is
// looked at for it.
func (l *Library) InUse() (map[catalog.ImageRef]wire.CacheSource, error) {
	entries, users, err := l.Listing()
	used := map[catalog.ImageRef]wire.CacheSource{}
	for _, e := range entries {
		if s, ok := CacheSource(e); ok && users[e.Ref].Any() {
			used[e.Ref] = s
		}
	}
	return used, err
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
