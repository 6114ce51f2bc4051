package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/daemon"
	"bty/internal/store"
	"bty/internal/systemd"
	"bty/internal/web"
)

// environment is everything that run takes from the process it runs in.
type environment struct {
	args           []string
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	hangup         <-chan struct{}
}

// run is the whole life of bty-web.
func run(ctx context.Context, env environment) error {
	if len(env.args) > 0 && env.args[0] == "hash-password" {
		return hashPassword(env)
	}
	flags, err := parse(env)
	if err != nil || flags.version {
		return err
	}
	sockets, err := systemd.Sockets(systemd.Expect{"http": systemd.Stream, "control": systemd.Unix, "report": systemd.Unix})
	if err != nil {
		return err
	}
	cfg, warnings, err := config.Load(config.Source{Paths: flags.config, Getenv: env.getenv})
	if err != nil {
		return err
	}
	log := slog.New(systemd.NewHandler(env.getenv, env.stderr, cfg.Log.Format))
	for _, w := range append(warnings, withoutEffect(cfg)...) {
		log.Warn(w)
	}
	return serveUntil(ctx, env, cfg, log, sockets)
}

// withoutEffect names the settings that somebody made and this release does not act on.
func withoutEffect(cfg *config.Config) (warnings []string) {
	for _, k := range config.Keys() {
		if origin := cfg.Origin(k.String()); k.Later && !origin.IsDefault() {
			warnings = append(warnings, fmt.Sprintf("%s (from %s) has no effect in this release", k, origin))
		}
	}
	return warnings
}

// serveUntil opens the state, serves, and closes the state again.
func serveUntil(ctx context.Context, env environment, cfg *config.Config, log *slog.Logger, sockets []systemd.Socket) error {
	for _, dir := range []string{cfg.Paths.StateDir, cfg.Paths.BootDir} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return fmt.Errorf("make the state folder: %w; set [paths] state_dir to a folder that this user may write", err)
		}
	}
	notices := legacyNotice(cfg, log)
	state, err := store.Open(filepath.Join(cfg.Paths.StateDir, "bty.db"), build.Version)
	if err != nil {
		return err
	}
	app, err := assemble(cfg, log, state, notices)
	if err != nil {
		state.Abandon()
		return err
	}
	listeners, err := listen(ctx, cfg, log, sockets)
	if err != nil {
		state.Abandon()
		return err
	}
	d := &daemon.Daemon{Log: log, Check: state.Check, Hangup: env.hangup, Reload: app.reload, Status: app.status}
	err = d.Run(ctx,
		daemon.Func("state", state.Run),
		catalogFile(app.images, log),
		daemon.Func("event index", state.Index),
		daemon.Func("event log", app.book.Tend),
		daemon.Func("live streams", app.live.Run),
		daemon.Func("last seen", app.fleet.Remember),
		daemon.Func("use of API tokens", app.tokens.Run),
		daemon.Func("boot files", app.boot.files.Run),
		daemon.Func("release fetches", app.boot.fetches.Run),
		daemon.Func("TFTP probe", app.boot.tftp.Run),
		daemon.NewHTTP("report socket", web.Report(app.web), log, listeners.report...),
		daemon.NewHTTP("control socket", web.Control(app.web), log, listeners.control...),
		daemon.NewHTTP("http", web.Public(app.web), log, listeners.http...),
	)
	return errors.Join(err, state.Close())
}

// legacyNotice says what to do when the previous system's database lies in the state folder. It
// is never opened.
func legacyNotice(cfg *config.Config, log *slog.Logger) []string {
	path := filepath.Join(cfg.Paths.StateDir, "state.db")
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	notice := fmt.Sprintf("%s is the database of the previous bty; it was not read. Take its machines and images over with: bty-lab import %s", path, path)
	log.Warn(notice)
	return []string{notice}
}

type options struct {
	config  paths
	version bool
}

type paths []string

func (p *paths) String() string     { return strings.Join(*p, " ") }
func (p *paths) Set(s string) error { *p = append(*p, s); return nil }

func parse(env environment) (options, error) {
	var o options
	flags := flag.NewFlagSet("bty-web", flag.ContinueOnError)
	flags.SetOutput(env.stderr)
	flags.Var(&o.config, "config", "read this TOML `file or folder` alone; may be repeated")
	flags.BoolVar(&o.version, "version", false, "print the version")
	flags.Usage = func() {
		fmt.Fprint(env.stderr, "Usage: bty-web [flags]\n       bty-web hash-password   read a password from standard input, print its hash for [admin] password\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(env.args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return options{version: true}, nil
		}
		return o, usageError{err}
	}
	if flags.NArg() > 0 {
		return o, usageError{fmt.Errorf("unexpected argument %q; bty-web --help lists the flags", flags.Arg(0))}
	}
	if o.version {
		fmt.Fprintf(env.stdout, "bty-web %s\n", build.Version)
	}
	return o, nil
}

// usageError exits with 2.
type usageError struct{ error }

func (usageError) ExitCode() int { return 2 }
