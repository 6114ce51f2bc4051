package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"strconv"

	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/daemon"
	"bty/internal/message"
	"bty/internal/systemd"
)

// receiveBuffer holds a rack's requests while the loop is busy; the kernel caps it.
const receiveBuffer = 4 << 20

// listen takes the sockets that systemd handed over, or else opens one: at address if that is
// set, or as configured.
func listen(cfg *config.Config, log *slog.Logger, sockets []systemd.Socket, address string) ([]*net.UDPConn, error) {
	if len(sockets) > 0 {
		var conns []*net.UDPConn
		for _, s := range sockets {
			conns = append(conns, s.Packet)
		}
		return conns, nil
	}
	if address == "" {
		address = net.JoinHostPort(cfg.TFTP.Host, strconv.Itoa(cfg.TFTP.Port))
	}
	to, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, fmt.Errorf("the address to listen on, %q: %w; write host:port", address, err)
	}
	conn, err := net.ListenUDP("udp", to)
	if err != nil {
		return nil, daemon.ListenError("udp", to.Port, "[tftp] port", err)
	}
	if err := conn.SetReadBuffer(receiveBuffer); err != nil {
		log.Debug("the receive buffer stays small", "err", err)
	}
	log.Info("not started by systemd: listening by itself", message.Listening, "address", conn.LocalAddr().String())
	return []*net.UDPConn{conn}, nil
}

type options struct {
	health  bool // ask, do not serve
	config  config.Paths
	listen  string
	bootDir string
	done    bool // nothing more to do: the version or the help was asked for
}

func parse(env environment) (options, error) {
	var o options
	var version bool
	flags := flag.NewFlagSet("bty-tftp", flag.ContinueOnError)
	flags.SetOutput(env.stderr)
	flags.BoolVar(&o.health, "health", false, "ask the one that runs in this container whether it works; exit 0 or 1")
	flags.Var(&o.config, "config", "read this TOML `file or folder` alone; may be repeated")
	flags.StringVar(&o.listen, "listen", "", "listen on this `address:port` instead of the configured one")
	flags.StringVar(&o.bootDir, "boot-dir", "", "serve this `folder` instead of the configured one")
	flags.BoolVar(&version, "version", false, "print the version")
	if err := flags.Parse(env.args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return options{done: true}, nil
		}
		return o, daemon.UsageError{Err: err}
	}
	if flags.NArg() > 0 {
		return o, daemon.UsageError{Err: fmt.Errorf("unexpected argument %q; bty-tftp --help lists the flags", flags.Arg(0))}
	}
	if version {
		fmt.Fprintf(env.stdout, "bty-tftp %s\n", build.Version)
		o.done = true
	}
	return o, nil
}
