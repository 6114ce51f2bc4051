package api

import (
	"net/http"

	"bty/internal/catalog"
	"bty/internal/library"
	"bty/internal/web/body"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

func (c Config) images(w http.ResponseWriter, _ *http.Request) error {
	entries, err := c.Library.Images()
	if err != nil {
		return err
	}
	shown := make([]wire.Image, len(entries))
	for i, e := range entries {
		shown[i] = wire.Image{Name: e.Name, Format: string(e.Format), SizeBytes: e.Size, URL: e.Src, Ref: e.Ref.String(), Arch: orNull(e.Arch)}
		if !e.Digest.IsZero() {
			short := e.Digest.String()[:12]
			shown[i].SHAShort = &short
		}
	}
	serve.JSON(w, http.StatusOK, shown)
	return nil
}

func (c Config) catalogTOML(w http.ResponseWriter, r *http.Request) error {
	file, err := c.Library.TOML(isSet(r, "all"), serve.Host(r))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/toml")
	_, _ = w.Write(file) // the client is gone, if anything
	return nil
}

func (c Config) listEntries(w http.ResponseWriter, _ *http.Request) error {
	entries, err := c.Library.Images()
	if err != nil {
		return err
	}
	rows := make([]wire.CatalogRow, len(entries))
	for i, e := range entries {
		rows[i] = catalogRow(e)
	}
	serve.JSON(w, http.StatusOK, rows)
	return nil
}

func (c Config) addEntry(w http.ResponseWriter, r *http.Request, v body.Value) error {
	request, err := readEntry(v)
	if err != nil {
		return err
	}
	entry, err := c.Library.Add(r.Context(), request, c.Client(r))
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusCreated, row(entry))
	return nil
}

func readEntry(v body.Value) (library.Request, error) {
	o := v.Object()
	request := library.Request{
		URL:       o.String("image_url", body.Match(library.ImageURL)),
		DigestURL: orEmpty(o.Nullable("sha_url", body.Match(library.WebURL))),
	}
	ref := o.Nullable("ref", body.Match(refPattern))
	if err := o.Done(); err != nil {
		return request, err
	}
	if ref != nil {
		request.Ref, _ = catalog.ParseRef(*ref) // the pattern has settled it
	}
	return request, nil
}

func catalogRow(e catalog.Entry) wire.CatalogRow {
	return wire.CatalogRow{CatalogAdded: row(e), ResolvedSrc: orNull(e.ResolvedSrc), Description: orNull(e.Description)}
}

func row(e catalog.Entry) wire.CatalogAdded {
	added := wire.CatalogAdded{Src: e.Src, ImageRef: e.Ref.String(), Name: e.Name, SHAURL: orNull(e.DigestURL),
		Format: orNull(string(e.Format)), AddedAt: wire.IsoTime(e.AddedAt), DiskImageSHA: digestOrNull(e.Digest)}
	if e.Size > 0 {
		added.SizeBytes = &e.Size
	}
	return added
}

func (c Config) deleteEntry(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	if !query.Has("src") {
		return body.Problems{{Type: "missing", Loc: []any{"query", "src"}, Message: "Field required"}}
	}
	if err := c.Library.Delete(r.Context(), query.Get("src"), isSet(r, "force"), c.Client(r)); err != nil {
		return err
	}
	return serve.NoContent(w)
}

// isSet reports whether a switch in the query is on.
func isSet(r *http.Request, name string) bool {
	v := r.URL.Query().Get(name)
	return v == "1" || v == "true"
}
