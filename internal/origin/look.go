package origin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// Look asks what a source has now, without its bytes. The Mark is at the image's start.
func Look(ctx context.Context, source string, opts Options) (Mark, error) {
	opts = opts.withDefaults()
	if scheme, _, _ := strings.Cut(source, "://"); !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return Mark{}, fmt.Errorf("%w: only an http or https source can be asked what it has", ErrSource)
	}
	ctx, cancel := context.WithTimeout(ctx, opts.Stall)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, source, nil)
	if err != nil {
		return Mark{}, fmt.Errorf("%w: %s", ErrSource, Redact(source))
	}
	for k, v := range opts.Header {
		req.Header[k] = v
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := opts.Client.Do(req)
	if err != nil {
		return Mark{}, fmt.Errorf("%w: %s: %w", ErrBroken, Redact(source), cleanCause(err))
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Mark{}, fmt.Errorf("%w: %s: it answered %s", ErrRefused, Redact(source), resp.Status)
	}
	v := validatorsOf(resp.Header)
	return Mark{Total: max(resp.ContentLength, 0), ETag: v.etag, Modified: v.modified}, nil
}

// Differs says how two answers about a source differ for sure; "" if they do not.
func (m Mark) Differs(now Mark) string {
	if a, b := (validators{m.ETag, m.Modified}), (validators{now.ETag, now.Modified}); a.differ(b) {
		return fmt.Sprintf("its validator was %s, now it is %s", a, b)
	}
	if m.Total > 0 && now.Total > 0 && m.Total != now.Total {
		return fmt.Sprintf("it had %d bytes, now it has %d", m.Total, now.Total)
	}
	return ""
}
