// Package control is the surface of the control socket alone: whoever can open its file is the
// administrator of this host.
package control

import (
	"context"
	"net/http"

	"bty/internal/fleet"
	"bty/internal/settings"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// Config is what the surface works with.
type Config struct {
	Serve  serve.Adapter
	Reload func() (settings.Reloaded, error)
	// Rows names what is in the database, for who compares it across an upgrade.
	Rows func() (wire.Rows, error)
	// TakeOver takes the state of the previous system over.
	TakeOver func(context.Context, wire.PreviousState, fleet.Who) (wire.Takeover, error)
}

// Register adds the routes.
func Register(mux serve.Mux, c Config) {
	mux.Handle("POST /reload", c.Serve.Do(serve.Open, c.reload))
	mux.Handle("GET /rows", c.Serve.Do(serve.Open, c.rows))
	mux.Handle("POST /takeover", c.Serve.Do(serve.Open, c.takeOver))
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

// rows names every row of what was set and discovered.
func (c Config) rows(w http.ResponseWriter, _ *http.Request) error {
	rows, err := c.Rows()
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, rows)
	return nil
}
