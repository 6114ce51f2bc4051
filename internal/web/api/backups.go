package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"bty/internal/backup"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/web/body"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// registerBackups adds the routes of backups, restore, export and import. A token does not restore:
// which tokens there are is a part of what is restored.
func (c Config) registerBackups(mux serve.Mux, own func(serve.Handler) http.Handler, ownBody func(serve.BodyHandler) http.Handler) {
	session := func(h serve.Handler) http.Handler { return vary(c.Serve.Do(c.Session, h)) }
	mux.Handle("GET /workers/backups", own(c.backupJobs))
	mux.Handle("POST /workers/backups", ownBody(c.beginBackup))
	mux.Handle("DELETE /workers/backups/{id}", own(c.cancelBackup))

	mux.Handle("GET /api/v1/backups", own(c.listBackups))
	mux.Handle("POST /api/v1/backups/if-due", own(c.beginIfDue))
	mux.Handle("DELETE /api/v1/backups/{id}", own(c.deleteBackup))
	mux.Handle("GET /api/v1/backups/{id}/snapshot", own(c.snapshot))
	mux.Handle("GET /api/v1/backups/{id}/inventory", own(c.inventory))
	mux.Handle("POST /api/v1/backups/{id}/restore", session(c.restoreBackup))
	mux.Handle("GET /api/v1/restore", own(c.lastRestore))
	mux.Handle("POST /api/v1/restore", session(c.restoreUpload))
	mux.Handle("GET /api/v1/export", own(c.export))
	mux.Handle("POST /api/v1/import", own(c.importBundle))
}

func (c Config) backupJobs(w http.ResponseWriter, _ *http.Request) error {
	jobs := wire.BackupJobs{Root: c.Backups.Dir, MaxParallel: c.Backups.Parallel, Backups: []wire.BackupState{}}
	for _, s := range c.Backups.Jobs() {
		jobs.Backups = append(jobs.Backups, backup.JobShape(s))
	}
	serve.JSON(w, http.StatusOK, jobs)
	return nil
}

func readTrigger(v body.Value) (backup.Trigger, error) {
	o := v.Object()
	trigger := o.StringOr("trigger", string(backup.ByHand), body.OneOf(string(backup.ByHand), string(backup.BySchedule)))
	return backup.Trigger(trigger), o.Done()
}

func (c Config) beginBackup(w http.ResponseWriter, r *http.Request, v body.Value) error {
	trigger, err := readTrigger(v)
	if err != nil {
		return err
	}
	state, err := c.Backups.Begin(r.Context(), trigger, c.Client(r))
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusAccepted, backup.JobShape(state))
	return nil
}

func (c Config) cancelBackup(w http.ResponseWriter, r *http.Request) error {
	state, err := c.Backups.Cancel(r.Context(), r.PathValue("id"), c.Client(r))
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, backup.JobShape(state))
	return nil
}

func (c Config) listBackups(w http.ResponseWriter, _ *http.Request) error {
	found, err := c.Backups.List()
	if err != nil {
		return err
	}
	list := wire.Backups{Root: c.Backups.Dir, Backups: []wire.Backup{}, Schedule: c.Backups.Outlook().Shape()}
	for _, s := range found {
		list.Backups = append(list.Backups, s.Shape())
	}
	serve.JSON(w, http.StatusOK, list)
	return nil
}

// beginIfDue is for timers: it makes the schedule's backup, once, whoever asks how often.
func (c Config) beginIfDue(w http.ResponseWriter, r *http.Request) error {
	began, outlook, err := c.Backups.BeginIfDue(r.Context())
	if err != nil {
		return err
	}
	answer := wire.BackupBegun{Due: outlook.Due, Schedule: outlook.Shape()}
	if began == nil {
		serve.JSON(w, http.StatusOK, answer)
		return nil
	}
	state := backup.JobShape(*began)
	answer.Backup = &state
	serve.JSON(w, http.StatusAccepted, answer)
	return nil
}

func (c Config) deleteBackup(w http.ResponseWriter, r *http.Request) error {
	removed, err := c.Backups.Delete(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, removed)
	return nil
}

// snapshot serves the database of a backup, whole or in ranges.
func (c Config) snapshot(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	s, err := c.Backups.Get(id)
	if err != nil {
		return err
	}
	if s.Manifest != nil {
		w.Header().Set("ETag", `"`+s.Shape().SHA256+`"`)
	}
	file, err := c.Backups.Snapshot(id)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	sendAs(w, "application/octet-stream", id+".db")
	http.ServeContent(w, r, "", info.ModTime(), file)
	return nil
}

func (c Config) inventory(w http.ResponseWriter, r *http.Request) error {
	return SendInventory(c.Backups, w, r)
}

// SendInventory serves the portable bundle of the backup that the path names.
func SendInventory(backups *backup.Manager, w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	file, err := backups.Inventory(id)
	if err != nil {
		return err
	}
	return sendFile(w, file, id+".json")
}

// sendFile serves a bundle, always whole.
func sendFile(w http.ResponseWriter, file *os.File, name string) error {
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	sendAs(w, "application/json", name)
	w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	_, _ = io.Copy(w, file) // the client is gone, if anything
	return nil
}

func sendAs(w http.ResponseWriter, media, name string) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s"`, name))
}

func (c Config) restoreBackup(w http.ResponseWriter, r *http.Request) error {
	ready, err := c.Backups.Restore(r.Context(), r.PathValue("id"), c.Client(r))
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusAccepted, ready.Shape())
	return nil
}

// lastRestore tells how the last restore ended, which its own answer came too early for.
func (c Config) lastRestore(w http.ResponseWriter, _ *http.Request) error {
	if c.Backups.Last == nil {
		return fault.New(fault.NotFound, "nothing was restored since bty-web was started")
	}
	serve.JSON(w, http.StatusOK, c.Backups.Last.Shape())
	return nil
}

// restoreUpload restores the database that is the body.
func (c Config) restoreUpload(w http.ResponseWriter, r *http.Request) error {
	limit := c.Backups.DatabaseLimit()
	if r.ContentLength > limit {
		return tooLarge("database", limit)
	}
	name := named(r, "uploaded database")
	ready, err := c.Backups.RestoreFrom(r.Context(), name, serve.Upload(w, r, limit), r.ContentLength, c.Client(r))
	if err != nil {
		return uploadFault(err, "database", limit)
	}
	serve.JSON(w, http.StatusAccepted, ready.Shape())
	return nil
}

func (c Config) export(w http.ResponseWriter, r *http.Request) error {
	file, err := c.Backups.Export(r.Context())
	if err != nil {
		return err
	}
	return sendFile(w, file, "inventory.json")
}

func (c Config) importBundle(w http.ResponseWriter, r *http.Request) error {
	limit := c.Backups.BundleLimit()
	if r.ContentLength > limit {
		return tooLarge("bundle", limit)
	}
	replace, err := strconv.ParseBool(orElse(r.URL.Query().Get("replace"), "0"))
	if err != nil {
		return fault.New(fault.Rejected, "replace is %.40q; it must be 1 or 0", r.URL.Query().Get("replace"))
	}
	bundle := serve.Upload(w, r, limit)
	report, err := c.Backups.Import(r.Context(), bundle, replace, named(r, "uploaded bundle"), fleet.Who{From: c.Client(r)})
	if err != nil {
		if _, ended := io.Copy(io.Discard, bundle); ended != nil {
			err = ended // what is too large is said to be so, whatever it begins with
		}
		return uploadFault(err, "bundle", limit)
	}
	serve.JSON(w, http.StatusOK, backup.ReportShape(report))
	return nil
}

// named is what the caller calls the thing that it sends.
func named(r *http.Request, absent string) string {
	return orElse(r.URL.Query().Get("source"), absent)
}

func orElse(s, absent string) string {
	if s == "" {
		return absent
	}
	return s
}

func tooLarge(what string, limit int64) error {
	return fault.New(fault.TooLarge, "the %s is larger than %d bytes, which is the limit ([tuning] max_upload_bytes); nothing was changed", what, limit)
}

// uploadFault names what can go wrong with a body on its way.
func uploadFault(err error, what string, limit int64) error {
	if fault.KindOf(err) == fault.Internal && errors.Is(err, context.Canceled) {
		return fault.Wrap(fault.Invalid, err, "the upload of the %s was given up; nothing was changed", what)
	}
	return serve.UploadFault(err, "the "+what, limit)
}
