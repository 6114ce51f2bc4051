package manager

import (
	"context"
	"errors"
	"strings"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Enable has units start with the host from now on. It starts none.
func (m Manager) Enable(ctx context.Context, units ...string) error {
	return m.change(ctx, "enable", units, func(c *dbus.Conn) error {
		_, _, err := c.EnableUnitFilesContext(ctx, units, false, false)
		return err
	})
}

// Disable is the opposite. A unit that there is no file for is none that is enabled.
func (m Manager) Disable(ctx context.Context, units ...string) error {
	return m.change(ctx, "disable", units, func(c *dbus.Conn) error {
		_, err := c.DisableUnitFilesContext(ctx, units, false)
		return err
	})
}

// Reload has systemd read its unit files again.
func (m Manager) Reload(ctx context.Context) error {
	return m.with(ctx, "reload", "systemd", func(c *dbus.Conn) error { return c.ReloadContext(ctx) })
}

// ResetFailed has systemd forget that a unit has failed. One that it does not know has not.
func (m Manager) ResetFailed(ctx context.Context, unit string) error {
	return m.with(ctx, "reset-failed", unit, func(c *dbus.Conn) error {
		err := c.ResetFailedUnitContext(ctx, unit)
		if answer, ok := errors.AsType[godbus.Error](err); ok && answer.Name == "org.freedesktop.systemd1.NoSuchUnit" {
			return nil
		}
		return err
	})
}

// change has systemd read its files again afterwards, as links to them are files of its own.
func (m Manager) change(ctx context.Context, verb string, units []string, do func(*dbus.Conn) error) error {
	if err := m.with(ctx, verb, strings.Join(units, " "), do); err != nil {
		return err
	}
	return m.Reload(ctx)
}

func (m Manager) with(ctx context.Context, verb, unit string, do func(*dbus.Conn) error) error {
	b, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := do(b.Conn); err != nil {
		return refusal(verb, unit, err)
	}
	return nil
}
