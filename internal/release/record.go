package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/job"
	"bty/internal/ledger"
	"bty/internal/message"
)

// What the events of a fetch carry.
type (
	aboutTag struct {
		Tag    string `json:"tag"`
		Source string `json:"source,omitempty"`
	}
	aboutStart struct {
		Tag  string  `json:"tag"`
		Repo *string `json:"repo"` // null unless the operator stored one
	}
	aboutDone struct {
		Tag        string   `json:"tag"`
		BaseURL    string   `json:"base_url"`
		TotalBytes int64    `json:"total_bytes"`
		Artifacts  []string `json:"artifacts"`
	}
	aboutFailure struct {
		Tag   string `json:"tag"`
		Error string `json:"error"`
	}
)

// do is the work of one fetch with its events.
func (m *Manager) do(ctx context.Context, j *job.Job[Fetch]) error {
	err := m.start(ctx, j.Key)
	if err == nil {
		err = m.carryOut(ctx, j)
	}
	if err != nil && context.Cause(ctx) == nil && fault.KindOf(err) == fault.Internal {
		m.Log.Error("a fetch of boot artifacts failed", message.OfKind(event.FetchFailed), "tag", j.Key, "err", err)
	}
	e := m.outcome(j, err, context.Cause(ctx) != nil)
	if failed := m.Book.Record(context.WithoutCancel(ctx), e); failed != nil {
		m.Log.Warn("the end of a fetch could not be recorded", message.Unrecorded, "tag", j.Key, "event", string(e.Kind), "err", failed)
	}
	return err
}

func (m *Manager) start(ctx context.Context, tag string) error {
	about := aboutStart{Tag: tag}
	if up := m.Upstream(); up.Stored {
		about.Repo = &up.Repo
	}
	return m.Book.Record(ctx, m.event(event.FetchStarted, tag, event.System, netip.Addr{}, fmt.Sprintf("fetch of release %s began", tag), about))
}

func (m *Manager) outcome(j *job.Job[Fetch], err error, cancelled bool) event.Event {
	f := j.Detail()
	total, _ := f.Bytes()
	switch {
	case err == nil:
		names := Artifacts(m.Version)
		return m.event(event.FetchDone, j.Key, f.By, f.From, fmt.Sprintf("boot artifacts of release %s installed, %d bytes", j.Key, total),
			aboutDone{j.Key, f.BaseURL, total, names[:]}).With(slog.Int64("bytes", total))
	case cancelled:
		return m.event(event.FetchCancelled, j.Key, event.System, netip.Addr{}, fmt.Sprintf("fetch of release %s ended: cancelled", j.Key), aboutTag{Tag: j.Key})
	}
	return m.event(event.FetchFailed, j.Key, f.By, f.From, fmt.Sprintf("release %s not installed: %s", j.Key, Why(err)), aboutFailure{j.Key, Why(err)}).With(slog.String("err", Why(err)))
}

func (m *Manager) event(kind event.Kind, tag string, by event.Actor, from netip.Addr, summary string, carried any) event.Event {
	return event.Event{At: m.Now(), Kind: kind, SubjectKind: event.Netboot, SubjectID: tag, Actor: by, SourceIP: from,
		Summary: summary, Details: ledger.Details(carried), Attrs: []slog.Attr{slog.String("tag", tag)}}
}

// remembered is how many events of before this start are looked at.
const remembered = 200

// rememberIn remembers once that costs little: to read a long log at once would be in the way of
// the first requests.
func (m *Manager) rememberIn(ctx context.Context) {
	if m.Searchable != nil {
		select {
		case <-m.Searchable:
		case <-ctx.Done():
			return
		}
	}
	if err := m.remember(); err != nil {
		m.Log.Warn("the fetches of before this start could not be read from the audit log", message.Unrecorded, "err", err)
	}
}

// remember reads how the last fetch of each tag ended.
func (m *Manager) remember() error {
	subject := event.Netboot
	events, err := m.Book.Events(event.Filter{SubjectKind: &subject, Limit: remembered})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events { // the newest first
		if s, ok := m.recalled(e); ok {
			if _, newer := m.past[s.Key]; !newer {
				m.past[s.Key] = s
			}
		}
	}
	return nil
}

// recalled is the fetch that an event tells the end of.
func (m *Manager) recalled(e event.Event) (State, bool) {
	s := State{Key: e.SubjectID, QueuedAt: e.At, FinishedAt: e.At}
	var about struct {
		aboutDone
		Error string `json:"error"`
	}
	if err := json.Unmarshal(e.Details, &about); err != nil {
		return s, false
	}
	s.Detail.BaseURL = about.BaseURL
	status := job.Completed
	switch e.Kind {
	case event.FetchDone:
	case event.FetchFailed:
		status, s.Err = job.Failed, fault.Wrap(fault.Unavailable, errors.New("before this start"), "%s", about.Error)
	default:
		return s, false
	}
	s.Status = status
	for i, name := range Artifacts(m.Version) {
		s.Detail.Artifacts[i] = Artifact{Name: name, Status: status, Total: -1, FinishedAt: e.At}
	}
	return s, true
}

func sortByEnd(states []State) {
	slices.SortFunc(states, func(a, b State) int { return a.FinishedAt.Compare(b.FinishedAt) })
}
