package wire

// ReleaseFetch is a fetch of a release of boot artifacts.
type ReleaseFetch struct {
	Tag        string            `json:"tag"`
	Status     string            `json:"status"`
	BytesDone  int64             `json:"bytes_done"`
	BytesTotal *int64            `json:"bytes_total"` // null while nobody knows
	Artifact   *string           `json:"artifact"`    // the one that streams in now
	StartedAt  *float64          `json:"started_at"`  // Unix seconds
	FinishedAt *float64          `json:"finished_at"`
	Error      *string           `json:"error"`
	BaseURL    *string           `json:"base_url"`
	Artifacts  []ReleaseArtifact `json:"artifacts"`
}

// ReleaseArtifact is one file of a ReleaseFetch.
type ReleaseArtifact struct {
	Name       string   `json:"name"`
	Status     string   `json:"status"`
	BytesDone  int64    `json:"bytes_done"`
	BytesTotal *int64   `json:"bytes_total"`
	Error      *string  `json:"error"`
	StartedAt  *float64 `json:"started_at"`
	FinishedAt *float64 `json:"finished_at"`
}

// ReleaseFetches is GET /boot/releases.
type ReleaseFetches struct {
	BootRoot    string         `json:"boot_root"`
	MaxParallel int            `json:"max_parallel"`
	Fetches     []ReleaseFetch `json:"fetches"`
}

// Netboot is GET /api/v1/netboot.
type Netboot struct {
	Ready    bool          `json:"ready"` // there is a boot program and a live environment
	Live     []Live        `json:"live"`
	Programs []BootProgram `json:"programs"`
	Files    []BootFile    `json:"files"`
}

// Live is the live environment of one architecture.
type Live struct {
	Arch    string     `json:"arch"`
	Maker   *string    `json:"maker"`   // "bty" or "debian"; null: there is none
	Kernel  *string    `json:"kernel"`  // its version
	Missing *string    `json:"missing"` // the file that has to be there first
	Files   []BootFile `json:"files"`
}

// BootProgram is a program that firmware loads.
type BootProgram struct {
	Name   string  `json:"name"`
	For    string  `json:"for"`
	Path   *string `json:"path"` // null: there is none
	Size   int64   `json:"size_bytes"`
	Advice *string `json:"advice"`
}

// BootFile is a file of the boot folder.
type BootFile struct {
	Name       string  `json:"name"`
	Size       int64   `json:"size_bytes"`
	ModifiedAt IsoTime `json:"modified_at"`
	SHA256     *string `json:"sha256"` // null while it is being read
	Kernel     *string `json:"kernel"` // the version, of a kernel
}

// Installed is the answer of POST /api/v1/boot.
type Installed struct {
	Files []StoredFile `json:"files"`
}

// StoredFile is a file as it was stored.
type StoredFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size_bytes"`
	SHA256 string `json:"sha256"`
}
