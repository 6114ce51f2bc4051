package agent

import (
	"context"
	"log/slog"
)

// Logger is a log whose records are lines of the console: a connection that was taken up again,
// for one, is worth a line between two of progress.
func (c *Console) Logger() *slog.Logger { return slog.New(&consoleHandler{console: c}) }

type consoleHandler struct {
	console *Console
	attrs   string
}

func (h *consoleHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h *consoleHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message + h.attrs
	r.Attrs(func(a slog.Attr) bool {
		text += attrText(a)
		return true
	})
	h.console.Line("%s", text)
	return nil
}

func (h *consoleHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *h
	for _, a := range attrs {
		more.attrs += attrText(a)
	}
	return &more
}

// WithGroup keeps the keys as they are: a console has no room for their groups.
func (h *consoleHandler) WithGroup(string) slog.Handler { return h }

func attrText(a slog.Attr) string { return " " + a.Key + "=" + a.Value.Resolve().String() }
