package api

import (
	"encoding/json"

	"bty/internal/web/body"
	"bty/internal/web/openapi"
	"bty/internal/wire"
)

func aboutBackups() []openapi.Operation {
	state, restore := openapi.Encoded(202, wire.BackupState{}), openapi.Encoded(202, wire.Restore{})
	source := openapi.Param{Name: "source", Text: "what the event calls it"}
	done := openapi.Encoded(200, wire.BackupState{})
	return []openapi.Operation{
		{Pattern: "GET /workers/backups", Tag: "backups", Summary: "Backups that wait, are made, or have ended since the process began",
			Answers: openapi.Answers(openapi.Encoded(200, wire.BackupJobs{}))},
		{Pattern: "POST /workers/backups", Tag: "backups", Summary: "Make a backup",
			Request: openapi.JSON(func(v body.Value) { _, _ = readTrigger(v) }), Answers: openapi.Answers(state)},
		{Pattern: "DELETE /workers/backups/{id}", Tag: "backups", Summary: "Cancel a backup that waits or is made", Answers: openapi.Answers(done, 404)},

		{Pattern: "GET /api/v1/backups", Tag: "backups", Summary: "Backups on the disk, newest first, and the schedule",
			Answers: openapi.Answers(openapi.Encoded(200, wire.Backups{}))},
		{Pattern: "POST /api/v1/backups/if-due", Tag: "backups", Summary: "Make the schedule's backup if it is due",
			Details: "For timers. It is made once, whoever asks how often: the schedule of bty-web itself may run beside the timer.",
			Answers: append([]openapi.Answer{openapi.Encoded(202, wire.BackupBegun{})}, openapi.Encoded(200, wire.BackupBegun{}))},
		{Pattern: "DELETE /api/v1/backups/{id}", Tag: "backups", Summary: "Delete a backup", Answers: openapi.Answers(openapi.Encoded(200, wire.BackupRemoved{}), 404)},
		{Pattern: "GET /api/v1/backups/{id}/snapshot", Tag: "backups", Summary: "The whole database of a backup", Details: "The ETag is its SHA-256. Ranges are served.",
			Answers: append(openapi.Answers(openapi.Plain("application/octet-stream"), 404),
				openapi.Answer{Status: 206, Media: "application/octet-stream"}, openapi.Answer{Status: 206, Media: "multipart/byteranges"},
				openapi.Empty(304, "not changed"), openapi.Empty(412, "If-Match does not hold"), openapi.Answer{Status: 416, Media: "text/plain; charset=utf-8"})},
		{Pattern: "GET /api/v1/backups/{id}/inventory", Tag: "backups", Summary: "The portable bundle of a backup: the hardware of all machines",
			Answers: openapi.Answers(openapi.Encoded(200, json.RawMessage{}), 404)},
		{Pattern: "POST /api/v1/backups/{id}/restore", Tag: "backups", Access: openapi.Session, Summary: "Put a backup in the place of the present state",
			Details: "No token opens this route. It is verified and the present state is backed up before this is answered; then the server comes back on it. GET /api/v1/restore tells how that ended.",
			Answers: openapi.Answers(restore, 404, 409, 422)},
		{Pattern: "GET /api/v1/restore", Tag: "backups", Summary: "How the last restore ended", Answers: openapi.Answers(openapi.Encoded(200, wire.Restore{}), 404)},
		{Pattern: "POST /api/v1/restore", Tag: "backups", Access: openapi.Session, Summary: "Put a database in the place of the present state", Query: []openapi.Param{source},
			Details: "No token opens this route. The body is a bty.db, as a backup has it.", Request: openapi.Bytes(), Answers: openapi.Answers(restore, 409)},
		{Pattern: "GET /api/v1/export", Tag: "backups", Summary: "The hardware of all machines as it is now, as a portable bundle", Writes: true,
			Answers: openapi.Answers(openapi.Encoded(200, json.RawMessage{}))},
		{Pattern: "POST /api/v1/import", Tag: "backups", Summary: "Take the machines of a bundle in",
			Details: "The body is an inventory.json of format 3. A machine that is known keeps its settings and gets the hardware that is newer or missing.",
			Query:   []openapi.Param{source, {Name: "replace", Text: "1 resets the machines that are known", Schema: openapi.OneOf("0", "1")}},
			Request: openapi.Bytes(), Answers: openapi.Answers(openapi.Encoded(200, wire.ImportReport{}), 409)},
	}
}
