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
