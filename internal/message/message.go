// Package message names the classes of the journal's lines. Each has an id that never changes, which
// units/catalog/bty.catalog explains to whoever reads `journalctl -x`.
package message

import (
	"errors"
	"log/slog"
)

// Key is the attribute that carries the id of a line's class; the journal has it as MESSAGE_ID.
const Key = "message_id"

// id is the attribute of a class: 32 hex digits, as `systemd-id128 new` makes them.
func id(s string) slog.Attr { return slog.String(Key, s) }

// Mark gives an error that ends a daemon the class of the line that tells it.
func Mark(class slog.Attr, err error) error {
	if err == nil {
		return nil
	}
	return marked{err, class}
}

type marked struct {
	error
	class slog.Attr
}

func (m marked) Unwrap() error { return m.error }

// OfError is the class that an error was marked with, Ended if it was not.
func OfError(err error) slog.Attr {
	if m, ok := errors.AsType[marked](err); ok {
		return m.class
	}
	return Ended
}
