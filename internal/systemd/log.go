package systemd

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"bty/internal/message"
)

// JournalSocket is where journald takes native messages.
const JournalSocket = "/run/systemd/journal/socket"

// NewLogger returns the logger that fits where stderr leads: the journal's native protocol if
// stderr is the journal, else JSON if BTY_LOG (or BTY_LOG_FORMAT) is "json", else text.
// BTY_LOG_LEVEL is one of debug, info, warn, error; anything else means info.
func NewLogger(getenv func(string) string, stderr io.Writer) *slog.Logger {
	format := getenv("BTY_LOG")
	if format == "" {
		format = getenv("BTY_LOG_FORMAT")
	}
	return slog.New(NewHandler(getenv, stderr, format, Level(getenv("BTY_LOG_LEVEL"))))
}

// NewHandler is NewLogger with the level and the format, "text", "json" or "" for the best fit, from
// elsewhere.
func NewHandler(getenv func(string) string, stderr io.Writer, format string, level slog.Leveler) slog.Handler {
	opts := &slog.HandlerOptions{Level: level}
	if format == "" && IsJournal(getenv, stderr) {
		if h, err := DialJournal(JournalSocket, level); err == nil {
			return h
		}
	}
	if format == "json" {
		return slog.NewJSONHandler(stderr, opts)
	}
	opts.ReplaceAttr = withoutClass
	return slog.NewTextHandler(stderr, opts)
}

// withoutClass leaves out of a text for people what only the journal can explain.
func withoutClass(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == message.Key {
		return slog.Attr{}
	}
	return a
}

// Level reads debug, info, warn or error; anything else is info.
func Level(name string) slog.Level {
	level := slog.LevelInfo
	if err := level.UnmarshalText([]byte(strings.ToUpper(name))); err != nil {
		return slog.LevelInfo
	}
	return level
}

// IsJournal reports whether w is the stream that leads to the journal. It compares JOURNAL_STREAM
// ("device:inode", systemd.exec(5)) with w: the variable alone says nothing, since a child whose
// stderr was redirected inherits it too.
func IsJournal(getenv func(string) string, w io.Writer) bool {
	f, ok := w.(*os.File)
	stream := getenv("JOURNAL_STREAM")
	if !ok || stream == "" {
		return false
	}
	var dev, ino uint64
	if _, err := fmt.Sscanf(stream, "%d:%d", &dev, &ino); err != nil {
		return false
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return st.Dev == dev && st.Ino == ino
}
