package catalog

import (
	"fmt"
	"strings"
)

// EncodeTOML writes schema version 1 of catalog.toml. Entries without a digest are left out, as
// the clients expect; names that occur twice are made unique, because a client refuses a file
// with the same name twice.
func EncodeTOML(entries []Entry) []byte {
	var b strings.Builder
	b.WriteString("version = 1\n")
	used := map[string]bool{}
	for _, e := range entries {
		if e.Digest.IsZero() || strings.HasPrefix(e.Src, "file://") {
			continue
		}
		b.WriteString("\n[[images]]\n")
		field(&b, "name", unique(used, e))
		field(&b, "src", e.Src)
		field(&b, "sha256", e.Digest.String())
		if e.Format != FormatUnknown {
			field(&b, "format", string(e.Format))
		}
		if e.Size > 0 {
			fmt.Fprintf(&b, "size_bytes = %d\n", e.Size)
		}
		if e.Arch != "" {
			field(&b, "arch", e.Arch)
		}
	}
	return []byte(b.String())
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
