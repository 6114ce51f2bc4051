package main

import (
	"context"

	"bty/internal/message"
	"bty/internal/settings"
	"bty/internal/systemd"
)

// reload reads the configuration again, on SIGHUP.
func (a *app) reload(context.Context) error {
	_, err := a.readAgain()
	return err
}

// readAgain reads the configuration again. That it could not be read stays in the line for people
// until it can.
func (a *app) readAgain() (settings.Reloaded, error) {
	outcome, err := a.settings.Reload()
	a.reloadFailed.Store(&err)
	if err == nil {
		a.settings.Log.Info("the configuration was read again", message.ConfigReloaded, "outcome", outcome.String())
	}
	return outcome, err
}

// reloadNow is readAgain for `systemctl reload`, which comes over the control socket: the daemon that
// answers a SIGHUP tells the service manager and the log by itself.
func (a *app) reloadNow() (settings.Reloaded, error) {
	outcome, err := a.readAgain()
	if err != nil {
		a.settings.Log.Error("reload failed; the configuration in force stays", message.ReloadFailed, "err", err)
	}
	if err := systemd.Status("%s", a.status()); err != nil {
		a.settings.Log.Warn("the service manager did not hear us", message.ManagerDeaf, "err", err)
	}
	return outcome, err
}
