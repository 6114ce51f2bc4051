package origin

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"bty/internal/oras"
)

// Look asks what a source has now, without its bytes. The Mark is at the image's start.
func Look(ctx context.Context, source string, opts Options) (Mark, error) {
	opts = opts.withDefaults()
	ctx, cancel := context.WithTimeout(onBehalf(ctx, source), opts.Answer)
	defer cancel()
	switch scheme, _, _ := strings.Cut(source, "://"); strings.ToLower(scheme) {
	case "http", "https":
		return lookWeb(ctx, source, opts)
	case "oras":
		return lookORAS(ctx, source, opts)
	}
	return Mark{}, fmt.Errorf("%w: %s cannot be asked what it has", ErrSource, Redact(source))
}

// lookWeb asks with HEAD, and where that is refused for the first byte: what signs a URL often signs
// its method too.
func lookWeb(ctx context.Context, source string, opts Options) (Mark, error) {
	w := newWeb(source, opts)
	resp, err := w.ask(ctx, http.MethodHead, 0, validators{})
	if err == nil && resp.StatusCode/100 == 4 {
		resp.Body.Close()
		resp, err = w.part(ctx, 0, 1, "")
	}
	if err != nil {
		return Mark{}, fmt.Errorf("%w: %s: %w", ErrBroken, Redact(source), cleanCause(err))
	}
	resp.Body.Close()
	total := resp.ContentLength
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusPartialContent:
		r, err := parseContentRange(resp.Header.Get("Content-Range"))
		if err != nil {
			return Mark{}, fmt.Errorf("%w: %s: %w", ErrRefused, Redact(source), err)
		}
		total = r.total
	default:
		return Mark{}, fmt.Errorf("%s: %w", Redact(source), w.refused(resp, false))
	}
	v := validatorsOf(resp.Header)
	return Mark{Total: max(total, 0), ETag: v.etag, Modified: v.modified}, nil
}

func lookORAS(ctx context.Context, source string, opts Options) (Mark, error) {
	image, err := opts.registry().Resolve(ctx, source)
	if err != nil {
		return Mark{}, fmt.Errorf("%s: %w", source, registryError(err))
	}
	return Mark{Total: image.Size, ETag: etagOf(image)}, nil
}

// etagOf is a validator of an OCI blob that no registry has to agree with.
func etagOf(image oras.Image) string { return `"` + image.Digest + `"` }

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
