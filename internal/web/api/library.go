package api

import (
	"net/http"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/library"
	"bty/internal/web/body"
	"bty/internal/web/openapi"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

func (c Config) registerLibrary(mux serve.Mux, own func(serve.Handler) http.Handler, ownBody func(serve.BodyHandler) http.Handler) {
	mux.Handle("POST /catalog/import", own(c.importCatalog))
	mux.Handle("GET /api/v1/images", own(c.listImages))
	mux.Handle("GET /api/v1/images/{ref}", own(c.getImage))
	mux.Handle("PUT /api/v1/images/{ref}", ownBody(c.putImage))
	mux.Handle("DELETE /api/v1/images/{ref}", own(c.deleteImage))
	mux.Handle("POST /api/v1/images/{ref}/check", own(c.checkImage))
}

func aboutLibrary() []openapi.Operation {
	one := openapi.Encoded(200, wire.LibraryImage{})
	force := openapi.Param{Name: "force", Text: "also when machines are bound to it", Schema: openapi.OneOf("1", "true")}
	return []openapi.Operation{
		{Pattern: "POST /catalog/import", Tag: "catalog", Summary: "Take over a catalog.toml", Details: "No image is fetched. An image that cannot be used is reported and does not cost the others.",
			Query:   []openapi.Param{{Name: "source", Text: "an http(s) or oras URL, or a path on the server", Needed: true}},
			Answers: openapi.Answers(openapi.Encoded(200, wire.CatalogImport{}), 400, 422)},
		{Pattern: "GET /api/v1/images", Tag: "catalog", Summary: "Every image with the machines that are bound to it", Answers: openapi.Answers(openapi.Encoded(200, []wire.LibraryImage{}))},
		{Pattern: "GET /api/v1/images/{ref}", Tag: "catalog", Summary: "One image", Answers: openapi.Answers(one, 400, 404)},
		{Pattern: "PUT /api/v1/images/{ref}", Tag: "catalog", Summary: "Change an image",
			Details: "A field that is absent or null stays as it is. take makes the image what its tag was seen to lead to (next); rolling has that done by itself from now on. What would be written to machines that are bound to the image is changed only with force; without, the answer is 409 and names them.",
			Request: openapi.JSON(func(v body.Value) { _, _ = readChange(v) }), Answers: openapi.Answers(openapi.Encoded(200, wire.ImageChange{}), 400, 404, 409)},
		{Pattern: "DELETE /api/v1/images/{ref}", Tag: "catalog", Summary: "Delete an image", Details: "It stays deleted although the catalog file names it, until somebody adds or imports it again.",
			Query: []openapi.Param{force}, Answers: openapi.Answers(openapi.Empty(204, "deleted"), 400, 404, 409)},
		{Pattern: "POST /api/v1/images/{ref}/check", Tag: "catalog", Summary: "Ask the origin of an image, and the cache", Details: "A cache that lacks the image begins to fetch it.",
			Answers: openapi.Answers(openapi.Encoded(200, wire.CatalogCheck{}), 400, 404)},
	}
}

func (c Config) importCatalog(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	if !query.Has("source") {
		return body.Problems{{Type: "missing", Loc: []any{"query", "source"}, Message: "Field required"}}
	}
	report, err := c.Library.Import(r.Context(), query.Get("source"), c.Client(r))
	if err != nil {
		return err
	}
	answer := wire.CatalogImport{Source: report.Source, Imported: report.Imported, Skipped: report.Skipped, Errors: []wire.CatalogProblem{}}
	for _, p := range report.Errors {
		answer.Errors = append(answer.Errors, wire.CatalogProblem(p))
	}
	serve.JSON(w, http.StatusOK, answer)
	return nil
}

func (c Config) listImages(w http.ResponseWriter, _ *http.Request) error {
	entries, users, err := c.Library.Listing()
	if err != nil {
		return err
	}
	images := make([]wire.LibraryImage, len(entries))
	for i, e := range entries {
		images[i] = libraryImage(e, users[e.Ref])
	}
	serve.JSON(w, http.StatusOK, images)
	return nil
}

func (c Config) getImage(w http.ResponseWriter, r *http.Request) error {
	ref, err := pathRef(r)
	if err != nil {
		return err
	}
	entry, users, err := c.Library.Image(ref)
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, libraryImage(entry, users))
	return nil
}

func (c Config) putImage(w http.ResponseWriter, r *http.Request, v body.Value) error {
	change, err := readChange(v)
	if err != nil {
		return err
	}
	ref, err := pathRef(r)
	if err != nil {
		return err
	}
	changed, err := c.Library.Change(r.Context(), ref, change, c.Client(r))
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, wire.ImageChange{LibraryImage: libraryImage(changed.Entry, changed.Users), Moved: changed.Moved(), BeforeSHA: digestOrNull(changed.Before.Digest)})
	return nil
}

func readChange(v body.Value) (library.Change, error) {
	o := v.Object()
	change := library.Change{
		Name: o.Nullable("name", body.Min(1), body.Max(library.MaxName)), Description: o.Nullable("description", body.Max(library.MaxDescription)),
		Arch: o.Nullable("arch"), DigestURL: o.Nullable("sha_url"), Reread: o.Bool("reread"), Take: o.Bool("take"), Force: o.Bool("force"),
	}
	if rolling := o.Bool("rolling"); o.Has("rolling") {
		change.Rolling = &rolling
	}
	if grow := readChoice(o, "grow"); grow != catalog.Kept {
		change.Grow = &grow
	}
	if verify := readChoice(o, "verify"); verify != catalog.Kept {
		change.Verify = &verify
	}
	if format := o.Nullable("format", body.OneOf(formats()...)); format != nil {
		change.Format = (*catalog.Format)(format)
	}
	return change, o.Done()
}

// formats are the names of all formats, and "" for one that is not known.
func formats() []string {
	names := []string{""}
	for _, f := range catalog.Formats {
		names = append(names, string(f))
	}
	return names
}

func (c Config) deleteImage(w http.ResponseWriter, r *http.Request) error {
	ref, err := pathRef(r)
	if err != nil {
		return err
	}
	if err := c.Library.DeleteRef(r.Context(), ref, isSet(r, "force"), c.Client(r)); err != nil {
		return err
	}
	return serve.NoContent(w)
}

func (c Config) checkImage(w http.ResponseWriter, r *http.Request) error {
	ref, err := pathRef(r)
	if err != nil {
		return err
	}
	entry, _, err := c.Library.Image(ref)
	if err != nil {
		return err
	}
	checked, err := c.Library.Check(r.Context(), entry.Src)
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, checked.Wire())
	return nil
}

func pathRef(r *http.Request) (catalog.ImageRef, error) {
	ref, err := catalog.ParseRef(r.PathValue("ref"))
	if err != nil {
		return ref, fault.New(fault.Invalid, "%v", err)
	}
	return ref, nil
}

func libraryImage(e catalog.Entry, users library.Users) wire.LibraryImage {
	image := wire.LibraryImage{CatalogRow: catalogRow(e), Arch: orNull(e.Arch), Manifest: orNull(e.Manifest), Machines: []string{}, Rules: append([]string{}, users.Rules...), Rolling: e.Rolling, Grow: e.Grow.Bool(), Verify: e.Verify.Bool()}
	for _, mac := range users.Machines {
		image.Machines = append(image.Machines, mac.String())
	}
	if n := e.Next; n != nil {
		image.Next = &wire.ImageVersion{DiskImageSHA: n.Digest.String(), SizeBytes: n.Size, SeenAt: wire.IsoTime(n.SeenAt)}
	}
	return image
}

func digestOrNull(d catalog.Digest) *string {
	if d.IsZero() {
		return nil
	}
	s := d.String()
	return &s
}
