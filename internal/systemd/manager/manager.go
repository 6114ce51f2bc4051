// Package manager asks systemd about units, and has it start, stop and restart them, over D-Bus. It
// needs no right of its own: what a caller may have done is polkit's to say.
package manager

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Manager is the service manager at the other end of a bus. The zero Manager is that of the host.
type Manager struct {
	Address string // of the bus, as D-Bus spells it; "" is the system bus
}

var (
	// ErrAway is a service manager that cannot be reached: there is no bus, as in a container, or
	// nobody answers on it.
	ErrAway = errors.New("systemd cannot be reached over D-Bus")
	// ErrDenied is an act that polkit does not allow to this user.
	ErrDenied = errors.New("not allowed by polkit")
)

// JobError is an act that systemd took on and did not bring to its end.
type JobError struct {
	Verb, Unit string
	Result     string // systemd's word: failed, timeout, dependency, canceled, skipped
}

func (e *JobError) Error() string { return fmt.Sprintf("%s %s: %s", e.Verb, e.Unit, e.Result) }

// bus is one connection to systemd. A connection lives for one question or act: they are rare, and
// one that is kept would have to be watched.
type bus struct {
	*dbus.Conn
	own *godbus.Conn // the first of Conn's two
}

// dial connects. The connection is of no use once ctx has ended.
func (m Manager) dial(ctx context.Context) (*bus, error) {
	b := &bus{}
	var err error
	b.Conn, err = dbus.NewConnection(func() (*godbus.Conn, error) {
		c, err := m.connect(ctx)
		if b.own == nil {
			b.own = c
		}
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	return b, nil
}

func (m Manager) connect(ctx context.Context) (*godbus.Conn, error) {
	open := godbus.SystemBusPrivate
	if m.Address != "" {
		open = func(o ...godbus.ConnOption) (*godbus.Conn, error) { return godbus.Dial(m.Address, o...) }
	}
	c, err := open(godbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	// By number: a name would have to be looked up, and the sandbox may not show the file.
	err = c.Auth([]godbus.Auth{godbus.AuthExternal(strconv.Itoa(os.Getuid()))})
	if err == nil {
		err = c.Hello()
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// HasPolkit reports whether there is anybody on the bus who could allow an act.
func (b *bus) hasPolkit(ctx context.Context) bool {
	const polkit = "org.freedesktop.PolicyKit1"
	for _, list := range []string{"ListNames", "ListActivatableNames"} {
		var names []string
		err := b.own.BusObject().CallWithContext(ctx, "org.freedesktop.DBus."+list, 0).Store(&names)
		if err == nil && slices.Contains(names, polkit) {
			return true
		}
	}
	return false
}

// Start starts a unit and returns when systemd has.
func (m Manager) Start(ctx context.Context, unit string) error {
	return m.act(ctx, "start", unit, (*dbus.Conn).StartUnitContext)
}

// Stop stops a unit and returns when it has stopped.
func (m Manager) Stop(ctx context.Context, unit string) error {
	return m.act(ctx, "stop", unit, (*dbus.Conn).StopUnitContext)
}

// Restart stops a unit, starts it again, and returns when it is ready.
func (m Manager) Restart(ctx context.Context, unit string) error {
	return m.act(ctx, "restart", unit, (*dbus.Conn).RestartUnitContext)
}

type method func(c *dbus.Conn, ctx context.Context, unit, mode string, ended chan<- string) (int, error)

func (m Manager) act(ctx context.Context, verb, unit string, do method) error {
	b, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	ended := make(chan string, 1) // the library waits until it is taken
	if _, err := do(b.Conn, ctx, unit, "replace", ended); err != nil {
		return refusal(verb, unit, err)
	}
	select {
	case result := <-ended:
		if result != "done" {
			return &JobError{verb, unit, result}
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s %s: %w", verb, unit, ctx.Err())
	}
}

// refusal says what an error of the bus means. systemd denies in several words: without polkit, by
// polkit, and by a polkit that would ask somebody at a terminal.
func refusal(verb, unit string, err error) error {
	answer, ok := errors.AsType[godbus.Error](err)
	if !ok {
		return fmt.Errorf("%s %s: %w", verb, unit, err)
	}
	if strings.Contains(strings.ToLower(answer.Error()), "polkit") { // it cannot be started itself: masked, broken
		return fmt.Errorf("%s %s: %w: %w", verb, unit, ErrDenied, err)
	}
	switch answer.Name {
	case "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
		"org.freedesktop.DBus.Error.AuthFailed":
		return fmt.Errorf("%s %s: %w: %w", verb, unit, ErrDenied, err)
	case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Disconnected":
		return fmt.Errorf("%s %s: %w: %w", verb, unit, ErrAway, err)
	}
	return fmt.Errorf("%s %s: %w", verb, unit, err)
}
