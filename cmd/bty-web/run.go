package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/daemon"
	"bty/internal/message"
	"bty/internal/owner"
	"bty/internal/settings"
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
	if flags.verb != "" {
		return bundle(ctx, env, flags)
	}
	source := config.Source{Paths: flags.config, Getenv: env.getenv}
	if flags.health {
		return daemon.AskHealth(ctx, "bty-web", config.RunDir(source), env.stdout)
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
	for _, w := range append(warnings, withoutEffect(cfg)...) {
		log.Warn(config.Doubtful, message.ConfigDoubtful, "err", w)
	}
	daemon.ProveDropped(log, env.getenv)
	return serveUntil(ctx, env, cfg, log, level, sockets)
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

// serveUntil makes the folders and serves what is in them.
func serveUntil(ctx context.Context, env environment, cfg *config.Config, log *slog.Logger, level *slog.LevelVar, sockets []systemd.Socket) error {
	for _, dir := range []string{cfg.Paths.StateDir, cfg.Paths.BootDir} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return fmt.Errorf("make the state folder: %w; [paths] state_dir names another", owner.Explain(dir, err))
		}
	}
	health := daemon.ListenHealth("bty-web", cfg.Paths.RunDir, env.getenv, log)
	return errors.Join((&rounds{env: env, config: cfg, log: log, level: level, sockets: sockets, health: health}).run(ctx), health.Close())
}

// serve runs the app until ctx ends. comesBack says whether it ends to serve another state.
func (a *app) serve(ctx context.Context, env environment, log *slog.Logger, listeners listeners, health *daemon.Health, comesBack func() bool) error {
	d := &daemon.Daemon{Log: log, Health: health, Check: a.state.Check, Hangup: env.hangup, Reload: a.reload, Status: a.status, ComesBack: comesBack}
	return d.Run(ctx,
		daemon.Func("journal", a.book.Ledger.Run),
		daemon.Func("state", a.state.Run),
		catalogFile(a.images, log),
		daemon.Func("image cache", a.cache.Run),
		daemon.Func("tags of images", a.tags.Run),
		daemon.Func("event index", a.state.Index),
		daemon.Func("event log", a.book.Tend),
		daemon.Func("live streams", a.live.Run),
		daemon.Func("last seen", a.fleet.Remember),
		daemon.Func("use of API tokens", a.tokens.Run),
		daemon.Func("boot files", a.boot.files.Run),
		daemon.Func("release fetches", a.boot.fetches.Run),
		daemon.Func("TFTP probe", a.boot.tftp.Run),
		daemon.Func("doctor", a.doctor.Run),
		daemon.Func("backups", a.backups.Run),
		daemon.Func("backup schedule", a.backups.Keep),
		daemon.NewHTTP("report socket", web.Report(a.web), log, listeners.report...),
		daemon.NewHTTP("control socket", web.Control(a.web), log, listeners.control...),
		daemon.NewHTTP("http", web.Public(a.web), log, listeners.http...),
	)
}

// legacyNotice says what to do while a database of the previous system lies in the state folder that
// was not taken over. It is never opened.
func legacyNotice(cfg *config.Config, chosen *settings.Settings, log *slog.Logger) func() []string {
	if path := leftDatabase(cfg, chosen); path != "" {
		log.Warn("the database of the previous bty lies in the state folder and was not read", message.LegacyDatabase, "path", path, "next", "bty-lab import "+path)
	}
	return func() []string {
		path := leftDatabase(cfg, chosen)
		if path == "" {
			return nil
		}
		return []string{fmt.Sprintf("%s is the database of the previous bty; it was not read. Take its machines and images over with: bty-lab import %s", path, path)}
	}
}

type options struct {
	health  bool // ask, do not serve
	config  config.Paths
	version bool
	verb    string // export or import; "" serves
	dir     string // of the verb
	replace bool   // import: reset the machines that are known
}

func parse(env environment) (options, error) {
	var o options
	flags := flag.NewFlagSet("bty-web", flag.ContinueOnError)
	flags.SetOutput(env.stderr)
	flags.BoolVar(&o.health, "health", false, "ask the one that runs in this container whether it works; exit 0 or 1")
	flags.Var(&o.config, "config", "read this TOML `file or folder` alone; may be repeated")
	flags.BoolVar(&o.version, "version", false, "print the version")
	flags.Usage = func() {
		fmt.Fprint(env.stderr, "Usage: bty-web [flags]\n       bty-web hash-password   read a password from standard input, print its hash for [admin] password\n"+
			"       bty-web export DIR      write the hardware of all machines to DIR/inventory.json\n"+
			"       bty-web import DIR      take the machines of such a folder in; --replace resets those that are known\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(env.args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return options{version: true}, nil
		}
		return o, daemon.UsageError{Err: err}
	}
	if err := o.verbs(flags.Args(), env); err != nil {
		return o, daemon.UsageError{Err: err}
	}
	if o.version {
		fmt.Fprintf(env.stdout, "bty-web %s\n", build.Version)
	}
	return o, nil
}

// verbs reads what is to be done instead of serving.
func (o *options) verbs(args []string, env environment) error {
	if len(args) == 0 {
		return nil
	}
	o.verb = args[0]
	if o.verb != "export" && o.verb != "import" {
		return fmt.Errorf("unexpected argument %q; bty-web --help lists the flags", o.verb)
	}
	flags := flag.NewFlagSet("bty-web "+o.verb, flag.ContinueOnError)
	flags.SetOutput(env.stderr)
	if o.verb == "import" {
		flags.BoolVar(&o.replace, "replace", false, "reset the machines that are known")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("bty-web %s takes one folder", o.verb)
	}
	o.dir = flags.Arg(0)
	return nil
}
