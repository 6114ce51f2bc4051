package backup

import (
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
)

func about(kind event.Kind, id ID, actor event.Actor, from netip.Addr, at time.Time, carried any, summary string, args ...any) event.Event {
	return event.Event{At: at, Kind: kind, SubjectKind: event.Backup, SubjectID: string(id), Actor: actor, SourceIP: from,
		Summary: fmt.Sprintf(summary, args...), Details: ledger.Details(carried)}
}

type asked struct {
	ID      ID      `json:"backup_id"`
	Trigger Trigger `json:"trigger"`
}

func requested(id ID, trigger Trigger, from netip.Addr, at time.Time) event.Event {
	actor := event.Operator
	if trigger == BySchedule {
		actor, from = event.System, netip.Addr{}
	}
	return about(event.BackupRequested, id, actor, from, at, asked{id, trigger}, "backup %s requested (%s)", id, trigger)
}

func started(id ID, trigger Trigger, at time.Time) event.Event {
	return about(event.BackupStarted, id, event.System, netip.Addr{}, at, asked{id, trigger}, "backup %s started", id)
}

func cancelled(id ID, actor event.Actor, from netip.Addr, by string, at time.Time) event.Event {
	return about(event.BackupCancelled, id, actor, from, at, struct {
		ID     ID     `json:"backup_id"`
		Source string `json:"source"`
	}{id, by}, "backup %s cancelled (%s)", id, by)
}

type result struct {
	ID       ID      `json:"backup_id"`
	Trigger  Trigger `json:"trigger"`
	Dest     *string `json:"dest_path"`
	Machines int     `json:"machines"`
	Bytes    int64   `json:"bytes_done"`
	Error    *string `json:"error"`
}

func created(id ID, d Detail, at time.Time) event.Event {
	return about(event.BackupCreated, id, event.System, netip.Addr{}, at, result{id, d.Trigger, &d.Dest, d.Machines, d.Done, nil},
		"backup %s made: %d machines, %d bytes", id, d.Machines, d.Done).
		With(slog.Int("machines", d.Machines), slog.Int64("bytes", d.Done))
}

// failed says what went wrong; next is when the schedule tries again, zero if nobody does.
func failed(id ID, d Detail, err error, next, at time.Time) event.Event {
	why := fault.Public(err)
	summary := fmt.Sprintf("backup %s failed: %s", id, why)
	if !next.IsZero() {
		summary += fmt.Sprintf("; the schedule tries again at %s", next.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	return about(event.BackupFailed, id, event.System, netip.Addr{}, at, result{id, d.Trigger, nil, d.Machines, d.Done, &why}, "%s", summary).With(slog.String("err", why))
}

func pruned(id ID, retention int, at time.Time) event.Event {
	return about(event.BackupPruned, id, event.System, netip.Addr{}, at, struct {
		ID        ID  `json:"backup_id"`
		Retention int `json:"retention"`
	}{id, retention}, "backup %s deleted: the newest %d are kept", id, retention)
}

func deleted(s Stored, at time.Time) event.Event {
	return about(event.BackupDeleted, s.ID, event.Operator, netip.Addr{}, at, s.Removed(), "backup %s deleted", s.ID)
}
