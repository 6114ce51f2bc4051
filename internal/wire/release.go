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
