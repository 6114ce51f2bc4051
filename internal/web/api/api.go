// Package api is the surface that the operator's programs talk to: machines, the catalog, events.
package api

import (
	"context"
	"net/http"
	"net/netip"

	"bty/internal/access"
	"bty/internal/backup"
	"bty/internal/event"
	"bty/internal/fleet"
	"bty/internal/imagecache"
	"bty/internal/ledger"
	"bty/internal/library"
	"bty/internal/machinelog"
	"bty/internal/release"
	"bty/internal/service"
	"bty/internal/tftp/probe"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// Events is what the surface asks of the audit log.
type Events interface {
	Events(event.Filter) ([]event.Event, error)
	Acknowledge(context.Context, event.ID) error
}

// Config is what the surface works with.
type Config struct {
	Serve   serve.Adapter
	Fleet   *fleet.Fleet
	Library *library.Library
	Backups *backup.Manager
	Ledger  *ledger.Ledger
	Events  Events
	Logs    *machinelog.Logs
	Cache   *imagecache.Keeper
	Boot    *release.Files
	Fetches *release.Manager
	TFTP    *service.TFTP
	Probe   *probe.Prober // of the TFTP server
	Client  func(*http.Request) netip.Addr
	Guard   serve.Guard
	Session serve.Guard // lets pass who may decide who else gets in
	Tokens  *access.Tokens
	Version string
	// Doctor says what is wrong with netboot.
	Doctor func() wire.Diagnosis
	// Ready reports whether requests that need the state can be served now.
	Ready func(context.Context) error
}

// maxBody is the largest JSON body of the routes here, in bytes.
const maxBody = 256 << 10

// Register adds the routes.
func Register(mux serve.Mux, c Config) {
	open := func(h serve.Handler) http.Handler { return c.Serve.Do(serve.Open, h) }
	own := func(h serve.Handler) http.Handler { return vary(c.Serve.Do(c.Guard, h)) }
	ownBody := func(h serve.BodyHandler) http.Handler { return vary(c.Serve.WithBody(maxBody, c.Guard, h)) }

	mux.Handle("GET /healthz", open(c.healthz))
	mux.Handle("GET /readyz", open(c.readyz))
	mux.Handle("GET /version", open(c.version))
	mux.Handle("GET /images", open(c.images))
	mux.Handle("GET /catalog.toml", open(c.catalogTOML))

	mux.Handle("GET /catalog/entries", own(c.listEntries))
	mux.Handle("POST /catalog/entries", ownBody(c.addEntry))
	mux.Handle("DELETE /catalog/entries", own(c.deleteEntry))
	c.registerLibrary(mux, own, ownBody)

	mux.Handle("GET /machines", own(c.listMachines))
	mux.Handle("GET /machines/{mac}", own(c.getMachine))
	mux.Handle("PUT /machines/{mac}", ownBody(c.putMachine))
	mux.Handle("DELETE /machines/{mac}", own(c.deleteMachine))
	mux.Handle("GET /machines/{mac}/lshw.json", own(c.lshw))
	mux.Handle("GET /machines/{mac}/disks.json", own(c.disks))
	mux.Handle("POST /api/v1/machines/{mac}/arm", own(c.arm))
	mux.Handle("GET /api/v1/machines/{mac}/log", own(c.machineLog))
	c.registerBoot(mux, own, ownBody)
	c.registerTFTP(mux, own)
	c.registerFleet(mux, own, ownBody)
	c.registerTokens(mux)
	c.registerCache(mux, own, ownBody)
	c.registerBackups(mux, own, ownBody)

	mux.Handle("GET /api/v1/doctor", own(c.doctor))
	mux.Handle("GET /events", own(c.listEvents))
	mux.Handle("POST /events/{id}/ack", own(c.acknowledge))
}

// vary marks an answer that depends on who asks.
func vary(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Cookie")
		h.ServeHTTP(w, r)
	})
}

type health struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

func (c Config) healthz(w http.ResponseWriter, _ *http.Request) error {
	serve.JSON(w, http.StatusOK, health{Status: "ok"})
	return nil
}

func (c Config) readyz(w http.ResponseWriter, r *http.Request) error {
	if err := c.Ready(r.Context()); err != nil {
		serve.JSON(w, http.StatusServiceUnavailable, health{"not ready", err.Error()})
		return nil
	}
	serve.JSON(w, http.StatusOK, health{Status: "ready"})
	return nil
}

type version struct {
	Version string `json:"version"`
}

func (c Config) version(w http.ResponseWriter, _ *http.Request) error {
	serve.JSON(w, http.StatusOK, version{c.Version})
	return nil
}
