package systemd

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"bty/internal/message"
)

// Journal is a slog.Handler that speaks journald's native protocol: the attribute "mac" becomes
// the field BTY_MAC, so that `journalctl BTY_MAC=...` is a machine's life.
type Journal struct {
	to     *mailbox
	level  slog.Leveler
	ident  string
	prefix string // of the open groups, "BTY_" outside of any
	fixed  []byte // fields of WithAttrs, encoded
}

// DialJournal returns a Journal that writes to the socket at path.
func DialJournal(path string, level slog.Leveler) (*Journal, error) {
	to, err := openMailbox(path)
	if err != nil {
		return nil, fmt.Errorf("connecting to the journal: %w", err)
	}
	return &Journal{to: to, level: level, ident: filepath.Base(os.Args[0]), prefix: "BTY_"}, nil
}

// Enabled implements slog.Handler.
func (j *Journal) Enabled(_ context.Context, l slog.Level) bool { return l >= j.level.Level() }

// WithAttrs implements slog.Handler.
func (j *Journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *j
	buf := bytes.NewBuffer(bytes.Clone(j.fixed))
	for _, a := range attrs {
		appendAttr(buf, j.prefix, a)
	}
	c.fixed = buf.Bytes()
	return &c
}

// WithGroup implements slog.Handler.
func (j *Journal) WithGroup(name string) slog.Handler {
	if name == "" {
		return j
	}
	c := *j
	c.prefix = j.prefix + fieldName(name) + "_"
	return &c
}

// Handle implements slog.Handler. Attributes are part of the message too, as the text handler
// would print them: a plain `journalctl -u` must show which machine it is about.
func (j *Journal) Handle(_ context.Context, r slog.Record) error {
	var fields bytes.Buffer
	fields.Write(j.fixed)
	text := new(strings.Builder)
	text.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		appendAttr(&fields, j.prefix, a)
		appendText(text, a)
		return true
	})
	var buf bytes.Buffer
	appendField(&buf, "MESSAGE", text.String())
	appendField(&buf, "PRIORITY", priority(r.Level))
	appendField(&buf, "SYSLOG_IDENTIFIER", j.ident)
	if r.PC != 0 {
		frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
		appendField(&buf, "CODE_FILE", frame.File)
		appendField(&buf, "CODE_LINE", strconv.Itoa(frame.Line))
		appendField(&buf, "CODE_FUNC", frame.Function)
	}
	buf.Write(fields.Bytes())
	lost, err := j.to.send(buf.Bytes())
	if lost > 0 {
		j.tellLost(lost)
	}
	return err
}

// tellLost says how many entries journald did not take while it was away or stuck.
func (j *Journal) tellLost(n int) {
	var buf bytes.Buffer
	appendField(&buf, "MESSAGE", fmt.Sprintf("the journal did not take lines for a while more=%d", n))
	appendField(&buf, "PRIORITY", priority(slog.LevelWarn))
	appendField(&buf, "SYSLOG_IDENTIFIER", j.ident)
	appendAttr(&buf, "", message.LinesLost)
	appendField(&buf, "BTY_MORE", strconv.Itoa(n))
	if _, err := j.to.send(buf.Bytes()); err != nil {
		j.to.untold(n)
	}
}

// Linger returns once journald has taken what was sent, or after a second. It looks up in /proc which
// unit a message is from: of a process that has ended meanwhile `journalctl -u` shows nothing.
func (j *Journal) Linger() { j.to.linger() }

// priority maps slog's levels to syslog's, systemd.journal-fields(7).
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "3"
	case l >= slog.LevelWarn:
		return "4"
	case l >= slog.LevelInfo:
		return "6"
	}
	return "7"
}

func appendText(b *strings.Builder, a slog.Attr) {
	v := a.Value.Resolve()
	if a.Key == message.Key || a.Equal(slog.Attr{}) {
		return
	}
	if v.Kind() == slog.KindGroup {
		for _, m := range v.Group() {
			appendText(b, m)
		}
		return
	}
	s := v.String()
	if s == "" || strings.ContainsAny(s, " \"=\n") {
		s = strconv.Quote(s)
	}
	fmt.Fprintf(b, " %s=%s", a.Key, s)
}

func appendAttr(buf *bytes.Buffer, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	switch {
	case a.Equal(slog.Attr{}):
	case a.Key == message.Key:
		appendField(buf, "MESSAGE_ID", v.String())
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			prefix += fieldName(a.Key) + "_"
		}
		for _, m := range v.Group() {
			appendAttr(buf, prefix, m)
		}
	case v.Kind() == slog.KindDuration:
		appendField(buf, prefix+fieldName(a.Key)+"_USEC", strconv.FormatInt(v.Duration().Microseconds(), 10))
	case v.Kind() == slog.KindTime:
		appendField(buf, prefix+fieldName(a.Key), v.Time().Format(time.RFC3339Nano))
	default:
		appendField(buf, prefix+fieldName(a.Key), v.String())
	}
}

// fieldName maps an attribute's key to [A-Z0-9_]: journald drops other names in silence.
func fieldName(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
}

// maxName is the longest field name that journald accepts.
const maxName = 64

// appendField writes NAME=value, or the form with a length when the value has a newline.
func appendField(buf *bytes.Buffer, name, value string) {
	if len(name) > maxName {
		name = name[:maxName]
	}
	buf.WriteString(name)
	if strings.Contains(value, "\n") {
		buf.WriteByte('\n')
		buf.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(value))))
	} else {
		buf.WriteByte('=')
	}
	buf.WriteString(value)
	buf.WriteByte('\n')
}
