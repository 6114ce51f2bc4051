package diskimage

import (
	"bytes"
	"fmt"
	"strings"

	"bty/internal/catalog"
)

// sniffLen is enough for every signature below and for the one of a boot sector.
const sniffLen = 512

// magic is a signature at a place. Compressed formats begin with theirs.
type magic struct {
	at     int
	bytes  string
	format catalog.Format // FormatUnknown: known, but nothing that can be put on a disk
	what   string
}

func magics() []magic {
	return []magic{
		{0, "\x1f\x8b\x08", catalog.Gzip, "gzip"},
		{0, "\x28\xb5\x2f\xfd", catalog.Zstd, "zstd"},
		{1, "\x2a\x4d\x18", catalog.Zstd, "zstd"}, // skippable frame, 0x5? before; RFC 8878 section 3.1.2
		{0, "\xfd7zXZ\x00", catalog.XZ, "xz"},
		{0, "BZh", catalog.Bzip2, "bzip2"},
		{0, "QFI\xfb", catalog.QCOW2, "qcow2"},
		{0, "\x04\x22\x4d\x18", catalog.FormatUnknown, "lz4"},
		{0, "PK\x03\x04", catalog.FormatUnknown, "a zip archive"},
		{0, "7z\xbc\xaf\x27\x1c", catalog.FormatUnknown, "a 7z archive"},
		{0, "\x5d\x00\x00", catalog.FormatUnknown, "lzma"},
		{257, "ustar", catalog.FormatUnknown, "a tar archive"},
		{0, "KDMV", catalog.FormatUnknown, "a VMDK image"},
		{0, "vhdxfile", catalog.FormatUnknown, "a VHDX image"},
		{0, "conectix", catalog.FormatUnknown, "a VHD image"},
		{64, "\x7f\x10\xda\xbe", catalog.FormatUnknown, "a VDI image"},
		{0, "<!DOCTYPE", catalog.FormatUnknown, "a web page"},
		{0, "<!doctype", catalog.FormatUnknown, "a web page"},
		{0, "<html", catalog.FormatUnknown, "a web page"},
	}
}

// sniff returns the signature that head carries; found is false for what may be a raw disk.
func sniff(head []byte) (m magic, found bool) {
	for _, m := range magics() {
		if len(head) < m.at+len(m.bytes) || string(head[m.at:m.at+len(m.bytes)]) != m.bytes {
			continue
		}
		if m.at == 1 && head[0]&0xf0 != 0x50 {
			continue
		}
		if m.format == catalog.Bzip2 && (len(head) < 4 || head[3] < '1' || head[3] > '9') {
			continue
		}
		return m, true
	}
	return magic{}, false
}

// Detect decides the format. The suffix of name and hint are claims; head, the first bytes of
// the content, decides between them and may contradict both, which is an error.
func Detect(name string, hint catalog.Format, head []byte) (catalog.Format, error) {
	named := catalog.FormatOf(name)
	if named == catalog.FormatUnknown && hint == catalog.FormatUnknown {
		if suffix := tarSuffix(name); suffix != "" {
			return "", fmt.Errorf("%w: %s is an archive (%s), not a disk image", ErrFormat, name, suffix)
		}
	}
	claims := claimed(named, hint)
	m, found := sniff(head)
	switch {
	case found && m.format == catalog.FormatUnknown:
		return "", fmt.Errorf("%w: its content is %s%s", ErrFormat, m.what, but(name, named, hint))
	case found && len(claims) > 0 && !claims[m.format]:
		return "", fmt.Errorf("%w: its content is %s%s", ErrFormat, m.what, but(name, named, hint))
	case found:
		return m.format, nil
	case claims[catalog.Raw]:
		return catalog.Raw, nil
	case len(claims) > 0:
		return "", fmt.Errorf("%w: its content has no signature of a known compression%s", ErrFormat, but(name, named, hint))
	case len(head) >= 512 && bytes.Equal(head[510:512], []byte{0x55, 0xaa}):
		return catalog.Raw, nil
	}
	return "", fmt.Errorf("%w: neither the name %q nor the content tells which it is; name it (%s)", ErrFormat, name, known())
}

func claimed(formats ...catalog.Format) map[catalog.Format]bool {
	set := make(map[catalog.Format]bool)
	for _, f := range formats {
		if f != catalog.FormatUnknown {
			set[f] = true
		}
	}
	return set
}

// but says which claims the content contradicts.
func but(name string, named, hint catalog.Format) string {
	var s []string
	if named != catalog.FormatUnknown {
		s = append(s, fmt.Sprintf("its name %q says %s", name, named))
	}
	if hint != catalog.FormatUnknown {
		s = append(s, fmt.Sprintf("its declared format is %s", hint))
	}
	if len(s) == 0 {
		return ""
	}
	return ", but " + strings.Join(s, " and ")
}

func tarSuffix(name string) string {
	lower := strings.ToLower(name)
	for _, s := range []string{".tar", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".tgz", ".txz", ".tbz2", ".tzst"} {
		if strings.HasSuffix(lower, s) {
			return s
		}
	}
	return ""
}

func known() string {
	names := make([]string, len(catalog.Formats))
	for i, f := range catalog.Formats {
		names[i] = string(f)
	}
	return strings.Join(names, ", ")
}
