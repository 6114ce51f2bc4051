package origin

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"bty/internal/catalog"
	"bty/internal/oras"
)

// proof finds out which mirror gave wrong bytes. That the bytes are right is for the caller to
// prove; that the next attempt does not end as this one did is for this.
type proof struct {
	io.ReadCloser
	blob *oras.Blob
	sum  hash.Hash
	want catalog.Digest
}

func (p *proof) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	p.sum.Write(b[:n])
	if errors.Is(err, io.EOF) && catalog.Digest(p.sum.Sum(nil)) != p.want {
		if mirrors := p.blob.Disproved(); len(mirrors) > 0 {
			err = fmt.Errorf("%w: the mirror %s gives other bytes than those of the digest %s; it is not asked for them for an hour, try again, and mend it or take it out of [oras] mirrors",
				ErrChanged, strings.Join(mirrors, " or "), p.want)
		}
	}
	return n, err
}
