package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"bty/internal/config"
	"bty/internal/daemon"
	"bty/internal/message"
	"bty/internal/systemd"
)

// environment is everything that run takes from the process it runs in.
type environment struct {
	args           []string
	getenv         func(string) string
	stdout, stderr io.Writer
	hangup         <-chan struct{}
}

// run is the whole life of bty-cache.
func run(ctx context.Context, env environment) error {
	flags, err := parse(env)
	if err != nil || flags.done {
		return err
	}
	source := config.Source{Paths: flags.config, Getenv: env.getenv}
	if flags.reload {
		return askReload(ctx, source, env.stdout)
	}
	if flags.health {
		return daemon.AskHealth(ctx, "bty-cache", config.RunDir(source), env.stdout)
	}
	sockets, err := inherit()
	if err != nil {
		return message.Mark(message.WrongSockets, err)
	}
	cfg, warnings, err := config.Load(source)
	if err != nil {
		return message.Mark(message.ConfigRefused, err)
	}
	level := new(slog.LevelVar)
	level.Set(systemd.Level(cfg.Log.Level))
	log := slog.New(systemd.NewHandler(env.getenv, env.stderr, cfg.Log.Format, level))
	for _, w := range warnings {
		log.Warn(config.Doubtful, message.ConfigDoubtful, "err", w)
	}
	daemon.ProveDropped(log, env.getenv)
	a, err := assemble(cfg, log, level)
	if err != nil {
		return message.Mark(message.ConfigRefused, err)
	}
	at, err := listen(ctx, cfg, log, sockets)
	if err != nil {
		return message.Mark(message.CannotListen, err)
	}
	return a.serve(ctx, env, at)
}

// serve answers until ctx ends. The engine outlives both servers: they have readers of it.
func (a *app) serve(ctx context.Context, env environment, at listeners) error {
	health := daemon.ListenHealth("bty-cache", a.config().Paths.RunDir, env.getenv, a.log)
	d := &daemon.Daemon{Log: a.log, Health: health, Check: a.check, Usable: a.usable, Hangup: env.hangup, Reload: a.hangup, Status: a.status}
	return errors.Join(d.Run(ctx,
		daemon.Func("counts of lines", a.strangers.Run),
		daemon.Func("images", a.cache.Run),
		daemon.NewHTTP("control socket", a.control.Handler(), a.log, at.control...),
		daemon.NewHTTP("http", a.face.Handler(), a.log, at.http...),
	), health.Close())
}
