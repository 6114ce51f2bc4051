package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"bty/internal/doctor"
	"bty/internal/host"
)

// Rest stops what a first deployment woke to see it work, so that it leaves what a boot leaves: systemd
// listens, and a daemon starts with the first packet for it. What ran before, and what somebody else has
// asked since, goes on.
func (e *Engine) Rest(ctx context.Context, p Plan, o Observed) error {
	if p.Doing != "deploy" || len(p.Steps) == 0 || p.Site.Mode == Compose || o.Record != nil && !o.Record.Since.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	woken := slices.DeleteFunc(p.Site.services(), func(s Service) bool { return len(s.Enable) == 0 || o.Units[s.Unit].runs() })
	for range restRounds {
		run, err := e.settled(ctx, woken)
		if err != nil || len(run) == 0 {
			return err
		}
		for _, s := range run {
			stays, err := e.stopIdle(ctx, s, o)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Unit, err)
			}
			if stays {
				woken = slices.DeleteFunc(woken, func(w Service) bool { return w.Name == s.Name })
			}
		}
	}
	return nil // somebody asks again and again
}

// Bounds of it: idle, each is over in a fraction of a second. What one of them has asked another at its end
// wakes that once more.
const (
	restTime   = time.Minute
	restRounds = 3
	settleTime = 300 * time.Millisecond
	settleLook = 50 * time.Millisecond
)

// settled waits until none of the services starts, ends or has just done so, and returns those that run. One
// that is stopped at its start leaves in its socket what woke it, and is woken again.
func (e *Engine) settled(ctx context.Context, list []Service) (run []Service, err error) {
	for {
		run = nil
		quiet := true
		for _, s := range list {
			report, err := e.Manager.Look(ctx, s.Unit)
			if err != nil {
				return nil, err
			}
			u := report.Units[0]
			if u.Active == "active" {
				run = append(run, s)
			}
			quiet = quiet && (u.Active == "active" || u.Active == "inactive" || u.Active == "failed") && time.Since(u.Since) > settleTime
		}
		if quiet {
			return run, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the services to come to rest: %w", ctx.Err())
		case <-time.After(settleLook):
		}
	}
}

// stopIdle stops a service unless somebody else has asked it. bty-web is the first: it asks the others.
func (e *Engine) stopIdle(ctx context.Context, s Service, o Observed) (stays bool, err error) {
	stays, err = e.wanted(ctx, s, o)
	if err != nil || stays {
		return stays, err
	}
	return false, e.Manager.Stop(ctx, s.Unit)
}

// wanted reports whether anybody but this host has asked a service since it was looked at.
func (e *Engine) wanted(ctx context.Context, s Service, o Observed) (bool, error) {
	for _, p := range o.ports(Site{Without: others(s.Name)}) {
		if host.Connected(p.Network, p.Number) {
			return true, nil
		}
	}
	report, err := e.Manager.Look(ctx, s.Units...)
	if err != nil {
		return false, err
	}
	for _, u := range report.Units { // a backup, say
		if strings.HasSuffix(u.Name, ".service") && (Unit{Active: u.Active}).runs() {
			return true, nil
		}
	}
	said, err := tool(ctx, "", "journalctl", "--quiet", "--no-pager", "--output=json", ofUnit(e.Manager.Address != "")+s.Unit, fmt.Sprintf("--since=@%d", o.At.Unix()))
	if err != nil {
		return false, err
	}
	return hasOthers(said, o), nil
}

// others are all services but one.
func others(name string) (names []string) {
	for _, s := range Services() {
		if s.Name != name {
			names = append(names, s.Name)
		}
	}
	return names
}

// hasOthers reports whether lines of a journal speak of a machine, or of an address that is not this host's.
func hasOthers(journal string, o Observed) bool {
	for line := range strings.Lines(journal) {
		var entry struct {
			MAC    any `json:"BTY_MAC"`
			Remote any `json:"BTY_REMOTE"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.MAC != nil {
			return true // what cannot be read may be anybody's
		}
		if entry.Remote != nil && !o.isOwn(fmt.Sprint(entry.Remote)) {
			return true
		}
	}
	return false
}

func (o Observed) isOwn(text string) bool {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return false
	}
	a = a.Unmap()
	return a.IsLoopback() || slices.ContainsFunc(o.Addresses, func(own doctor.Address) bool { return own.Addr() == a })
}
