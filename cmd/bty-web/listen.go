package main

import (
	"context"
	"log/slog"
	"net"
	"strconv"

	"bty/internal/config"
	"bty/internal/daemon"
	"bty/internal/message"
	"bty/internal/systemd"
)

// listeners is where requests come in, by what they may do.
type listeners struct {
	http, control, report []net.Listener
}

// inherit takes what systemd handed over: nothing, or a socket for machines and whatever else.
func inherit() ([]systemd.Socket, error) {
	sockets, err := systemd.Sockets(systemd.Expect{"http": systemd.Stream, "control": systemd.Unix, "report": systemd.Unix})
	if err == nil && len(sockets) > 0 && len(systemd.Named(sockets, "http")) == 0 {
		err = &systemd.SocketError{Reason: "no socket named \"http\" was passed; want bty-web.socket with FileDescriptorName=http"}
	}
	return sockets, err
}

// listen takes the sockets that systemd handed over; without any, it opens its own.
func listen(ctx context.Context, cfg *config.Config, log *slog.Logger, sockets []systemd.Socket) (listeners, error) {
	if len(sockets) > 0 {
		return listeners{systemd.Listeners(sockets, "http"), systemd.Listeners(sockets, "control"), systemd.Listeners(sockets, "report")}, nil
	}
	address := net.JoinHostPort(cfg.Server.Host, strconv.Itoa(cfg.Server.Port))
	public, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return listeners{}, daemon.ListenError("tcp", cfg.Server.Port, "[server] port", err)
	}
	log.Info("not started by systemd: listening by itself", message.Listening, "address", public.Addr().String())
	l := listeners{http: []net.Listener{public}}
	l.control = ownSocket(cfg.ControlSocket(), log)
	l.report = ownSocket(cfg.ReportSocket(), log)
	return l, nil
}

// ownSocket opens a unix socket for this user alone. Without one the server still serves.
func ownSocket(path string, log *slog.Logger) []net.Listener {
	l, err := daemon.ListenUnix(path)
	if err != nil {
		log.Info("no local socket; bty-lab and bty-tftp on this host cannot reach this server", message.LocalSocketMissing, "path", path, "err", err)
		return nil
	}
	return []net.Listener{l}
}
