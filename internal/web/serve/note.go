package serve

import (
	"log/slog"
	"net/http"
	"net/netip"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/machine"
	"bty/internal/message"
)

// note tells the journal of a request that was not answered as asked, and whose machine it is about.
// What is not meant for the caller is told if it went wrong here.
func (a Adapter) note(r *http.Request, status int, err error) {
	from := netip.Addr{}
	if a.Client != nil {
		from = a.Client(r)
	}
	about, path := slog.Group("", subject(r, from)...), cut(r.URL.Path)
	if status >= http.StatusInternalServerError {
		a.Strangers.Error(from, "request failed", message.RequestFailed, about, "method", r.Method, "path", path, "status", status, "err", err)
		return
	}
	a.Strangers.Info(from, "request refused", message.RequestRefused, about, "method", r.Method, "path", path, "status", status, "err", cut(fault.Public(err)))
}

// subject is the machine that a request is about by its path, and the address that it comes from.
func subject(r *http.Request, from netip.Addr) (attrs []any) {
	if mac, err := machine.ParseMAC(r.PathValue("mac")); err == nil {
		attrs = append(attrs, slog.String("mac", mac.String()))
	}
	if from.IsValid() {
		attrs = append(attrs, slog.String("remote", event.Address(from)))
	}
	return attrs
}

// cut bounds what a line repeats of what a stranger sent.
func cut(s string) string {
	const longest = 200
	if len(s) > longest {
		return s[:longest] + "..."
	}
	return s
}

// Wait tells the journal of a request that was made to wait.
func (a Adapter) Wait(r *http.Request, why error) { a.note(r, http.StatusTooManyRequests, why) }
