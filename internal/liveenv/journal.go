package liveenv

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode"
)

// journal is where a live environment logs: plain lines, to the consoles for people and to the
// kernel's log, where a serial console with a low log level or a crash dump still has them.
type journal struct {
	console io.Writer
	kmsg    io.Writer
	attrs   string
}

func (j *journal) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelDebug }

// Handle writes one line. Debug lines go to the kernel's log only.
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	b.WriteString(j.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, a)
		return true
	})
	j.line(r.Level, b.String())
	return nil
}

// line writes "bty: text". The kernel takes one record per write, with its level in front.
func (j *journal) line(level slog.Level, text string) {
	text = printable(text)
	fmt.Fprintf(j.kmsg, "<%d>bty: %s\n", kernelLevel(level), text)
	if level >= slog.LevelInfo {
		fmt.Fprintf(j.console, "bty: %s\n", text)
	}
}

// WithAttrs and WithGroup are slog's. Groups are flattened: lines are for people.
func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(j.attrs)
	for _, a := range attrs {
		writeAttr(&b, a)
	}
	return &journal{console: j.console, kmsg: j.kmsg, attrs: b.String()}
}

// WithGroup does nothing.
func (j *journal) WithGroup(string) slog.Handler { return j }

func writeAttr(b *strings.Builder, a slog.Attr) {
	value := a.Value.Resolve()
	text := value.String()
	if value.Kind() == slog.KindDuration {
		text = value.Duration().Round(time.Millisecond).String()
	}
	if strings.ContainsAny(text, " \t") || text == "" {
		text = fmt.Sprintf("%q", text)
	}
	fmt.Fprintf(b, " %s=%s", a.Key, text)
}

// printable keeps control characters off the consoles: text may come from the network.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // the Linux console obeys those from U+0080 on as well
			return ' '
		}
		return r
	}, s)
}

// kernelLevel is the number of syslog(2). Warnings and errors are notices there: the kernel
// would print them on the consoles, which have them already.
func kernelLevel(l slog.Level) int {
	switch {
	case l >= slog.LevelWarn:
		return 5
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}
