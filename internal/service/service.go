// Package service holds the use cases of the TFTP daemon as systemd runs it: how it is, and start,
// stop and restart. What the server may not do or cannot see, it says, with the command for the
// host's administrator.
package service

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"bty/internal/event"
	"bty/internal/systemd/manager"
)

// The units of the TFTP daemon. The socket starts the service when the first request comes.
const (
	Socket  = "bty-tftp.socket"
	Service = "bty-tftp.service"
)

// Book records what happened.
type Book interface {
	Record(context.Context, event.Event) error
}

// Config is what the use cases work with.
type Config struct {
	Manager interface {
		Look(ctx context.Context, units ...string) (manager.Report, error)
		Start(ctx context.Context, unit string) error
		Stop(ctx context.Context, unit string) error
		Restart(ctx context.Context, unit string) error
	}
	// Apart says why systemd is not asked at all, "" if it is: a server that systemd did not start,
	// like one in a container or on a workstation, leaves the host's units alone.
	Apart string
	// Acted hears of each act that was tried; nil: nobody wants to.
	Acted func()
	Book  Book
	Now   func() time.Time
	Log   *slog.Logger
}

// TFTP is the TFTP daemon. It is safe for concurrent use.
type TFTP struct {
	Config
	acting sync.Mutex // one act at a time

	mu     sync.Mutex // one look at a time
	last   State
	looked time.Time
}

// New returns the TFTP daemon of this host.
func New(c Config) *TFTP { return &TFTP{Config: c} }

// State is how the daemon is, as far as that is known.
type State struct {
	Known   bool
	Reason  string // why it is not known
	Socket  manager.Unit
	Service manager.Unit
	Refused string // why acts cannot be done from here, "" if they can
}

// Listens reports whether the daemon's port is open.
func (s State) Listens() bool { return s.Known && s.Socket.Active == "active" }

const (
	lookTime = 2 * time.Second
	// How long a look counts, for all readers together: one that came to nothing is not soon repeated,
	// for each page would wait for it.
	fresh  = 700 * time.Millisecond
	futile = 5 * time.Second
)

// State looks at the units.
func (t *TFTP) State(ctx context.Context) State {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := fresh
	if !t.last.Known {
		counts = futile
	}
	if !t.looked.IsZero() && t.Now().Sub(t.looked) < counts {
		return t.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime) // others wait for it, too
	defer cancel()
	t.last, t.looked = t.look(ctx), t.Now()
	return t.last
}

func (t *TFTP) look(ctx context.Context) State {
	if t.Apart != "" {
		return State{Reason: t.Apart, Refused: t.Apart}
	}
	report, err := t.Manager.Look(ctx, Socket, Service)
	if err != nil {
		t.Log.Debug("systemd does not tell of the TFTP daemon", "err", err)
		const away = "systemd cannot be reached over D-Bus from here: is dbus installed and running?"
		return State{Reason: away, Refused: away}
	}
	s := State{Known: true, Socket: report.Units[0], Service: report.Units[1]}
	switch {
	case !s.Socket.Installed():
		s.Refused = Socket + " is not installed on this host, or masked."
	case !report.Polkit:
		s.Refused = "polkit is not installed on this host: nobody can allow bty-web to do it."
	}
	return s
}

// forget has the next reader look again.
func (t *TFTP) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looked = time.Time{}
}

// event is what is recorded of an act.
func (t *TFTP) event(kind event.Kind, from netip.Addr, summary string) event.Event {
	return event.Event{At: t.Now(), Kind: kind, SubjectKind: event.Netboot, SubjectID: "bty-tftp", Actor: event.Operator, SourceIP: from, Summary: summary}
}
