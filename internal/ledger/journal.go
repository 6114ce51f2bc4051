package ledger

import (
	"context"
	"log/slog"

	"bty/internal/event"
	"bty/internal/flood"
	"bty/internal/message"
)

// Run counts the lines that strangers cause out into the journal, until ctx ends.
func (l *Ledger) Run(ctx context.Context) error { return l.strangers.Run(ctx) }

// Strangers is where the lines go that whoever reaches a port can cause.
func (l *Ledger) Strangers() *flood.Log { return l.strangers }

// announce tells the live streams and the journal of what has been stored.
func (l *Ledger) announce(e *event.Event) {
	l.news.happened(e.SubjectKind)
	if l.hears != nil {
		l.hears(*e)
	}
	level := levelOf(e)
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	attrs := journalled(e)
	if !byStranger(e.Kind) {
		l.log.LogAttrs(context.Background(), level, e.Summary, attrs...)
		return
	}
	args := make([]any, len(attrs))
	for i, a := range attrs {
		args[i] = a
	}
	l.strangers.Log(level, e.SourceIP, e.Summary, args...)
}

func levelOf(e *event.Event) slog.Level {
	if e.Kind.Alarms() || e.Kind == event.LoginLimited {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// byStranger reports whether anybody who reaches the port can make it happen, again and again: the
// audit log has each one, the journal counts them.
func byStranger(k event.Kind) bool { return k == event.LoginFailed || k == event.ClientOrphan }

// journalled is what the journal has of an event, beside its summary. `journalctl BTY_MAC=...` is
// what happened to one machine.
func journalled(e *event.Event) []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 7+len(e.Attrs)), message.OfEvent(*e), slog.String("event", string(e.Kind)), slog.Uint64("event_id", uint64(e.ID)),
		slog.String("actor", string(e.Actor)))
	if e.By != "" {
		attrs = append(attrs, slog.String("by", e.By))
	}
	if key := Subject(e.SubjectKind); key != "" && e.SubjectID != "" {
		attrs = append(attrs, slog.String(key, e.SubjectID))
	}
	if e.SourceIP.IsValid() {
		attrs = append(attrs, slog.String("remote", event.Address(e.SourceIP)))
	}
	return append(attrs, e.Attrs...)
}

// Subject is the name under which the journal has what an event happened to; "" where each event
// says what it is itself.
func Subject(s event.Subject) string {
	switch s {
	case event.Machine:
		return "mac"
	case event.Catalog:
		return "src"
	case event.Settings:
		return "setting"
	case event.Backup:
		return "backup"
	case event.Rule:
		return "rule"
	case event.NoSubject, event.Netboot, event.Auth:
	}
	return ""
}
