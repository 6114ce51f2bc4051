package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bty/internal/client"
	"bty/internal/store"
	"bty/internal/wire"
)

// rowsIn are those of a database that no server has open.
func rowsIn(path string) (rows map[string][]string, err error) {
	kept, err := store.OpenCopy(path, func() {})
	if err != nil {
		return nil, err
	}
	err = kept.View(func(tx *store.Tx) error { rows = tx.Rows(); return nil })
	return rows, errors.Join(err, kept.Close())
}

// Lost are the rows of before that after has not, by table.
func Lost(before, after map[string][]string) (lost []string) {
	for _, table := range slices.Sorted(maps.Keys(before)) {
		have := map[string]bool{}
		for _, name := range after[table] {
			have[name] = true
		}
		for _, name := range before[table] {
			if !have[name] {
				lost = append(lost, table+" "+name)
			}
		}
	}
	return lost
}

// compare asks the new release for the rows that the old one left, and reports whether it could. What
// somebody has deleted since is not lost.
func (u *Upgrade) compare(ctx context.Context, r Record) (proven bool, err error) {
	before, err := rowsIn(filepath.Join(u.folder(r), databaseName))
	if errors.Is(err, fs.ErrNotExist) { // there was no database yet, or the program is the same
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("the rows before the upgrade cannot be read: %w", err)
	}
	var after wire.Rows
	err = u.Control.Call(ctx, http.MethodGet, "/rows", nil, &after)
	if _, ok := u.Place.(alone); ok && client.IsAbsent(err) { // its compose.yml is the site's own, or an old one
		u.Tell("note: no control socket leads to the server, so that no row was lost is not proven")
		return false, nil
	}
	if client.CodeOf(err) == http.StatusNotFound {
		u.Tell("note: the release in place does not name its rows, so that none was lost is not proven")
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("the rows after the upgrade cannot be read: %w", err)
	}
	lost := slices.DeleteFunc(Lost(before, after.Tables), func(row string) bool { return u.wasDeleted(ctx, row, r.Begun) })
	if len(lost) > 0 {
		return false, fmt.Errorf("%d rows that the old release had are missing: %s", len(lost), few(lost))
	}
	return true, nil
}

// wasDeleted asks for an event of the row since the upgrade began: a row that is missing by accident has
// none that removes it.
func (u *Upgrade) wasDeleted(ctx context.Context, row string, since time.Time) bool {
	table, name, _ := strings.Cut(row, " ")
	if table == "hardware" {
		table = "machines"
	}
	var found struct {
		Events []struct {
			TS   time.Time `json:"ts"`
			Kind string    `json:"kind"`
		} `json:"events"`
	}
	if u.Control.Call(ctx, http.MethodGet, "/events?limit=20&subject_id="+url.QueryEscape(name), nil, &found) != nil {
		return false
	}
	for _, e := range found.Events {
		if e.TS.After(since) && (strings.HasSuffix(e.Kind, "deleted") || strings.HasSuffix(e.Kind, "revoked") || strings.HasSuffix(e.Kind, "removed")) {
			return true
		}
	}
	return false
}

// few names the first of many.
func few(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// checkLoss refuses to put rows aside that were written since, unless somebody said yes to it.
func (u *Upgrade) checkLoss(ctx context.Context, r Record) error {
	path := filepath.Join(u.folder(r), databaseName)
	before, err := rowsIn(path)
	if errors.Is(err, fs.ErrNotExist) || u.Yes {
		return nil
	}
	schema, err2 := schemaOf(path)
	if err = errors.Join(err, err2); err != nil {
		return fmt.Errorf("the database of %s, which was kept, cannot be read: %w", r.From, err)
	}
	var now wire.Rows
	if err := u.Control.Call(ctx, http.MethodGet, "/rows", nil, &now); err != nil {
		return u.checkFile(r, path, err)
	}
	if now.Schema == schema { // it stays
		return nil
	}
	return refused("newer-rows", fmt.Sprintf("%s does not know the database as %s has made it (schema %d, not %d), so the one of %s comes back: what was set and reported since is put aside, with %d rows that are new",
		r.From, r.To, now.Schema, schema, r.Begun.Local().Format(time.DateTime), len(Lost(now.Tables, before))), "Repeat with --yes if that is meant")
}

// checkFile is checkLoss for a server that does not answer, by the file that it would have open. An upgrade
// that has not ended may be undone all the same: its guard has seen to what was written.
func (u *Upgrade) checkFile(r Record, kept string, silent error) error {
	u.Tell("note: the server does not say what was written since the upgrade: " + silent.Error())
	if !r.Phase.over() {
		return nil
	}
	why, err := unfit(r.Look.Database, kept)
	if err != nil {
		why = "it cannot be looked at (" + err.Error() + ")"
	}
	if why == "" {
		return nil
	}
	return refused("newer-rows", fmt.Sprintf("the database may have to be put back as it was at %s, because %s: what was set and reported since is put aside then, and the server does not say what that is",
		r.Begun.Local().Format(time.DateTime), why), "Repeat with --yes if that is meant")
}
