package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"bty/internal/systemd/manager"
)

const (
	askEvery  = 200 * time.Millisecond
	askTime   = 3 * time.Second
	maxStarts = 3  // in a row that end before the server is ready
	lastLines = 15 // of a journal, as the reason

	journalLines = 2000 // that are looked at for them
)

// Unhealthy is a release that does not get ready to work.
type Unhealthy struct {
	Unit  string
	What  string
	Lines string // the last ones of its journal
}

func (e *Unhealthy) Error() string {
	s := fmt.Sprintf("%s does not become healthy: %s", e.Unit, e.What)
	if e.Lines != "" {
		s += ". The end of its journal:\n    " + strings.ReplaceAll(e.Lines, "\n", "\n    ")
	}
	return s
}

// await waits until the server says that it is ready and no other service has failed.
func (u *Upgrade) await(ctx context.Context, r Record, since time.Time) error {
	ctx, cancel := context.WithTimeoutCause(ctx, u.Limit, fmt.Errorf("not ready within %v", u.Limit))
	defer cancel()
	base := u.starts(ctx, server)
	for {
		err := u.ask(ctx)
		if err == nil {
			return u.others(ctx, r, since)
		}
		if n := u.starts(ctx, server) - base; n >= maxStarts {
			return u.unhealthy(r, server, fmt.Sprintf("it has ended %d times before it was ready", n), since)
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.Canceled) {
				return context.Cause(ctx)
			}
			return u.unhealthy(r, server, fmt.Sprintf("%v, last: %v", context.Cause(ctx), err), since)
		case <-time.After(askEvery):
		}
	}
}

// alone is a Place whose services no systemd knows.
type alone interface {
	Ready(ctx context.Context) error
	Starts(ctx context.Context) int
	Words(ctx context.Context) string
}

func (u *Upgrade) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if p, ok := u.Place.(alone); ok {
		return p.Ready(ctx)
	}
	return u.Control.Call(ctx, http.MethodGet, "/readyz", nil, nil)
}

// starts is how often systemd has started a unit again by itself.
func (u *Upgrade) starts(ctx context.Context, unit string) int {
	if p, ok := u.Place.(alone); ok {
		return p.Starts(ctx)
	}
	if !u.Guarded {
		return 0
	}
	report, err := u.Manager.Look(ctx, unit)
	if err != nil || len(report.Units) == 0 {
		return 0
	}
	return report.Units[0].Restarts
}

// others looks at the services beside the server that ran before. They have a moment to come up. One that nobody
// has asked since the host started, after a power cut in an upgrade, is woken.
func (u *Upgrade) others(ctx context.Context, r Record, since time.Time) error {
	if !u.Guarded || len(r.Running) == 0 {
		return nil
	}
	if err := u.wake(ctx, r.Running); err != nil {
		return err
	}
	var down manager.Unit
	for {
		report, err := u.Manager.Look(ctx, r.Running...)
		if err != nil && (ctx.Err() == nil || down.Name == "") {
			return err
		}
		if err == nil {
			down = manager.Unit{}
		}
		for _, unit := range report.Units {
			if unit.Active != "active" && unit.Name != server {
				down = unit
			}
		}
		switch {
		case down.Name == "":
			return nil
		case down.Active == "failed" || down.Restarts >= maxStarts || ctx.Err() != nil:
			return u.unhealthy(r, down.Name, fmt.Sprintf("it is %s (%s), and ran before", down.Active, down.Result), since)
		}
		select {
		case <-ctx.Done():
		case <-time.After(askEvery):
		}
	}
}

// wake starts services that do not run and for which systemd listens. That one fails is seen by its state.
func (u *Upgrade) wake(ctx context.Context, services []string) error {
	for _, name := range services {
		if name == server { // which has answered
			continue
		}
		report, err := u.Manager.Look(ctx, name, strings.TrimSuffix(name, ".service")+".socket")
		if err != nil {
			return err
		}
		if report.Units[0].Active != "inactive" || report.Units[1].Active != "active" {
			continue
		}
		err = u.Manager.Start(ctx, name)
		if _, failed := errors.AsType[*manager.JobError](err); err != nil && !failed {
			return err
		}
	}
	return nil
}

func (u *Upgrade) unhealthy(r Record, unit, what string, since time.Time) error {
	e := &Unhealthy{Unit: unit, What: what}
	if u.Guarded {
		e.Lines = u.journal(unit, since, r.Ended)
	} else if p, ok := u.Place.(alone); ok {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		e.Lines = p.Words(ctx)
	}
	return e
}

// journal is the end of what a unit has said since then, without what the run of it said that was ended
// for the upgrade: it may have said much, and too late.
func (u *Upgrade) journal(unit string, since time.Time, ended string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := tool(ctx, "journalctl", "--no-pager", "--quiet", "--output=json", fmt.Sprintf("--lines=%d", journalLines), fmt.Sprintf("--since=@%d", since.Unix()), u.Site.OfUnit()+unit)
	if err != nil {
		return err.Error()
	}
	var said []string
	for line := range strings.Lines(out) {
		var entry struct {
			Message any    `json:"MESSAGE"` // a list of numbers if it is no text
			Of      string `json:"_SYSTEMD_INVOCATION_ID"`
			About   string `json:"INVOCATION_ID"`
			By      string `json:"SYSLOG_IDENTIFIER"`
			Level   string `json:"PRIORITY"`
		}
		// Podman tells of each container that it makes and removes it.
		if json.Unmarshal([]byte(line), &entry) != nil || entry.By == "podman" && entry.Level == "6" || ended != "" && (entry.Of == ended || entry.About == ended) {
			continue
		}
		if text, ok := entry.Message.(string); ok {
			said = append(said, text)
		}
	}
	return strings.Join(said[max(0, len(said)-lastLines):], "\n")
}

// invocation names the present run of a unit, "" if there is none.
func (u *Upgrade) invocation(ctx context.Context, unit string) string {
	out, err := tool(ctx, "systemctl", append(u.ofManager(), "show", "--property=InvocationID", "--value", unit)...)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}
