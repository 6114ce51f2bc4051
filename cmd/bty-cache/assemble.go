package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/fill"
	"bty/internal/flood"
	"bty/internal/message"
	"bty/internal/oras"
	"bty/internal/origin"
	"bty/internal/proxy"
	"bty/internal/wire"
)

// app is the engine, its face and the rules between them.
type app struct {
	log       *slog.Logger
	level     *slog.LevelVar
	strangers *flood.Log
	rules     *proxy.Rules
	guard     *proxy.Guard
	cache     *fill.Cache
	face      *proxy.Face
	control   *proxy.Control
	started   *config.Config

	loading      sync.Mutex
	loaded       atomic.Pointer[config.Config]
	reloadFailed atomic.Pointer[error] // of the last reload, which may be of nil
}

// assemble ties the parts together; it starts nothing.
func assemble(cfg *config.Config, log *slog.Logger, level *slog.LevelVar) (*app, error) {
	guard, err := proxy.NewGuard(cfg.Cache.CAFile)
	if err != nil {
		return nil, err
	}
	a := &app{log: log, level: level, strangers: flood.New(log, message.Flood), rules: &proxy.Rules{}, guard: guard, started: cfg}
	if err := a.apply(cfg); err != nil {
		return nil, err
	}
	registry, err := newRegistry(cfg)
	if err != nil {
		return nil, err
	}
	guard.Known = func(host string) bool { return a.rules.Known(host) || registry.Mirrors.Has(host) }
	guard.Mirror = registry.Mirrors.Has
	guard.SignIn = proxy.SignIn(cfg.ORAS.CredentialsFile)
	published := &proxy.Published{Path: filepath.Join(cfg.Cache.Dir, "sources.json"), Rules: a.rules}
	if err := published.Load(); err != nil {
		log.Warn("what the catalog has is not known until bty-web says it again", message.CacheSourcesUnread, "err", err)
	}
	if a.cache, err = newEngine(cfg, log, a, registry); err != nil {
		return nil, err
	}
	a.face = proxy.New(proxy.Config{
		Cache: a.cache, Rules: a.rules, Log: log, Strangers: a.strangers, Now: time.Now,
		Strict: func() bool { return a.config().Cache.StrictMiss }, Pages: func() int { return a.config().Server.Port },
		Check: a.usable, Version: build.Version,
	})
	a.face.Metrics = newMetrics(a.face)
	a.control = &proxy.Control{Face: a.face, Published: published, Reload: a.readAgain}
	return a, nil
}

// newRegistry is how registries are asked: with the credentials and the mirrors that bty-web has.
func newRegistry(cfg *config.Config) (*oras.Client, error) {
	mirrors, err := oras.ParseMirrors(cfg.ORAS.Mirrors)
	return &oras.Client{CredentialsFile: cfg.ORAS.CredentialsFile, PlainHTTP: oras.Hosts(cfg.ORAS.PlainHTTP), Mirrors: mirrors,
		Agent: "bty-cache/" + build.Version}, err
}

func newEngine(cfg *config.Config, log *slog.Logger, a *app, registry *oras.Client) (*fill.Cache, error) {
	limit, err := config.Size(cfg.Cache.MaxSize)
	if err != nil {
		return nil, err
	}
	floor, err := floorOf(cfg)
	if err != nil {
		return nil, err
	}
	return fill.New(fill.Config{
		Dir: cfg.Cache.Dir, Limit: limit, Floor: floor, Fills: cfg.Cache.MaxFills,
		Recheck: recheck(cfg.Cache.RevalidateMinutes),
		Origin:  origin.Options{Client: a.guard.Client(), Registry: registry},
		Listed:  a.rules.Listed, Share: cfg.Cache.AllowShare,
		Wanted: func(s fill.Source) bool {
			_, err := a.rules.Admit(s.Src)
			return err == nil
		},
		Log: log, Now: time.Now,
	}), nil
}

// floorOf is what is left free. Unless somebody says how much, it is what the doctor does not warn of:
// the cache may share its file system with the state.
func floorOf(cfg *config.Config) (int64, error) {
	const least, part = 2 << 30, 10
	if cfg.Cache.MinFree != "" {
		return config.Size(cfg.Cache.MinFree)
	}
	if err := os.MkdirAll(cfg.Cache.Dir, 0o750); err != nil {
		return least, nil // the engine says what is wrong with it
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(cfg.Cache.Dir, &fs); err != nil {
		return least, nil
	}
	return max(least, int64(fs.Blocks)*fs.Bsize/part), nil
}

// recheck is how often an origin is asked again; no time is never.
func recheck(minutes int) time.Duration {
	if minutes == 0 {
		const never = 100 * 365 * 24 * time.Hour
		return never
	}
	return time.Duration(minutes) * time.Minute
}

// apply puts what follows a reload in force.
func (a *app) apply(cfg *config.Config) error {
	private, err := config.Networks(cfg.Cache.AllowPrivate)
	if err != nil {
		return err
	}
	if err := a.rules.Allow(config.List(cfg.Cache.Allow)); err != nil {
		return err
	}
	a.guard.AllowPrivate(private)
	a.loaded.Store(cfg)
	return nil
}

// config is the one in force.
func (a *app) config() *config.Config { return a.loaded.Load() }

// check is the watchdog's: the engine tells its state, so nothing in it waits for ever.
func (a *app) check(ctx context.Context) error {
	told := make(chan struct{})
	go func() {
		defer close(told)
		a.face.Status()
	}()
	select {
	case <-told:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the engine does not tell its state: %w", context.Cause(ctx))
	}
}

// usable says why the cache cannot do its work, nil if it can.
func (a *app) usable(context.Context) error {
	if problem := a.cache.Figures().Problem; problem != "" {
		return errors.New(problem)
	}
	return nil
}

// status is the line for people that `systemctl status` shows.
func (a *app) status() string {
	trouble := ""
	if err := a.reloadFailed.Load(); err != nil && *err != nil {
		trouble = fmt.Sprintf("reload failed: %v; ", *err)
	}
	s := a.cache.Figures()
	if s.Problem != "" {
		trouble += s.Problem + "; "
	}
	fetching := s.Fills[wire.CacheFillWaiting] + s.Fills[wire.CacheFillRunning] + s.Fills[wire.CacheFillVerifying]
	return trouble + fmt.Sprintf("%d images held, %.1f GiB; %d being fetched, %d being read; the catalog has %d sources",
		s.Images, float64(s.HeldBytes)/(1<<30), fetching, s.Readers, a.rules.Len())
}
