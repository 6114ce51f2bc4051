package settings

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"

	"bty/internal/config"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/password"
)

// Edited is what an edit of the configuration has brought.
type Edited struct {
	Key  config.Key
	Path string // of the file that was written, "" if there was nothing to do
	Reloaded
}

// configEdit is what an event says of an edit. A secret is only said to be set or not.
type configEdit struct {
	Section string  `json:"section"`
	Key     string  `json:"key"`
	Old     *string `json:"old"`
	New     *string `json:"new"`
	Path    *string `json:"path"`
}

type configFailure struct {
	Section string `json:"section"`
	Key     string `json:"key"`
	Error   string `json:"error"`
	Reason  string `json:"reason"`
}

// EditConfig writes a value into the configuration file that it belongs into and puts it in force,
// as far as that needs no restart; "" removes it. An error is an *config.EditError, or a failure
// of the database.
func (s *Settings) EditConfig(ctx context.Context, section, name, value string, from netip.Addr) (Edited, error) {
	section, name = clip(section), clip(name) // what is longer is unknown anyway
	value = strings.TrimSpace(value)
	if k, known := config.Find(section + "." + name); known {
		why := k.Fixed()
		if why == "" && value != "" { // what stands there without effect may go
			why = s.unseen(k)
		}
		if why != "" {
			err := &config.EditError{Obstacle: config.InvalidValue, Key: k.String(), What: k.String() + " is not changed here. " + why}
			return Edited{}, s.editFailed(ctx, section, name, err, from)
		}
	}
	return s.edit(ctx, section, name, value, from)
}

// SetPassword writes the hash of a new password into the configuration. Whoever is signed in with
// the old one is signed out.
func (s *Settings) SetPassword(ctx context.Context, typed string, from netip.Addr) (Edited, error) {
	return s.edit(ctx, "admin", "password", password.Hash(typed), from)
}

func (s *Settings) edit(ctx context.Context, section, name, value string, from netip.Addr) (Edited, error) {
	s.mu.Lock()
	change, err := config.Change(s.Started.Source(), section, name, value)
	outcome := Reloaded{}
	if err == nil {
		outcome, err = s.reload()
	}
	s.mu.Unlock()
	if err != nil {
		return Edited{}, s.editFailed(ctx, section, name, err, from)
	}
	happened := configEdit{section, name, told(change.Key, change.Old), told(change.Key, change.New), orNull(change.Path)}
	err = s.record(ctx, event.SettingsConfig, section, name, change.Key.String()+" was changed in the configuration", happened, from)
	return Edited{change.Key, change.Path, outcome}, err
}

// editFailed records that the operator asked for an edit that was not made, and returns why.
func (s *Settings) editFailed(ctx context.Context, section, name string, cause error, from netip.Addr) error {
	code := string(config.WriteFailed) + " " + section + "." + name
	refused, ok := errors.AsType[*config.EditError](cause)
	if ok {
		code = refused.Code()
	}
	reason := fault.Public(cause)
	if ok {
		reason = refused.What
	}
	err := s.record(ctx, event.SettingsConfigFailed, section, name, section+"."+name+" was not changed: "+reason,
		configFailure{section, name, code, reason}, from, slog.String("err", reason))
	return errors.Join(cause, err)
}

func (s *Settings) record(ctx context.Context, kind event.Kind, section, name, summary string, details any, from netip.Addr, attrs ...slog.Attr) error {
	e := event.Event{At: s.Now(), Kind: kind, SubjectKind: event.Settings, SubjectID: section + "." + name, Actor: event.Operator,
		SourceIP: from, Summary: summary, Details: ledger.Details(details), Attrs: attrs}
	return ledger.Commit(ctx, s.Ledger, s.Store.Update, func(Tx) ([]event.Event, error) { return []event.Event{e}, nil })
}

// maxName bounds what an event repeats of a name that a form made up.
const maxName = 64

func clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > maxName {
		return strings.ToValidUTF8(s[:maxName], "") + "..."
	}
	return s
}

// told is a value as an event shows it.
func told(k config.Key, value string) *string {
	if k.Secret && value != "" {
		value = "(set)"
	}
	return orNull(value)
}
