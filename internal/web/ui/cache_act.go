package ui

import (
	"net/http"
	"net/url"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/web/openapi"
	"bty/internal/wire"
)

func (s surface) cacheRoutes(r routes) {
	r.own("GET /ui/images/cache", s.cacheNow)
	r.own("POST /ui/images/cache/warm", s.warm)
	r.own("POST /ui/images/cache/pin", s.pin)
	r.own("GET /ui/images/cache/delete", s.askDeleteCached)
	r.own("POST /ui/images/cache/delete", s.deleteCached)
}

func aboutCache() []openapi.Operation {
	const tag = "pages"
	src := openapi.Field{Name: "src", Text: "the source of an image"}
	sha := openapi.Field{Name: "sha256", Text: "or the digest of what is held"}
	back := openapi.Field{Name: "back", Text: "1 leads to the image's own page afterwards"}
	acted := pageOr(303, 413)[1:]
	return []openapi.Operation{
		{Pattern: "GET /ui/images/cache", Tag: tag, Access: openapi.Page, Summary: "The image cache, as a part of the page",
			Query:   []openapi.Param{{Name: "seen", Text: "what the page shows: 204 if it is so still"}},
			Answers: append(pageOr(), openapi.Empty(204, "nothing has changed"))},
		{Pattern: "POST /ui/images/cache/warm", Tag: tag, Access: openapi.Page, Summary: "Have the cache fetch an image", Request: openapi.Form(src, back), Answers: acted},
		{Pattern: "POST /ui/images/cache/pin", Tag: tag, Access: openapi.Page, Summary: "Keep an image in the cache, or let it give way",
			Request: openapi.Form(src, openapi.Field{Name: "pinned", Text: "1 keeps it"}, back), Answers: acted},
		{Pattern: "GET /ui/images/cache/delete", Tag: tag, Access: openapi.Page, Summary: "The question before something is deleted from the cache",
			Query: []openapi.Param{{Name: "src"}, {Name: "sha256"}}, Answers: pageOr()},
		{Pattern: "POST /ui/images/cache/delete", Tag: tag, Access: openapi.Page, Summary: "Delete from the cache, or end a fetch", Request: openapi.Form(src, sha, back), Answers: acted},
	}
}

// cacheForm reads what a form of the cache is about, and where it leads.
func cacheForm(w http.ResponseWriter, r *http.Request) (form url.Values, back string, err error) {
	if form, err = readForm(w, r); err != nil {
		return nil, "", err
	}
	back = "/ui/images"
	if ref, err := catalog.RefOf(form.Get("src")); err == nil && form.Get("back") == "1" {
		back += "/" + ref.String()
	}
	return form, back, nil
}

func (s surface) warm(w http.ResponseWriter, r *http.Request) error {
	form, back, err := cacheForm(w, r)
	if err != nil {
		return err
	}
	ref, err := catalog.RefOf(form.Get("src"))
	if err != nil {
		err = fault.New(fault.Invalid, "%v", err)
	} else {
		err = s.Cache.Warm(r.Context(), ref, s.Client(r))
	}
	return done(w, r, back, "warm", err)
}

func (s surface) pin(w http.ResponseWriter, r *http.Request) error {
	form, back, err := cacheForm(w, r)
	if err != nil {
		return err
	}
	on := form.Get("pinned") == "1"
	return done(w, r, back, map[bool]string{true: "kept", false: "unkept"}[on], s.Cache.Pin(r.Context(), form.Get("src"), on, s.Client(r)))
}

func (s surface) askDeleteCached(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	hidden := url.Values{}
	for _, name := range []string{"src", "sha256"} {
		if v := query.Get(name); v != "" {
			hidden.Set(name, v)
		}
	}
	return s.confirm(w, r, confirmation{Title: "Delete it from the image cache?", Section: "images",
		Text:   "The catalog keeps the image. The next machine that wants it has it fetched again from its origin; who reads it now reads on to the end.",
		Action: "/ui/images/cache/delete", Hidden: hidden, Button: "Delete", Cancel: "/ui/images"})
}

func (s surface) deleteCached(w http.ResponseWriter, r *http.Request) error {
	form, back, err := cacheForm(w, r)
	if err != nil {
		return err
	}
	what := wire.CacheRef{Src: form.Get("src"), SHA256: form.Get("sha256")}
	if what.Src == "" && what.SHA256 == "" {
		return done(w, r, back, "", fault.New(fault.Invalid, "the form does not say what to delete"))
	}
	return done(w, r, back, "uncached", s.Cache.Delete(r.Context(), what, s.Client(r)))
}
