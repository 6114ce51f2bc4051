package main

import (
	"path/filepath"

	"bty/internal/config"
	"bty/internal/message"
	"bty/internal/web/auth"
)

// admit has the operator let in whoever knows the password that is in force, now and after each
// change of it.
func (a *app) admit(operator *auth.Auth, cfg *config.Config) (first error) {
	secretFile := filepath.Join(cfg.Paths.StateDir, "session-secret")
	started, wasDefault := false, false
	a.settings.Watch(func() {
		now := a.settings.Loaded()
		secret, err := auth.Secret(now.Server.SessionSecret, secretFile)
		if err == nil {
			err = operator.Set(secret, now.Admin.Password, a.settings.SessionEpoch())
		}
		switch {
		case err != nil && !started:
			first = err
		case err != nil:
			a.settings.Log.Error("the password and the session secret could not be read again; those in force stay", message.SecretsUnread, "err", err)
		case operator.IsDefault() && !wasDefault:
			a.settings.Log.Warn("the well-known default password is in force; set [admin] password in bty.toml, BTY_ADMIN_PASSWORD or the credential bty.admin-password", message.DefaultPassword)
		}
		if err == nil {
			wasDefault = operator.IsDefault()
		}
	})
	started = true
	return first
}
