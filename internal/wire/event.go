package wire

import (
	"encoding/json"

	"bty/internal/event"
)

// Event is one row of GET /events.
type Event struct {
	ID           uint64          `json:"id"`
	TS           IsoTime         `json:"ts"`
	Kind         string          `json:"kind"`
	SubjectKind  *string         `json:"subject_kind"`
	SubjectID    *string         `json:"subject_id"`
	Actor        string          `json:"actor"`
	By           string          `json:"by,omitempty"` // the API token or tool, if it was one
	SourceIP     *string         `json:"source_ip"`
	Summary      string          `json:"summary"`
	Details      json.RawMessage `json:"details"` // an object or null
	Acknowledged bool            `json:"acknowledged"`
}

// EventOf is an event in the shape of the wire.
func EventOf(e event.Event) Event {
	return Event{
		ID: uint64(e.ID), TS: IsoTime(e.At), Kind: string(e.Kind), SubjectKind: orNull(string(e.SubjectKind)),
		SubjectID: orNull(e.SubjectID), Actor: string(e.Actor), By: e.By, SourceIP: orNull(event.Address(e.SourceIP)),
		Summary: e.Summary, Details: e.Details, Acknowledged: e.Acknowledged,
	}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// StreamProgress is the data of a "progress" message of GET /api/v1/stream.
type StreamProgress struct {
	MAC string `json:"mac"`
	Progress
}

// WorkerState is the data of a "worker" message of GET /api/v1/stream and of a
// "worker-state-changed" message of GET /events/workers.
type WorkerState struct {
	Kind   string `json:"kind"` // backup or release; doctor on the stream of today alone
	Key    string `json:"key"`  // the ID of the backup, the tag of the release
	Status string `json:"status"`
}

// WorkerDoctor is the kind that says that the doctor's findings are others. Its status is another
// each time.
const WorkerDoctor = "doctor"

// StreamHint is the data of a "hint" message of GET /api/v1/stream: which lists are not any more
// what they were ("event" and the kinds of subjects), and how many events ask for attention.
type StreamHint struct {
	Changed []string `json:"changed"`
	Alarms  int      `json:"alarms"`
}
