package ui

import (
	"encoding/json"
	"net/http"

	"bty/internal/web/api"
	"bty/internal/web/openapi"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

func (s surface) backupRoutes(r routes) {
	r.own("GET /ui/backups/{id}/download", s.downloadBackup)
	r.own("DELETE /ui/backups/{id}", s.removeBackup)
}

func aboutBackups() []openapi.Operation {
	const tag = "pages"
	return []openapi.Operation{
		{Pattern: "GET /ui/backups/{id}/download", Tag: tag, Access: openapi.Page, Summary: "The portable bundle of a backup",
			Answers: append(pageOr(404), openapi.Encoded(200, json.RawMessage{}))},
		{Pattern: "DELETE /ui/backups/{id}", Tag: tag, Access: openapi.Page, Summary: "Delete a backup",
			Answers: append(pageOr(404), openapi.Encoded(200, wire.BackupRemoved{}))},
	}
}

// downloadBackup serves the portable bundle of a backup.
func (s surface) downloadBackup(w http.ResponseWriter, r *http.Request) error {
	return api.SendInventory(s.Backups, w, r)
}

// removeBackup deletes a backup for a program; people are asked first.
func (s surface) removeBackup(w http.ResponseWriter, r *http.Request) error {
	removed, err := s.Backups.Delete(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, removed)
	return nil
}
