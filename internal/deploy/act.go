package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"bty/internal/systemd/manager"
)

// begin writes the record before anything it speaks of is there: what is made can be found, and taken
// away, after a run that was cut off at any point. The time in r is of the record that the plan was made by.
func begin(r Record, dir string) Action {
	return action(func(_ context.Context, e *Engine) error {
		paths := []string{RecordPath(dir)}
		for _, f := range r.Files {
			paths = append(paths, f.Path)
		}
		for _, made := range foldersOf(paths, e.exists) {
			r.Folders = appendNew(r.Folders, made)
		}
		if left, err := os.ReadDir(e.path(dir)); err == nil && len(left) == 0 { // by a run that was killed right here
			r.Folders = appendNew(r.Folders, dir)
		}
		if err := os.MkdirAll(e.path(dir), 0o755); err != nil {
			return err
		}
		if err := e.lock(dir); err != nil {
			return err
		}
		was, err := ReadRecord(e.path(dir))
		if err != nil {
			return err
		}
		if !r.At.Equal(was.at()) {
			return errors.New("another bty-lab has changed what is deployed since this one looked; nothing was changed now")
		}
		r.Files = untilWritten(r.Files, was)
		if was != nil {
			r.Since = was.Since
		}
		e.since = r.Since
		r.At = time.Now().UTC()
		e.folders, e.dir = r.Folders, dir
		return r.write(e.path(dir))
	})
}

// unbegun has the record as it was before a run, also if there was none.
func unbegun(was *Record, dir string) Action {
	return action(func(ctx context.Context, e *Engine) error {
		defer e.unlock()
		if was != nil {
			return was.write(e.path(dir))
		}
		return both(remove([]string{RecordPath(dir)}), removeEmpty(e.folders)).do(ctx, e)
	})
}

// done writes the record when everything is there. Whoever is to see a new password has seen it by
// then: a run that ends before makes another one the next time.
func done(r Record, dir string, end State) Action {
	return action(func(_ context.Context, e *Engine) error {
		if e.made != "" && e.Show != nil {
			if err := e.Show(e.made); err != nil {
				return err
			}
		}
		defer e.unlock()
		if r.Since = e.since; r.Since.IsZero() && r.State != Initialised {
			r.Since = time.Now().UTC()
		}
		var there []Written
		for _, w := range r.Files {
			if !e.exists(w.Path) {
				continue
			}
			if w.Digest == "" {
				var err error
				if w.Digest, err = digestOf(e.path(w.Path)); err != nil {
					return err
				}
			}
			there = append(there, w)
		}
		r.Files, r.Folders, r.State, r.Unseen, r.At = there, e.folders, end, false, time.Now().UTC()
		return r.write(e.path(dir))
	})
}

func appendNew(list []string, s string) []string {
	for _, known := range list {
		if known == s {
			return list
		}
	}
	return append(list, s)
}

func (e *Engine) exists(path string) bool {
	_, err := os.Lstat(e.path(path))
	return !errors.Is(err, fs.ErrNotExist)
}

// unitTime is how long systemd may take with one unit: a first start may migrate a large database.
const unitTime = 15 * time.Minute

func reload(ctx context.Context, e *Engine) error { return e.Manager.Reload(ctx) }

func enable(units []string) Action {
	return action(func(ctx context.Context, e *Engine) error { return e.Manager.Enable(ctx, units...) })
}

func disable(units []string) Action {
	return action(func(ctx context.Context, e *Engine) error { return e.Manager.Disable(ctx, units...) })
}

func start(unit string) Action   { return job(unit, manager.Manager.Start) }
func stop(unit string) Action    { return job(unit, manager.Manager.Stop) }
func restart(unit string) Action { return job(unit, manager.Manager.Restart) }

// job has systemd do something with a unit, and says what the unit said when it fails.
func job(unit string, do func(manager.Manager, context.Context, string) error) Action {
	return action(func(ctx context.Context, e *Engine) error {
		ctx, cancel := context.WithTimeout(ctx, unitTime)
		defer cancel()
		err := do(e.Manager, ctx, unit)
		if _, failed := errors.AsType[*manager.JobError](err); failed {
			return fmt.Errorf("%w\n%s", err, lastWords(ctx, e.Manager, unit))
		}
		return err
	})
}

// lastWords are what a unit said last, each line after a bar. A socket's are those of its service, too.
func lastWords(ctx context.Context, by manager.Manager, unit string) string {
	of := ofUnit(by.Address != "")
	args := []string{"--no-pager", "--quiet", "--output=short", "--lines=200", of + unit}
	if name, isSocket := strings.CutSuffix(unit, ".socket"); isSocket {
		args = append(args, of+name+".service")
	}
	out, err := tool(ctx, "", "journalctl", args...)
	if err != nil {
		return "its journal cannot be read: " + err.Error()
	}
	said := telling(out)
	if len(said) == 0 {
		return unit + " has said nothing in the journal"
	}
	return "the journal of " + unit + " ends:\n  | " + strings.Join(said, "\n  | ")
}

// telling are the last lines that say something: Podman tells each step of a container's life, with all
// of its labels.
func telling(journal string) (lines []string) {
	const most, width = 10, 500
	for line := range strings.Lines(journal) {
		if strings.Contains(line, " podman[") || strings.Contains(line, " conmon[") {
			continue
		}
		line = strings.TrimRight(line, "\n")
		lines = append(lines, line[:min(len(line), width)])
	}
	return lines[max(0, len(lines)-most):]
}
