package main

import (
	"encoding/json"
	"io"

	"bty/internal/agent"
	"bty/internal/flash"
	"bty/internal/wire"
)

// The JSON of bty is a contract with scripts, described in docs/bty.md: keys are added, never
// renamed or removed.

// progressJSON is one line of progress.
type progressJSON struct {
	Event string `json:"event"` // "progress"
	wire.Progress
}

// flashResult is the last line.
type flashResult struct {
	Event        string         `json:"event"` // "result"
	OK           bool           `json:"ok"`
	Status       code           `json:"status"` // the exit status
	Name         string         `json:"name"`   // of that status
	Error        string         `json:"error,omitempty"`
	Partial      bool           `json:"partial"` // the disk holds a part of the image and does not boot
	Image        string         `json:"image"`
	Format       string         `json:"format,omitempty"`
	Disk         diskJSON       `json:"disk"`
	BytesRead    int64          `json:"bytes_read"`    // of the image as transferred
	BytesWritten int64          `json:"bytes_written"` // of the disk that the image covers
	BytesZero    int64          `json:"bytes_zero"`    // of these, zeros that the disk had or made by itself
	BytesGrown   int64          `json:"bytes_grown"`   // that the last partition became larger by
	SHA256       string         `json:"sha256,omitempty"`
	Verified     bool           `json:"verified"`             // the digest was declared and is that one
	ReadBack     bool           `json:"read_back"`            // the disk was read back and holds what was written
	Retries      int            `json:"retries"`              // connections that broke and were taken up again
	Bottleneck   string         `json:"bottleneck,omitempty"` // network, digest, decode or disk
	Efforts      *flash.Efforts `json:"efforts,omitempty"`    // what each of these took
	Notes        []string       `json:"notes"`
	Seconds      float64        `json:"seconds"`
}

// fill takes what the engine did.
func (r *flashResult) fill(d flash.Result) {
	r.Format, r.BytesRead, r.BytesWritten, r.BytesZero = string(d.Format), d.Transferred, d.Written, d.Zeros
	r.Verified, r.ReadBack, r.Retries, r.Bottleneck = d.Verified, d.ReadBack, d.Retries, d.Bottleneck
	r.BytesGrown = d.Grown
	if d.Efforts != (flash.Efforts{}) {
		r.Efforts = &d.Efforts
	}
	r.Notes = append([]string{}, d.Notes...)
	if !d.Digest.IsZero() {
		r.SHA256 = d.Digest.String()
	}
}

// settle records how it ended.
func (r *flashResult) settle(err error) {
	r.Status = codeOf(err)
	r.Name, r.OK = r.Status.name(), err == nil
	if err != nil {
		r.Error = agent.Printable(complaint(err))
	}
}

func writeJSON(w io.Writer, v any) error {
	return json.NewEncoder(w).Encode(v)
}
