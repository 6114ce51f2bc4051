package ui

import (
	"encoding/json"

	"bty/internal/web/openapi"
	"bty/internal/wire"
)

func aboutBackups() []openapi.Operation {
	const tag = "pages"
	file := openapi.Upload(openapi.Field{Name: "file", Needed: true, File: true})
	return []openapi.Operation{
		{Pattern: "GET /ui/backups", Tag: tag, Access: openapi.Page, Summary: "Backups, their schedule, restore", Answers: pageOr(303)},
		{Pattern: "POST /ui/backups", Tag: tag, Access: openapi.Page, Summary: "Back up now", Answers: led()},
		{Pattern: "GET /ui/backups/now", Tag: tag, Access: openapi.Page, Summary: "What there is of it now, as a part of the page", Answers: pageOr()},
		{Pattern: "POST /ui/backups/restore", Tag: tag, Access: openapi.Page, Summary: "Restore a database file", Request: file, Answers: led()},
		{Pattern: "POST /ui/backups/import", Tag: tag, Access: openapi.Page, Summary: "Import a portable bundle", Request: file, Answers: led()},
		{Pattern: "GET /ui/backups/{id}/download", Tag: tag, Access: openapi.Page, Summary: "The portable bundle of a backup",
			Answers: append(pageOr(404), openapi.Encoded(200, json.RawMessage{}))},
		{Pattern: "DELETE /ui/backups/{id}", Tag: tag, Access: openapi.Page, Summary: "Delete a backup",
			Answers: append(pageOr(404), openapi.Encoded(200, wire.BackupRemoved{}))},
		{Pattern: "POST /ui/backups/{id}/cancel", Tag: tag, Access: openapi.Page, Summary: "Cancel a backup that waits or is made", Answers: led()},
		{Pattern: "GET /ui/backups/{id}/delete", Tag: tag, Access: openapi.Page, Summary: "Ask before a backup is deleted", Answers: pageOr(404)},
		{Pattern: "POST /ui/backups/{id}/delete", Tag: tag, Access: openapi.Page, Summary: "Delete a backup", Answers: led()},
		{Pattern: "GET /ui/backups/{id}/restore", Tag: tag, Access: openapi.Page, Summary: "Ask before a backup is restored", Answers: pageOr(404, 409)},
		{Pattern: "POST /ui/backups/{id}/restore", Tag: tag, Access: openapi.Page, Summary: "Restore a backup", Answers: led()},
	}
}
