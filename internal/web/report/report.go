// Package report is the surface of the report socket: the appliance's own daemons say what they
// saw and ask what is known. Whoever can open the socket's file may use it.
package report

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/lan"
	"bty/internal/ledger"
	"bty/internal/web/body"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

const (
	maxBody      = 16 << 10 // bytes
	maxSightings = 1 << 20  // bytes of a body with many of them
)

// Config is what the surface works with.
type Config struct {
	Serve serve.Adapter
	Book  ledger.Book
	Now   func() time.Time
	// Seen remembers all DHCP traffic, and Sight records what it says of machines. It tells how many
	// it refused to make known.
	Seen  *lan.Memory
	Sight func(context.Context, []fleet.Sighted) (refused int, err error)
	// MachineAt names the machine that was seen at an address last, "" if none was.
	MachineAt func(netip.Addr) string
	// Asked is told who asked for a file by TFTP; nil is nobody.
	Asked func(netip.Addr)
}

// Register adds the routes.
func Register(mux serve.Mux, c Config) {
	mux.Handle("POST /transfers", c.Serve.WithBody(maxBody, serve.Open, c.transfer))
	mux.Handle("POST /sightings", c.Serve.WithBody(maxSightings, serve.Open, sightings{c, new(refusals)}.take))
	mux.Handle("GET /clients/{address}", c.Serve.Do(serve.Open, c.client))
}

// transfer records one finished TFTP transfer.
func (c Config) transfer(w http.ResponseWriter, r *http.Request, v body.Value) error {
	o := v.Object()
	t := wire.Transfer{
		Client: o.String("client", body.Max(64)), File: o.String("file", body.Max(512)), Served: o.StringOr("served", "", body.Max(512)),
		Bytes: int64(o.Number("bytes")), Duration: time.Duration(o.Number("duration_ns")), Error: o.StringOr("error", "", body.Max(512)),
	}
	if err := o.Done(); err != nil {
		return err
	}
	from, err := netip.ParseAddr(t.Client)
	if err != nil {
		return fault.New(fault.Invalid, "invalid client address %q", t.Client)
	}
	if c.Asked != nil {
		c.Asked(from)
	}
	if err := c.Book.Record(r.Context(), c.event(t, from)); err != nil {
		return err
	}
	return serve.NoContent(w)
}

func (c Config) event(t wire.Transfer, from netip.Addr) event.Event {
	summary := fmt.Sprintf("%s fetched %s by TFTP: %d bytes in %s", t.Client, t.File, t.Bytes, t.Duration.Round(time.Millisecond))
	if t.Error != "" {
		summary = fmt.Sprintf("%s did not get %s by TFTP: %s", t.Client, t.File, t.Error)
	}
	e := event.Event{At: c.Now(), Kind: event.TFTPTransfer, SubjectKind: event.Netboot, SubjectID: t.File,
		Actor: event.System, SourceIP: from, Summary: summary, Details: ledger.Details(t),
		Attrs: []slog.Attr{slog.String("file", t.File), slog.String("served", t.Served), slog.Int64("bytes", t.Bytes), slog.Duration("dur", t.Duration)}}
	if t.Error != "" {
		e = e.With(slog.String("err", t.Error))
	}
	if mac := c.MachineAt(from); mac != "" {
		e.SubjectKind, e.SubjectID = event.Machine, mac
	}
	return e
}
