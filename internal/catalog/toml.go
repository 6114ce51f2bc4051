package catalog

import (
	"fmt"
	"strings"
)

// Listing says what EncodeTOML writes.
type Listing struct {
	All   bool   // also the entries without a digest, which the clients of old do not expect
	Cache string // base URL of the cache that sources are rewritten to, "" for none
	Pins  bool   // it gives the bytes of a digest or none
}

// knownKey is the key of what the server knows an image by, where src leads to a cache. Clients of old
// skip what they do not know.
const knownKey = "bty_image_ref"

// EncodeTOML writes schema version 1 of catalog.toml. Entries without a digest are left out, as
// the clients expect, unless all are asked for; names that occur twice are made unique, because a
// client refuses a file with the same name twice. So it does one with a file:// source.
func EncodeTOML(entries []Entry, listing Listing) []byte {
	var b strings.Builder
	b.WriteString("version = 1\n")
	used := map[string]bool{}
	for _, e := range entries {
		if e.Digest.IsZero() && !listing.All || Scheme(e.Src) == "file" {
			continue
		}
		b.WriteString("\n[[images]]\n")
		field(&b, "name", unique(used, e))
		field(&b, "src", listing.source(e))
		if listing.Cache != "" { // ref is taken: it must be what src gives
			field(&b, knownKey, e.Ref.String())
		}
		if !e.Digest.IsZero() {
			field(&b, "sha256", e.Digest.String())
		}
		optional(&b, "format", string(e.Format))
		if e.Size > 0 {
			fmt.Fprintf(&b, "size_bytes = %d\n", e.Size)
		}
		optional(&b, "arch", e.Arch)
		optional(&b, "description", e.Description)
		chosen(&b, "grow", e.Grow)
		chosen(&b, "verify", e.Verify)
	}
	return []byte(b.String())
}

func (l Listing) source(e Entry) string {
	switch {
	case l.Cache == "":
		return e.Src
	case l.Pins:
		return PinnedCacheURL(l.Cache, e.Src, e.Digest)
	}
	return CacheURL(l.Cache, e.Src)
}

func optional(b *strings.Builder, key, value string) {
	if value != "" {
		field(b, key, value)
	}
}

func chosen(b *strings.Builder, key string, c Choice) {
	if c.Said() {
		fmt.Fprintf(b, "%s = %t\n", key, c == Yes)
	}
}

func unique(used map[string]bool, e Entry) string {
	plain := strings.ToValidUTF8(e.Name, "\uFFFD") // as it will read
	name := plain
	for n := 1; used[name]; n++ {
		name = fmt.Sprintf("%s (%s)", plain, e.Ref.Short())
		if n > 1 {
			name = fmt.Sprintf("%s (%s %d)", plain, e.Ref.Short(), n)
		}
	}
	used[name] = true
	return name
}

func field(b *strings.Builder, key, value string) {
	fmt.Fprintf(b, "%s = %s\n", key, quoteTOML(value))
}

// quoteTOML is a TOML basic string (TOML 1.0, section String).
func quoteTOML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s { // what is no UTF-8 comes as U+FFFD
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
