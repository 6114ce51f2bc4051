package api

import (
	"net/http"
	"regexp"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/web/body"
	"bty/internal/web/openapi"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// registerCache adds the routes of the image cache.
func (c Config) registerCache(mux serve.Mux, own func(serve.Handler) http.Handler, ownBody func(serve.BodyHandler) http.Handler) {
	mux.Handle("GET /api/v1/cache", own(c.cache))
	mux.Handle("POST /api/v1/cache/warm", ownBody(c.warm))
	mux.Handle("POST /api/v1/cache/pin", ownBody(c.pin))
	mux.Handle("POST /api/v1/cache/delete", ownBody(c.deleteCached))
}

func aboutCache() []openapi.Operation {
	const tag = "image cache"
	return []openapi.Operation{
		{Pattern: "GET /api/v1/cache", Tag: tag, Summary: "What the image cache of this host holds and does",
			Details: "Without one, here is false and reason says how to start one.", Answers: openapi.Answers(openapi.Encoded(200, wire.Cache{}))},
		{Pattern: "POST /api/v1/cache/warm", Tag: tag, Summary: "Have an image fetched before a machine asks for it",
			Details: "An image that is there or on its way is left alone. 409: there is no cache, or it refuses the image. 503: it does not answer.",
			Request: openapi.JSON(func(v body.Value) { _, _ = readWarm(v) }), Answers: openapi.Answers(openapi.Empty(202, "it is fetched"), 404, 409, 503)},
		{Pattern: "POST /api/v1/cache/pin", Tag: tag, Summary: "Keep an image in the cache, or let it give way to others",
			Request: openapi.JSON(func(v body.Value) { _, _ = readPin(v) }), Answers: openapi.Answers(openapi.Empty(204, "done"), 404, 409, 503)},
		{Pattern: "POST /api/v1/cache/delete", Tag: tag, Summary: "Delete an image from the cache, by its source or its digest",
			Details: "A fetch of the source ends. The catalog keeps the image; the next machine that wants it has it fetched again.",
			Request: openapi.JSON(func(v body.Value) { _, _ = readCached(v) }), Answers: openapi.Answers(openapi.Empty(204, "deleted"), 404, 409, 422, 503)},
	}
}

func (c Config) cache(w http.ResponseWriter, r *http.Request) error {
	shown := wire.Cache{URL: orNull(c.Library.Cache.Listing(serve.Host(r)).Cache)}
	status, err := c.Cache.Status(r.Context())
	switch {
	case err == nil:
		shown.Here, shown.Status = true, &status
	case fault.KindOf(err) == fault.Internal:
		return err
	default:
		shown.Reason = orNull(fault.Public(err))
	}
	serve.JSON(w, http.StatusOK, shown)
	return nil
}

const maxSource = 8 << 10

func readWarm(v body.Value) (catalog.ImageRef, error) {
	o := v.Object()
	text := o.String("bty_image_ref", body.Match(refPattern))
	if err := o.Done(); err != nil {
		return catalog.ImageRef{}, err
	}
	return catalog.ParseRef(text)
}

func (c Config) warm(w http.ResponseWriter, r *http.Request, v body.Value) error {
	ref, err := readWarm(v)
	if err != nil {
		return err
	}
	if err := c.Cache.Warm(r.Context(), ref, c.Client(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func readPin(v body.Value) (wire.CachePin, error) {
	o := v.Object()
	p := wire.CachePin{Src: o.String("src", body.Min(1), body.Max(maxSource)), Pinned: o.Bool("pinned")}
	return p, o.Done()
}

func (c Config) pin(w http.ResponseWriter, r *http.Request, v body.Value) error {
	p, err := readPin(v)
	if err != nil {
		return err
	}
	if err := c.Cache.Pin(r.Context(), p.Src, p.Pinned, c.Client(r)); err != nil {
		return err
	}
	return serve.NoContent(w)
}

var digestOrNone = regexp.MustCompile(`^(?:[0-9a-f]{64})?$`)

func readCached(v body.Value) (wire.CacheRef, error) {
	o := v.Object()
	ref := wire.CacheRef{Src: o.StringOr("src", "", body.Max(maxSource)), SHA256: o.StringOr("sha256", "", body.Match(digestOrNone))}
	if err := o.Done(); err != nil {
		return ref, err
	}
	if (ref.Src == "") == (ref.SHA256 == "") {
		return ref, fault.New(fault.Rejected, "one of src and sha256 names what is to be deleted")
	}
	return ref, nil
}

func (c Config) deleteCached(w http.ResponseWriter, r *http.Request, v body.Value) error {
	ref, err := readCached(v)
	if err != nil {
		return err
	}
	if err := c.Cache.Delete(r.Context(), ref, c.Client(r)); err != nil {
		return err
	}
	return serve.NoContent(w)
}
