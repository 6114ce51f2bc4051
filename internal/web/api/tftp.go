package api

import (
	"net/http"

	"bty/internal/service"
	"bty/internal/systemd/manager"
	"bty/internal/web/openapi"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// registerTFTP adds the routes of the TFTP daemon.
func (c Config) registerTFTP(mux serve.Mux, own func(serve.Handler) http.Handler) {
	mux.Handle("GET /api/v1/tftp", own(c.tftp))
	for _, verb := range service.Verbs {
		mux.Handle("POST /api/v1/tftp/"+string(verb), own(c.tftpAct(verb)))
	}
}

func aboutTFTP() []openapi.Operation {
	const tag = "boot files"
	const detail = "Answered when it is done. 403: polkit does not allow it. 409: it cannot be done from here, as in a container or without polkit; the text has the command to run on the host. 503: systemd failed to do it."
	act := func(verb service.Verb, summary string) openapi.Operation {
		return openapi.Operation{Pattern: "POST /api/v1/tftp/" + string(verb), Tag: tag, Summary: summary, Details: detail,
			Answers: openapi.Answers(openapi.Encoded(200, wire.TFTP{}), 403, 409, 503)}
	}
	return []openapi.Operation{
		{Pattern: "GET /api/v1/tftp", Tag: tag, Summary: "How the TFTP daemon is",
			Details: "Its socket and its service as systemd tells, and what became of asking it for a file.",
			Answers: openapi.Answers(openapi.Encoded(200, wire.TFTP{}))},
		act(service.Start, "Start the TFTP daemon: its socket listens, and the first request starts the service"),
		act(service.Stop, "Stop the TFTP daemon: the socket first, then the service, which lets running transfers end"),
		act(service.Restart, "Restart the service of the TFTP daemon; requests wait in the socket meanwhile"),
	}
}

func (c Config) tftp(w http.ResponseWriter, r *http.Request) error {
	serve.JSON(w, http.StatusOK, c.tftpState(c.TFTP.State(r.Context())))
	return nil
}

func (c Config) tftpAct(verb service.Verb) serve.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		state, err := c.TFTP.Do(r.Context(), verb, c.Client(r))
		if err != nil {
			return err
		}
		serve.JSON(w, http.StatusOK, c.tftpState(state))
		return nil
	}
}

func (c Config) tftpState(s service.State) wire.TFTP {
	shown := wire.TFTP{Known: s.Known, Reason: orNull(s.Reason), Refused: orNull(s.Refused),
		Commands: wire.TFTPCommands{Start: service.Start.Command(), Stop: service.Stop.Command(), Restart: service.Restart.Command()}}
	if s.Known {
		shown.Socket, shown.Service = unitState(s.Socket), unitState(s.Service)
	}
	if a, asked := c.Probe.Latest(); asked {
		shown.Probe = &wire.TFTPProbe{Host: a.Host, Port: a.Port, Outcome: string(a.Outcome), Detail: orNull(a.Detail), At: wire.Time(a.At)}
	}
	return shown
}

func unitState(u manager.Unit) *wire.Unit {
	return &wire.Unit{Name: u.Name, Load: u.Load, Active: u.Active, Sub: u.Sub, Enabled: u.Enabled, Since: wire.Time(u.Since),
		Result: u.Result, Restarts: u.Restarts, Memory: u.Memory}
}
