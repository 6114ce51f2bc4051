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

// CatalogImport is the answer to POST /catalog/import.
type CatalogImport struct {
	Source   string           `json:"source"`
	Imported int              `json:"imported"`
	Skipped  int              `json:"skipped"` // in the catalog already
	Errors   []CatalogProblem `json:"errors"`
}

// CatalogProblem is what was wrong with one image of an imported catalog.
type CatalogProblem struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// CatalogCheck is what the origin and the cache say of an image.
type CatalogCheck struct {
	Src       string      `json:"src"`
	Origin    OriginCheck `json:"origin"`
	Withcache CacheCheck  `json:"withcache"`
	CheckedAt IsoTime     `json:"checked_at"`
}

// OriginCheck has an error or what the origin said.
type OriginCheck struct {
	Reachable bool   `json:"reachable"`
	Error     string `json:"error,omitempty"`
	*OriginSaid
}

// OriginSaid is what an origin that can be reached said.
type OriginSaid struct {
	SizeBytes    *int64  `json:"size_bytes"`
	Format       *string `json:"format"`
	DiskImageSHA *string `json:"disk_image_sha,omitempty"` // that a registry names
	Moved        bool    `json:"moved,omitempty"`          // it is not the one that the catalog holds
}

// CacheCheck is what the cache said.
type CacheCheck struct {
	Configured bool  `json:"configured"`
	Applicable *bool `json:"applicable,omitempty"` // false: it fetches no such sources
	Hit        *bool `json:"hit,omitempty"`
	Warmed     *bool `json:"warmed,omitempty"` // it begins to fetch the image
}

// LibraryImage is one image as /api/v1/images has it.
type LibraryImage struct {
	CatalogRow
	Arch     *string  `json:"arch"`
	Manifest *string  `json:"manifest"` // digest of the manifest of an oras image
	Machines []string `json:"machines"` // that are bound to it
	Rules    []string `json:"rules"`    // that assign it
	// Rolling: what the source leads to is taken by itself.
	Rolling bool `json:"rolling"`
	// Grow: whether the last partition is to end with the disk, where the machine says nothing; null: as
	// [flash] grow says.
	Grow *bool `json:"grow"`
	// Verify: whether the disk is read back, in the same way.
	Verify *bool         `json:"verify"`
	Next   *ImageVersion `json:"next"` // what its tag leads to now, null if that is what it is
}

// ImageVersion is other bytes than an image has.
type ImageVersion struct {
	DiskImageSHA string  `json:"disk_image_sha"`
	SizeBytes    int64   `json:"size_bytes"`
	SeenAt       IsoTime `json:"seen_at"`
}

// ImageChange is the answer to PUT /api/v1/images/{ref}.
type ImageChange struct {
	LibraryImage
	Moved     bool    `json:"moved"`              // the source leads to other bytes than before
	BeforeSHA *string `json:"was_disk_image_sha"` // the digest before the change
}

// CatalogRow is one entry as GET /catalog/entries lists it.
type CatalogRow struct {
	CatalogAdded
	ResolvedSrc *string `json:"resolved_src"`
	Description *string `json:"description"`
}
