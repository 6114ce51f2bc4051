// Package catalog holds what the appliance knows about disk images: where an image is
// published, its identity, its format, and the catalog.toml that lists several.
// It is pure: nothing here opens a file or a connection.
package catalog

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Format is how the bytes of an image are encoded. The zero value is "not known".
type Format string

const (
	FormatUnknown Format = ""
	Raw           Format = "img"
	Gzip          Format = "img.gz"
	Zstd          Format = "img.zst"
	XZ            Format = "img.xz"
	Bzip2         Format = "img.bz2"
	QCOW2         Format = "qcow2"
)

// Formats lists every known format, longest suffix first, the order in which a name is matched.
var Formats = []Format{Zstd, XZ, Gzip, Bzip2, QCOW2, Raw}

// FormatOf detects the format from a file name or URL path by its suffix, ignoring case.
func FormatOf(name string) Format {
	lower := strings.ToLower(name)
	for _, f := range Formats {
		if strings.HasSuffix(lower, "."+string(f)) {
			return f
		}
	}
	return FormatUnknown
}

// ParseFormat accepts the name of a known format, in any case; "" is FormatUnknown.
func ParseFormat(s string) (Format, error) {
	f := Format(strings.ToLower(s))
	if f != FormatUnknown && !slices.Contains(Formats, f) {
		return f, fmt.Errorf("%.40q is no format of a disk image that bty writes; want one of %q", s, Formats)
	}
	return f, nil
}

// Digest is the SHA-256 of an image's bytes as published, before any decoding.
// It is never an identity: that is ImageRef.
type Digest [32]byte

// ParseDigest accepts 64 hex digits, any case, with or without the prefix "sha256:".
func ParseDigest(s string) (Digest, error) {
	var d Digest
	hexed := strings.TrimPrefix(strings.TrimSpace(s), "sha256:")
	if len(hexed) != 64 {
		return d, fmt.Errorf("invalid SHA-256 digest %q: want 64 hex digits", s)
	}
	if _, err := hex.Decode(d[:], []byte(hexed)); err != nil {
		return d, fmt.Errorf("invalid SHA-256 digest %q: want 64 hex digits", s)
	}
	return d, nil
}

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether the digest is not known.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText makes Digest a JSON string.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText parses the spellings of ParseDigest.
func (d *Digest) UnmarshalText(b []byte) error {
	parsed, err := ParseDigest(string(b))
	if err == nil {
		*d = parsed
	}
	return err
}
