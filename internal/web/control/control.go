// Package control is the surface of the control socket alone: whoever can open its file is the
// administrator of this host.
package control

import (
	"net/http"

	"bty/internal/settings"
	"bty/internal/web/serve"
)

// Config is what the surface works with.
type Config struct {
	Serve  serve.Adapter
	Reload func() (settings.Reloaded, error)
}

// Register adds the routes.
func Register(mux serve.Mux, c Config) {
	mux.Handle("POST /reload", c.Serve.Do(serve.Open, c.reload))
}

// reload reads the configuration again and says what that has brought.
func (c Config) reload(w http.ResponseWriter, _ *http.Request) error {
	outcome, err := c.Reload()
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, outcome)
	return nil
}
