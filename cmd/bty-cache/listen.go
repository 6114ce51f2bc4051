package main

import (
	"context"
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

// listeners is where requests come in, by what they may do.
type listeners struct {
	http, control []net.Listener
}

// inherit takes what systemd handed over: nothing, or a socket for machines and perhaps the other.
func inherit() ([]systemd.Socket, error) {
	sockets, err := systemd.Sockets(systemd.Expect{"http": systemd.Stream, "control": systemd.Unix})
	if err == nil && len(sockets) > 0 && len(systemd.Named(sockets, "http")) == 0 {
		err = &systemd.SocketError{Reason: "no socket named \"http\" was passed; want bty-cache.socket with FileDescriptorName=http"}
	}
	return sockets, err
}

// listen takes the sockets that systemd handed over; without any, it opens its own.
func listen(ctx context.Context, cfg *config.Config, log *slog.Logger, sockets []systemd.Socket) (listeners, error) {
	if len(sockets) > 0 {
		return listeners{systemd.Listeners(sockets, "http"), systemd.Listeners(sockets, "control")}, nil
	}
	address := net.JoinHostPort(cfg.Cache.Host, strconv.Itoa(cfg.Cache.Port))
	public, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return listeners{}, daemon.ListenError("tcp", cfg.Cache.Port, "[cache] port", err)
	}
	log.Info("not started by systemd: listening by itself", message.Listening, "address", public.Addr().String())
	control, err := daemon.ListenUnix(cfg.CacheSocket())
	if err != nil {
		log.Info("no local socket; bty-web on this host cannot reach this cache", message.LocalSocketMissing, "path", cfg.CacheSocket(), "err", err)
		return listeners{http: []net.Listener{public}}, nil
	}
	return listeners{[]net.Listener{public}, []net.Listener{control}}, nil
}

type options struct {
	health bool // ask, do not serve
	config config.Paths
	reload bool
	done   bool // nothing more to do: the version or the help was asked for
}

func parse(env environment) (options, error) {
	var o options
	var version bool
	flags := flag.NewFlagSet("bty-cache", flag.ContinueOnError)
	flags.SetOutput(env.stderr)
	flags.BoolVar(&o.health, "health", false, "ask the one that runs in this container whether it works; exit 0 or 1")
	flags.Var(&o.config, "config", "read this TOML `file or folder` alone; may be repeated")
	flags.BoolVar(&version, "version", false, "print the version")
	flags.Usage = func() {
		fmt.Fprint(env.stderr, "Usage: bty-cache [flags]\n       bty-cache [flags] reload   have the one that runs read its configuration again\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(env.args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return options{done: true}, nil
		}
		return o, daemon.UsageError{Err: err}
	}
	switch {
	case version:
		fmt.Fprintf(env.stdout, "bty-cache %s\n", build.Version)
		o.done = true
	case flags.NArg() == 1 && flags.Arg(0) == "reload":
		o.reload = true
	case flags.NArg() > 0:
		return o, daemon.UsageError{Err: fmt.Errorf("unexpected argument %q; bty-cache --help lists what there is", flags.Arg(0))}
	}
	return o, nil
}
