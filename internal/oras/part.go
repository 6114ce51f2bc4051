package oras

import (
	"context"
	"fmt"
	"net/http"
)

// Part asks for n bytes from one on, and for no others: each mirror, then the registry. Unlike Get
// it remembers nothing and may be called beside it, from several goroutines. The answer is the
// caller's to look at, to read, and to close.
func (b *Blob) Part(ctx context.Context, from, n int64) (*http.Response, error) {
	var mirrors []string
	for i := range b.places {
		place, last := b.places[i].Reference, i == len(b.places)-1
		resp, err := b.ask(ctx, place, fmt.Sprintf("bytes=%d-%d", from, from+n-1))
		switch {
		case err != nil && (last || ctx.Err() != nil):
			return nil, b.session.later.asked(explain(b.src, place.Registry, err, mirrors...))
		case err == nil && (last || resp.StatusCode == http.StatusPartialContent):
			return resp, nil
		case err == nil:
			err = fmt.Errorf("it answered %s", resp.Status)
			resp.Body.Close()
		}
		mirrors = append(mirrors, mirrorSays(place.Registry, err))
	}
	panic("oras: no place for a blob") // places ends with the registry itself
}
