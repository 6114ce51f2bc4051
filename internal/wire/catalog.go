package wire

// Image is one image as GET /images lists it.
type Image struct {
	Name      string  `json:"name"`
	Format    string  `json:"format"`     // "" while not known
	SizeBytes int64   `json:"size_bytes"` // 0 while not known
	URL       string  `json:"url"`
	Ref       string  `json:"ref"`
	SHAShort  *string `json:"sha_short"`
	Cached    bool    `json:"cached"` // always false
	Arch      *string `json:"arch"`
}

// CatalogAdded is the answer to POST /catalog/entries.
type CatalogAdded struct {
	Src          string  `json:"src"`
	ImageRef     string  `json:"bty_image_ref"`
	DiskImageSHA *string `json:"disk_image_sha"`
	Name         string  `json:"name"`
	SHAURL       *string `json:"sha_url"`
	Format       *string `json:"format"`
	SizeBytes    *int64  `json:"size_bytes"`
	AddedAt      IsoTime `json:"added_at"`
}

// CatalogRow is one entry as GET /catalog/entries lists it.
type CatalogRow struct {
	CatalogAdded
	ResolvedSrc *string `json:"resolved_src"`
	Description *string `json:"description"`
}
