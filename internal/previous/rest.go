package previous

import "bty/internal/wire"

func (r *reader) images() error {
	if r.columns["catalog_entries"] == nil {
		return nil // from 0.66 on it is withcache's: AddCatalog
	}
	r.state.Catalog = r.path
	columns := []column{{name: "bty_image_ref"}, {name: "src"}, {name: "resolved_src", limit: 4 * maxText}, {name: "disk_image_sha"}, {name: "name"},
		{name: "sha_url"}, {name: "format"}, {name: "description"}, {name: "added_at"}, {name: "size_bytes"}}
	return r.eachRow("catalog_entries", columns, "added_at, rowid", func(cells []cell) {
		var bad problems
		var e wire.PreviousImage
		for i, to := range []*string{&e.Ref, &e.Src, &e.ResolvedSrc, &e.Digest, &e.Name, &e.DigestURL, &e.Format, &e.Description, &e.AddedAt} {
			*to = bad.text(cells[i])
		}
		e.Size = bad.whole(cells[9])
		e.Problem = bad.String()
		r.state.Images = append(r.state.Images, e)
	})
}

func (r *reader) settings() error {
	return r.eachRow("settings", []column{{name: "key"}, {name: "value"}}, "key", func(cells []cell) {
		var bad problems
		s := wire.PreviousSetting{Key: clip(bad.text(cells[0])), Value: bad.text(cells[1])}
		s.Problem = bad.String()
		r.state.Settings = append(r.state.Settings, s)
	})
}

func (r *reader) events() error {
	return r.tx.QueryRowContext(r.ctx, "SELECT count(*) FROM events").Scan(&r.state.Events)
}
