package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"bty/internal/event"
	"bty/internal/store"
)

// lookTime is how long a server may take to say what was done.
const lookTime = 10 * time.Second

// keptWork refuses a way back that nobody has asked for, where it would put aside what machines and operators
// have done with the new release. A run that fails at once has little of that; one that is taken up may come
// days later. What they have done since is what has an event with a greater number than the last one in the
// database that was kept: no clock says it, and what the appliance did by itself does not count.
func (u *Upgrade) keptWork(ctx context.Context, r Record, why error) error {
	if u.Yes {
		return nil
	}
	kept := filepath.Join(u.folder(r), databaseName)
	last, err := store.LastEvent(kept)
	switch {
	case errors.Is(err, fs.ErrNotExist): // the new release never opened the database
		return nil
	case err != nil:
		return fmt.Errorf("the database of %s, which was kept, cannot be read: %w", r.From, err)
	}
	if unfit, err := unfit(r.Look.Database, kept); unfit == "" && err == nil { // it stays
		return nil
	}
	done, err := u.doneSince(ctx, r.Look.Database, last)
	if err == nil && done == "" {
		return nil
	}
	if err != nil {
		done = "whether anything has been done with it since cannot be seen: " + err.Error()
	}
	return fmt.Errorf("upgrade to %s: %w\n-> It was cut off before, and %s. %s does not know the database as it is now, so going back would put that aside. Nothing was undone, and %s stays in place. Once that is mended: bty-lab upgrade %s goes on. To go back all the same: bty-lab upgrade --back --yes %s",
		r.To, why, done, r.From, r.To, u.Dir, u.Dir)
}

// doneSince says what machines and operators have done after an event, "" if nothing. A server that has the
// database open is asked.
func (u *Upgrade) doneSince(ctx context.Context, database string, last event.ID) (string, error) {
	file, err := store.OpenCopy(database, func() {})
	switch {
	case err == nil:
		act, found, err := file.LastAct()
		if err = errors.Join(err, file.Close()); err != nil || !found || act.ID <= last {
			return "", err
		}
		return didIt(act.Summary, act.At), nil
	case errors.As(err, new(*store.NewerError)):
		now, err := store.LastEvent(database)
		if err != nil || now <= last {
			return "", err
		}
		return fmt.Sprintf("%d events have been recorded since, which this bty-lab cannot read", now-last), nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	for _, actor := range []event.Actor{event.Operator, event.Client} {
		var found struct {
			Events []struct {
				ID      event.ID  `json:"id"`
				TS      time.Time `json:"ts"`
				Summary string    `json:"summary"`
			} `json:"events"`
		}
		if asked := u.Control.Call(ctx, http.MethodGet, "/events?limit=1&actor="+url.QueryEscape(string(actor)), nil, &found); asked != nil {
			return "", errors.Join(err, asked)
		}
		if len(found.Events) > 0 && found.Events[0].ID > last {
			return didIt(found.Events[0].Summary, found.Events[0].TS), nil
		}
	}
	return "", nil
}

func didIt(summary string, at time.Time) string {
	return fmt.Sprintf("machines and operators have worked with it since (last, at %s: %s)", at.Local().Format(time.DateTime), summary)
}
