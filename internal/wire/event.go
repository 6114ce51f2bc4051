package wire

import "encoding/json"

// Event is one row of GET /events.
type Event struct {
	ID           uint64          `json:"id"`
	TS           IsoTime         `json:"ts"`
	Kind         string          `json:"kind"`
	SubjectKind  *string         `json:"subject_kind"`
	SubjectID    *string         `json:"subject_id"`
	Actor        string          `json:"actor"`
	SourceIP     *string         `json:"source_ip"`
	Summary      string          `json:"summary"`
	Details      json.RawMessage `json:"details"` // an object or null
	Acknowledged bool            `json:"acknowledged"`
}

// StreamProgress is the data of a "progress" message of GET /api/v1/stream.
type StreamProgress struct {
	MAC string `json:"mac"`
	Progress
}

// WorkerState is the data of a "worker" message of GET /api/v1/stream and of a
// "worker-state-changed" message of GET /events/workers.
type WorkerState struct {
	Kind   string `json:"kind"` // backup or release
	Key    string `json:"key"`  // the ID of the backup, the tag of the release
	Status string `json:"status"`
}
