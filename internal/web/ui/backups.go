package ui

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"bty/internal/backup"
	"bty/internal/daemon"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/job"
	"bty/internal/web/api"
	"bty/internal/web/serve"
)

const backupsPath = "/ui/backups"

func (s surface) backupRoutes(r routes) {
	r.own("GET /ui/backups", s.backups)
	r.own("POST /ui/backups", s.backUp)
	r.own("GET /ui/backups/now", s.backupsNow)
	r.own("POST /ui/backups/restore", s.restoreFile)
	r.own("POST /ui/backups/import", s.importBundle)
	r.own("GET /ui/backups/{id}/download", s.downloadBackup)
	r.own("DELETE /ui/backups/{id}", s.removeBackup)
	r.own("POST /ui/backups/{id}/cancel", s.cancelBackup)
	r.own("GET /ui/backups/{id}/delete", s.askDeleteBackup)
	r.own("POST /ui/backups/{id}/delete", s.deleteBackup)
	r.own("GET /ui/backups/{id}/restore", s.askRestore)
	r.own("POST /ui/backups/{id}/restore", s.restoreBackup)
}

// backupsPage is what the page shows.
type backupsPage struct {
	Now    backupsNow
	Dir    string
	Events []event.Event
}

// backupsNow is the part of it that changes by itself.
type backupsNow struct {
	backup.Outlook
	Active   []backup.State
	Last     *backup.State // that has ended, nil if none has
	Stored   []backup.Stored
	Restored *backup.Outcome // nil if nothing was restored since the process was started
}

var backupsSaved = map[string]string{
	"begun":     "The backup has begun.",
	"cancelled": "The backup is cancelled.",
	"deleted":   "The backup was deleted.",
	"imported":  "The machines were imported; the event has the figures.",
	"restored":  "The server came back. How the restore ended stands below.",
}

func (s surface) backups(w http.ResponseWriter, r *http.Request) error {
	if s.Backups.Leaving() {
		return comeBack(w, r)
	}
	now, err := s.readBackups()
	if err != nil {
		return err
	}
	d := backupsPage{Now: now, Dir: s.Backups.Dir}
	subject := event.Backup
	if d.Events, err = s.Book.Events(event.Filter{SubjectKind: &subject, Limit: lastEvents}); err != nil {
		return err
	}
	return s.show(w, r, view{Page: "backups", Title: "Backups", Section: "backups", Saved: backupsSaved, Data: d})
}

// comeBack has the browser ask again once nobody answers any more but the server that has come back
// on the restored state.
func comeBack(w http.ResponseWriter, r *http.Request) error {
	select {
	case <-daemon.Draining(r.Context()):
	case <-r.Context().Done():
		return nil
	}
	w.Header().Set("Connection", "close")
	http.Redirect(w, r, r.URL.RequestURI(), http.StatusSeeOther)
	return nil
}

func (s surface) readBackups() (now backupsNow, err error) {
	now = backupsNow{Outlook: s.Backups.Outlook(), Restored: s.Backups.Last}
	for _, state := range slices.Backward(s.Backups.Jobs()) {
		switch {
		case !state.Status.Ended():
			now.Active = append(now.Active, state)
		case now.Last == nil:
			now.Last = &state
		}
	}
	now.Stored, err = s.Backups.List()
	return now, err
}

// backupsNow is the part of the page that a live page asks for again.
func (s surface) backupsNow(w http.ResponseWriter, r *http.Request) error {
	now, err := s.readBackups()
	if err != nil {
		return err
	}
	return s.fragment(w, r, "backups", "backups-now", now)
}

func (s surface) backUp(w http.ResponseWriter, r *http.Request) error {
	_, err := s.Backups.Begin(r.Context(), backup.ByHand, s.Client(r))
	return done(w, r, backupsPath, "begun", err)
}

func (s surface) cancelBackup(w http.ResponseWriter, r *http.Request) error {
	_, err := s.Backups.Cancel(r.Context(), r.PathValue("id"), s.Client(r))
	return done(w, r, backupsPath, "cancelled", err)
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

func backupURL(id backup.ID, act string) string {
	return backupsPath + "/" + url.PathEscape(string(id)) + "/" + act
}

func (s surface) askDeleteBackup(w http.ResponseWriter, r *http.Request) error {
	b, err := s.Backups.Get(r.PathValue("id"))
	if err != nil {
		return err
	}
	return s.confirm(w, r, confirmation{Title: fmt.Sprintf("Delete backup %s?", b.ID), Text: "It is gone for good, with its snapshot and its inventory.",
		Action: backupURL(b.ID, "delete"), Button: "Delete", Cancel: backupsPath, Section: "backups"})
}

func (s surface) deleteBackup(w http.ResponseWriter, r *http.Request) error {
	_, err := s.Backups.Delete(r.Context(), r.PathValue("id"))
	return done(w, r, backupsPath, "deleted", err)
}

func (s surface) askRestore(w http.ResponseWriter, r *http.Request) error {
	b, err := s.Backups.Get(r.PathValue("id"))
	if err != nil {
		return err
	}
	if b.Problem != "" {
		return fault.New(fault.Conflict, "backup %s cannot be restored: %s", b.ID, b.Problem)
	}
	c := confirmation{Title: fmt.Sprintf("Restore backup %s?", b.ID),
		Text: "Everything goes back to how it was then: machines, images, rules, settings, tokens, events. The present state is backed up first, and requests wait meanwhile.",
		Items: []string{fmt.Sprintf("%s, %s, %s in it", plural(b.Manifest.Machines, "machine", "machines"),
			plural(b.Manifest.Images, "image", "images"), plural(b.Manifest.Events, "event", "events"))},
		Action: backupURL(b.ID, "restore"), Button: "Restore", Cancel: backupsPath, Section: "backups"}
	if n := b.Manifest.WillFlash; n > 0 {
		c.Items = append(c.Items, fmt.Sprintf("%s waited to be flashed then: the next network boot overwrites the disk", plural(n, "machine", "machines")))
	}
	return s.confirm(w, r, c)
}

func (s surface) restoreBackup(w http.ResponseWriter, r *http.Request) error {
	_, err := s.Backups.Restore(r.Context(), r.PathValue("id"), s.Client(r))
	return done(w, r, backupsPath, "restored", err)
}

// restoreFile restores the database that was uploaded.
func (s surface) restoreFile(w http.ResponseWriter, r *http.Request) error {
	err := s.uploadedBackup(w, r, s.Backups.DatabaseLimit(), func(name string, file io.Reader) error {
		_, err := s.Backups.RestoreFrom(r.Context(), name, file, -1, s.Client(r))
		return err
	})
	return done(w, r, backupsPath, "restored", err)
}

func (s surface) importBundle(w http.ResponseWriter, r *http.Request) error {
	err := s.uploadedBackup(w, r, s.Backups.BundleLimit(), func(name string, file io.Reader) error {
		_, err := s.Backups.Import(r.Context(), file, false, name, fleet.Who{From: s.Client(r)})
		return err
	})
	return done(w, r, backupsPath, "imported", err)
}

// uploadedBackup calls take with the one file of a form, of at most limit bytes.
func (s surface) uploadedBackup(w http.ResponseWriter, r *http.Request, limit int64, take func(name string, file io.Reader) error) error {
	files, err := serve.FilesOf(w, r, limit)
	if err != nil {
		return err
	}
	name, file, err := files.Next()
	if errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "no file was chosen")
	}
	if err == nil {
		body := &bounded{file, limit}
		if err = take(name, body); err != nil && body.left >= 0 {
			_, ended := io.Copy(io.Discard, body) // what is too large is said to be so, whatever it begins with
			err = errors.Join(ended, err)
		}
		if body.left < 0 {
			return fault.New(fault.TooLarge, "the file is larger than %d bytes, which is the limit ([tuning] max_upload_bytes); nothing was changed", limit)
		}
	}
	return serve.UploadFault(err, "the file", limit)
}

// bounded ends with an error beyond so many bytes.
type bounded struct {
	io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, errors.New("it is too large")
	}
	return n, err
}

// backupBadge says what a backup on the disk is good for.
func backupBadge(b backup.Stored) badge {
	switch {
	case b.Problem == "":
		return badge{Text: "verified", Tone: "good", Title: "read from end to end after it was written"}
	case b.Manifest == nil:
		return badge{Text: "inventory only", Tone: "quiet", Title: b.Problem}
	}
	return badge{Text: "damaged", Tone: "bad", Title: b.Problem}
}

// whyFailed is why a job failed, in words for people.
func whyFailed(s backup.State) string {
	if s.Status != job.Failed {
		return ""
	}
	return fault.Public(s.Err)
}
