// Package fill is the engine of a cache: one fetch from the origin for each image, however many
// readers there are. They follow the growing file at their own speed, and get its last bytes only
// once the whole is proven.
package fill

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"bty/internal/catalog"
	"bty/internal/origin"
)

// Kinds of failure, for errors.Is.
var (
	// ErrSource: the source is none that a cache may fetch.
	ErrSource = errors.New("the source cannot be cached")
	// ErrOrigin: the origin does not give the image, or not all of it.
	ErrOrigin = errors.New("the origin does not give the image")
	// ErrProof: the bytes are not those that were declared.
	ErrProof = errors.New("the image is not the one that was declared")
	// ErrNoRoom: it does not fit.
	ErrNoRoom = errors.New("there is no room for the image")
	// ErrFolder: the cache's folder cannot be used.
	ErrFolder = errors.New("the cache's folder cannot be used")
	// ErrBusy: too much waits already.
	ErrBusy = errors.New("too many images wait to be fetched")
	// ErrDeleted: somebody deleted the image while it was being fetched.
	ErrDeleted = errors.New("the image was deleted from the cache")
	// ErrStopping: the process ends.
	ErrStopping = errors.New("the cache is stopping")
	// ErrNotHeld: there is nothing of it here.
	ErrNotHeld = errors.New("the cache does not hold it")
)

// Source is what a reader wants.
type Source struct {
	Src     string         // where the catalog has it
	Digest  catalog.Digest // of its bytes; zero while nobody knows
	Size    int64          // 0 while nobody knows
	Rolling bool           // what the origin has later replaces what is held

	// Asked is what a reader wants the bytes to be, of whom nobody knows more. He gets these or an
	// error, but what he says changes nothing for others.
	Asked catalog.Digest
}

// known is the source without what a reader asks for and the catalog says anyway: bytes that are
// declared may be given before all of them are here.
func (s Source) known() Source {
	if s.Asked == s.Digest {
		s.Asked = catalog.Digest{}
	}
	return s
}

// Info is what is known of an image. Its Size is -1 while only its end will tell, its Digest zero
// until somebody has declared it or all bytes are here.
type Info struct {
	Size        int64
	Digest      catalog.Digest
	ContentType string
	Complete    bool
	// Tag names the bytes that an origin had under its validator, from the first one on: whoever began
	// to read an image before its digest was known can tell by it whether he may go on. It is "" for
	// an origin without validators.
	Tag string
}

func tagOf(key, etag, modified string) string {
	validator := origin.Mark{ETag: etag, Modified: modified}.Validator()
	if validator == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key + "\n" + validator))
	return hex.EncodeToString(sum[:16])
}

// contentType is that of all images: what an origin says of them is mostly wrong.
const contentType = "application/octet-stream"

// Key is what a source is held under: the whole URL, because a query often names the image. Only
// the parts in which case means nothing are lowered, and the fragment, which no server sees, is
// dropped.
func Key(src string) (string, error) {
	src, _, _ = strings.Cut(src, "#")
	src = strings.TrimSpace(src)
	if _, err := catalog.Canonical(src); err != nil {
		return "", fmt.Errorf("%w: %w", ErrSource, err)
	}
	scheme, rest, _ := strings.Cut(src, "://")
	switch scheme = strings.ToLower(scheme); scheme {
	case "http", "https":
		return scheme + "://" + lowerHost(rest), nil
	case "oras":
		return catalog.Canonical(src)
	}
	return "", fmt.Errorf("%w: its scheme is %s; a cache fetches http, https and oras alone", ErrSource, scheme)
}

// lowerHost leaves user information as it is.
func lowerHost(rest string) string {
	end := len(rest)
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		end = i
	}
	host := strings.LastIndexByte(rest[:end], '@') + 1
	return rest[:host] + strings.ToLower(rest[host:end]) + rest[end:]
}
