package catalog

import (
	"cmp"
	"path"
	"strings"
	"time"
)

// Entry is one image that the appliance offers.
type Entry struct {
	Ref         ImageRef  `json:"ref"`
	Src         string    `json:"src"`                    // as the operator gave it
	ResolvedSrc string    `json:"resolved_src,omitempty"` // where the bytes are, "" while not known
	Digest      Digest    `json:"digest,omitzero"`
	Manifest    string    `json:"manifest,omitempty"` // oras: digest of the manifest that Digest was read from
	Name        string    `json:"name"`
	DigestURL   string    `json:"digest_url,omitempty"` // the sha256sum file that the digest came from
	Format      Format    `json:"format,omitempty"`
	Size        int64     `json:"size,omitempty"` // of the bytes as transferred, 0 while not known
	Description string    `json:"description,omitempty"`
	Arch        string    `json:"arch,omitempty"`
	AddedAt     time.Time `json:"added_at"`
	Rolling     bool      `json:"rolling,omitempty"` // what its source leads to is taken by itself
	Next        *Version  `json:"next,omitempty"`    // what its tag leads to now, if that is not Digest
	Grow        Choice    `json:"grow,omitempty"`    // whether its last partition is to end with the disk
	Verify      Choice    `json:"verify,omitempty"`  // whether it is to be read back from the disk
}

// Version is what a tag of a registry leads to.
type Version struct {
	Digest   Digest    `json:"digest"`
	Manifest string    `json:"manifest"`
	URL      string    `json:"url"`
	Size     int64     `json:"size"`
	SeenAt   time.Time `json:"seen_at"` // for the first time
}

// IsTag reports whether the source is a tag of a registry, which may lead to other bytes tomorrow.
func (e Entry) IsTag() bool {
	return Scheme(e.Src) == "oras" && !strings.Contains(e.Src, "@")
}

// CanRoll reports whether the source may have other bytes tomorrow and nothing says that it must not.
func (e Entry) CanRoll() bool {
	return e.IsTag() || strings.HasPrefix(Scheme(e.Src), "http") && e.Digest.IsZero()
}

// Take makes the entry what its tag leads to now.
func (e *Entry) Take() {
	if n := e.Next; n != nil {
		e.Digest, e.Manifest, e.ResolvedSrc, e.Size, e.Next = n.Digest, n.Manifest, n.URL, n.Size, nil
	}
}

// Scheme is the scheme of a source in lower case, "" if it has none.
func Scheme(src string) string {
	scheme, _, ok := strings.Cut(src, "://")
	if !ok {
		return ""
	}
	return strings.ToLower(scheme)
}

// URL is where a machine fetches the image: the resolved source of an http(s) image, else the
// source itself, which for oras:// the client resolves. A source that pins a manifest is given as
// one that pins the blob, because existing clients take the digest of a reference for the blob's.
// So is a tag that leads to other bytes than the machine is to get.
func (e Entry) URL() string {
	if Scheme(e.Src) != "oras" {
		return cmp.Or(e.ResolvedSrc, e.Src)
	}
	repository, _, pinned := strings.Cut(e.Src, "@")
	switch {
	case e.Digest.IsZero():
	case pinned && e.Manifest != "":
		return repository + "@sha256:" + e.Digest.String()
	case !pinned && e.Next != nil:
		return e.Src[:strings.LastIndexByte(e.Src, ':')] + "@sha256:" + e.Digest.String()
	}
	return e.Src
}

// BaseName is the last segment of a URL's path, percent escapes kept; "" if there is none.
func BaseName(url string) string {
	if i := strings.IndexAny(url, "?#"); i >= 0 {
		url = url[:i]
	}
	_, rest, ok := strings.Cut(url, "://")
	if !ok || !strings.Contains(rest, "/") {
		return ""
	}
	base := path.Base(rest)
	if _, after, _ := strings.Cut(rest, "/"); strings.Trim(after, "/") == "" {
		return ""
	}
	return base
}

// archNames maps what image names contain to the name of the architecture, first match wins.
var archNames = []struct{ substring, arch string }{
	{"x86_64", "x86_64"}, {"x86-64", "x86_64"}, {"aarch64", "arm64"}, {"amd64", "x86_64"},
	{"arm64", "arm64"}, {"armhf", "arm"}, {"armv7l", "arm"}, {"armv6l", "armv6"},
	{"riscv64", "riscv64"}, {"ppc64le", "ppc64le"}, {"s390x", "s390x"}, {"i686", "i386"}, {"i386", "i386"},
}

// ArchOf guesses the architecture from a name, for display only; "" if nothing matches.
func ArchOf(name string) string {
	lower := strings.ToLower(name)
	for _, n := range archNames {
		if strings.Contains(lower, n.substring) {
			return n.arch
		}
	}
	return ""
}
