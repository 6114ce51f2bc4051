package wire

// The control socket of bty-cache (/run/bty/cache.sock) speaks HTTP with these as JSON:
//
//	PUT  /sources   CacheSources       -> 204: the whole list of what may be fetched, kept on disk
//	GET  /status                       -> 200 CacheStatus
//	POST /warm      CacheSource        -> 202: it is fetched, unless it is there or on its way
//	POST /pin       CachePin           -> 204
//	POST /delete    CacheRef           -> 204: what is held of it, a fetch on its way included
//	POST /reload                       -> 200 CacheReloaded: the configuration is read again
//
// An error is {"detail": "..."}: 400 malformed, 403 not an allowed source, 404 not held.

// CacheSources is the catalog as the cache has to know it.
type CacheSources struct {
	Sources []CacheSource `json:"sources"`
}

// CacheSource is where an image is published, and what is known of its bytes.
type CacheSource struct {
	Src string `json:"src"` // as the catalog has it: the origin that withcache's URLs name
	// SHA256 is what the bytes must have, 64 hex digits, "" while nobody knows. An oras source
	// that has it is fetched as that blob, wherever its tag points meanwhile.
	SHA256    string `json:"sha256,omitempty"`
	SizeBytes int64  `json:"size_bytes,omitempty"`
	Name      string `json:"name,omitempty"` // for people
	// Rolling: what the origin has now replaces what is held, once it is there in full.
	// Otherwise a change is shown and nothing else.
	Rolling bool `json:"rolling,omitempty"`
}

// CacheRef names what is held by its source, or by its digest.
type CacheRef struct {
	Src    string `json:"src,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// CachePin keeps a source from being evicted.
type CachePin struct {
	Src    string `json:"src"`
	Pinned bool   `json:"pinned"`
}

// CacheStatus is what a cache holds and does.
type CacheStatus struct {
	Version    string `json:"version"`
	HeldBytes  int64  `json:"held_bytes"`  // of complete and of growing blobs
	LimitBytes int64  `json:"limit_bytes"` // 0 = none
	FreeBytes  int64  `json:"free_bytes"`  // of its file system
	FloorBytes int64  `json:"floor_bytes"` // that it leaves free

	Blobs   []CacheBlob   `json:"blobs"`   // most recently used first
	Fills   []CacheFill   `json:"fills"`   // under way, waiting, or failed of late
	Streams []CacheStream `json:"streams"` // readers now
	Misses  []CacheMiss   `json:"misses"`  // of late: asked for and refused, or not there
	Problem string        `json:"problem"` // that keeps it from working, with the next step; "" for none
}

// CacheBlob is one complete image, kept once for all its sources.
type CacheBlob struct {
	SHA256    string   `json:"sha256"`
	SizeBytes int64    `json:"size_bytes"`
	Sources   []string `json:"sources"`
	Pinned    bool     `json:"pinned"`
	Moved     bool     `json:"moved"` // a source has other bytes now, or leads to them here
	Reads     int64    `json:"reads"`
	SentBytes int64    `json:"sent_bytes"`
	FetchedAt IsoTime  `json:"fetched_at"`
	UsedAt    IsoTime  `json:"used_at"`
}

// Statuses of a CacheFill.
const (
	CacheFillWaiting   = "waiting"   // for a place, or for the next attempt
	CacheFillRunning   = "running"   //
	CacheFillVerifying = "verifying" //
	CacheFillFailed    = "failed"    // Error says why; a new request tries again
)

// CacheFill is a fetch from an origin.
type CacheFill struct {
	Src        string   `json:"src"`
	SHA256     string   `json:"sha256,omitempty"` // that its bytes must have, "" while nobody knows
	Status     string   `json:"status"`
	BytesDone  int64    `json:"bytes_done"`
	BytesTotal *int64   `json:"bytes_total"`      // null while nobody knows
	Rate       int64    `json:"bytes_per_second"` // over the last seconds
	Readers    int      `json:"readers"`
	Attempts   int      `json:"attempts"`
	StartedAt  IsoTime  `json:"started_at"`
	NextAt     *IsoTime `json:"next_at"` // of an attempt that waits
	Error      string   `json:"error"`   // of the last attempt
}

// CacheStream is one reader.
type CacheStream struct {
	Src       string  `json:"src"`
	Remote    string  `json:"remote"`
	Offset    int64   `json:"offset"`
	Sent      int64   `json:"sent_bytes"`
	StartedAt IsoTime `json:"started_at"`
}

// CacheMiss is a source that was asked for and not given.
type CacheMiss struct {
	Src    string  `json:"src"`
	Reason string  `json:"reason"`
	Count  int64   `json:"count"`
	LastAt IsoTime `json:"last_at"`
}

// CacheReloaded is what reading the configuration again has brought, by keys ("cache.allow").
type CacheReloaded struct {
	Changed []string `json:"changed"`
	Restart []string `json:"restart"` // of those, what waits for a restart
}

// Cache is the image cache of the appliance's host, as bty-web's API tells of it.
type Cache struct {
	Here   bool         `json:"here"`
	Reason *string      `json:"reason"` // why it is not, and what to do; null while it is
	URL    *string      `json:"url"`    // where machines are sent for images, null for to the origins
	Status *CacheStatus `json:"status"` // null while it is not there
}
