package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/daemon"
	"bty/internal/lan"
	"bty/internal/message"
	"bty/internal/sniff"
	"bty/internal/systemd"
)

// environment is everything that run takes from the process it runs in.
type environment struct {
	args           []string
	getenv         func(string) string
	stdout, stderr io.Writer
	hangup         <-chan struct{}
}

// run is the whole life of bty-sniff.
func run(ctx context.Context, env environment) error {
	flags, err := parse(env)
	if err != nil || flags.done {
		return err
	}
	source := config.Source{Paths: flags.config, Getenv: env.getenv}
	if flags.health {
		return daemon.AskHealth(ctx, "bty-sniff", config.RunDir(source), env.stdout)
	}
	sockets, err := systemd.Sockets(systemd.Expect{"dhcp": systemd.Capture})
	if err != nil {
		return message.Mark(message.WrongSockets, err)
	}
	cfg, warnings, err := config.Load(source)
	if err != nil {
		return message.Mark(message.ConfigRefused, err)
	}
	log := slog.New(systemd.NewHandler(env.getenv, env.stderr, cfg.Log.Format, systemd.Level(cfg.Log.Level)))
	for _, w := range warnings {
		log.Warn(config.Doubtful, message.ConfigDoubtful, "err", w)
	}
	socket, err := open(log, sockets)
	if err != nil {
		return message.Mark(message.CannotWatch, err)
	}
	defer socket.Close()
	daemon.ProveDropped(log, env.getenv, daemon.Network,
		daemon.Right{Name: "sending packets", Directive: "SystemCallFilter=~sendto sendmsg sendmmsg bind", Held: socket.MaySend})
	patterns, err := sniff.ParsePatterns(cfg.Sniff.Interfaces)
	if err != nil {
		return fmt.Errorf("sniff.interfaces: %w", err)
	}
	return watch(ctx, env, cfg, log, socket, patterns)
}

// open takes the socket that the service manager kept, or else opens one, as in a container.
func open(log *slog.Logger, sockets []systemd.Socket) (*sniff.Socket, error) {
	switch len(sockets) {
	case 1:
		socket, err := sniff.Adopt(sockets[0].File)
		if err != nil {
			return nil, message.Mark(message.WrongSockets, &systemd.SocketError{Reason: err.Error()})
		}
		return socket, nil
	case 0:
		f, err := sniff.OpenAlone()
		if err != nil {
			return nil, err
		}
		log.Info("the packet socket is its own: opened, every capability given up, and only then heard anything", message.SniffAlone)
		return sniff.Adopt(f)
	}
	return nil, message.Mark(message.WrongSockets, &systemd.SocketError{Reason: fmt.Sprintf("%d of name \"dhcp\", but one is enough: "+
		"bty-sniff-open must take the old one out of the descriptor store", len(sockets))})
}

func watch(ctx context.Context, env environment, cfg *config.Config, log *slog.Logger, socket *sniff.Socket, patterns sniff.Patterns) error {
	batch := lan.NewBatch()
	reports := newReporter(cfg.ReportSocket(), batch, log)
	w := &sniff.Watcher{Socket: socket, Links: patterns, Log: log, Saw: func(seen sniff.Seen) {
		isNews := false
		if seen.Request != nil {
			isNews = batch.Request(*seen.Request)
		} else {
			isNews = batch.Answer(*seen.Answer)
		}
		reports.notice(isNews)
	}}
	health := daemon.ListenHealth("bty-sniff", cfg.Paths.RunDir, env.getenv, log)
	d := &daemon.Daemon{Log: log, Health: health, Hangup: env.hangup, Check: w.Check, Status: func() string { return w.Status() + reports.status() }}
	err := d.Run(ctx, daemon.Func("reports", reports.Run), daemon.Func("packets", w.Run)) // reports outlive packets
	return errors.Join(err, health.Close())
}

type options struct {
	health bool // ask, do not serve
	config config.Paths
	done   bool // nothing more to do: the version or the help was asked for
}

func parse(env environment) (options, error) {
	var o options
	var version bool
	flags := flag.NewFlagSet("bty-sniff", flag.ContinueOnError)
	flags.SetOutput(env.stderr)
	flags.BoolVar(&o.health, "health", false, "ask the one that runs in this container whether it works; exit 0 or 1")
	flags.Var(&o.config, "config", "read this TOML `file or folder` alone; may be repeated")
	flags.BoolVar(&version, "version", false, "print the version")
	if err := flags.Parse(env.args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return options{done: true}, nil
		}
		return o, daemon.UsageError{Err: err}
	}
	if flags.NArg() > 0 {
		return o, daemon.UsageError{Err: fmt.Errorf("unexpected argument %q; bty-sniff --help lists the flags", flags.Arg(0))}
	}
	if version {
		fmt.Fprintf(env.stdout, "bty-sniff %s\n", build.Version)
		o.done = true
	}
	return o, nil
}
