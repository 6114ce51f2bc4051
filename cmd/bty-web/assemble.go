package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"bty/internal/access"
	"bty/internal/backup"
	"bty/internal/build"
	"bty/internal/checkup"
	"bty/internal/config"
	"bty/internal/fleet"
	"bty/internal/host"
	"bty/internal/imagecache"
	"bty/internal/lan"
	"bty/internal/ledger"
	"bty/internal/library"
	"bty/internal/machinelog"
	"bty/internal/settings"
	"bty/internal/store"
	"bty/internal/systemd"
	"bty/internal/takeover"
	"bty/internal/web"
	"bty/internal/web/api"
	"bty/internal/web/auth"
	"bty/internal/web/control"
	"bty/internal/web/live"
	"bty/internal/web/pxe"
	"bty/internal/web/report"
	"bty/internal/web/serve"
	"bty/internal/web/ui"
	"bty/internal/withcache"
)

// app is the use cases and the surfaces over one state.
type app struct {
	settings *settings.Settings
	tokens   *access.Tokens
	backups  *backup.Manager
	fleet    *fleet.Fleet
	images   *library.Library
	state    *store.Store
	book     ledger.Book
	boot     *bootFolder
	logs     *machinelog.Logs
	cache    *imagecache.Keeper
	tags     *library.Follower
	doctor   *checkup.Checkup
	live     *live.Live
	web      web.Config

	reloadFailed atomic.Pointer[error] // of the last reload, which may be of nil
}

// assemble ties the parts together; it starts nothing.
func assemble(cfg *config.Config, log *slog.Logger, state *store.Store, restores recovery, getenv func(string) string) (*app, error) {
	shelf, err := openBoot(cfg, log)
	if err != nil {
		return nil, err
	}
	books := ledger.New(log)
	chosen, err := settings.New(settings.Config{Store: settingStore{state}, Ledger: books, Log: log, Now: time.Now, Started: cfg, Apart: apart(host.InContainer(), systemd.IsService(getenv))})
	if err != nil {
		return nil, err
	}
	cache := &withcache.Cache{Base: chosen.WithcacheURL, HTTP: &http.Client{}, Now: time.Now}
	images, err := newLibrary(cfg, state, books, chosen, cache)
	if err != nil {
		return nil, err
	}
	book := ledger.Book{Store: bookStore{state}, Ledger: books, Keep: uint64(cfg.Events.Keep), KeepDays: chosen.EventsKeepDays, Beside: bookStore{state}.UpdateBeside}
	keeper := newKeeper(cfg, log, images, book)
	cache.Own = withcache.Own{Here: keeper.Here, Addr: func() string { return ownCache(cfg) }}
	books.Tell(keeper.Hear)
	folder := newBootFolder(cfg, log, shelf, chosen, book, books, state.Searchable())
	logs, err := machinelog.Open(filepath.Join(cfg.Paths.StateDir, "logs"), time.Now)
	if err != nil {
		return nil, err
	}
	seen := lan.New(time.Now)
	tftp := newTFTP(getenv, folder.tftp, book, log)
	machines, err := fleet.New(fleet.Config{
		Store: fleetStore{state}, Ledger: books, Now: time.Now, MaxAttempts: cfg.Boot.MaxAttempts, Sighted: seen.MACAt,
		Verify: func() bool { return chosen.Loaded().Flash.Verify }, Grow: func() bool { return chosen.Loaded().Flash.Grow },
		Registration: func() fleet.Registration { return registration(chosen.Loaded()) },
		Forgotten:    forgetLogs(logs, log),
		Live:         withAppend(withWords(folder.live.Live, liveWords(cfg)), func() string { return chosen.Loaded().Netboot.Append }),
		HasCache:     cache.Configured, Cached: cache.Ask,
	})
	if err != nil {
		return nil, err
	}
	a := &app{settings: chosen, fleet: machines, images: images, state: state, book: book, boot: folder, logs: logs, cache: keeper}
	a.tags = &library.Follower{Library: images, Every: func() time.Duration { return time.Duration(chosen.Loaded().ORAS.TagSeconds) * time.Second }, Log: log}
	a.backups = backup.New(backup.Config{
		Store: state, Fleet: machines, Ledger: books, Log: log, Now: time.Now, Dir: cfg.Paths.BackupDir, Database: state.Path(), Version: build.Version,
		Parallel: cfg.Tuning.BackupMaxParallel, Largest: int64(cfg.Tuning.MaxUploadBytes), Schedule: chosen.Backup, Ran: chosen.Refresh, Switch: restores.comeBack, Last: restores.last,
	})
	takes := takeover.New(takeover.Config{Store: state, Ledger: books, Now: time.Now, Joined: machines.Joined, Seen: machines.Seen, Refresh: chosen.Refresh})
	client := a.client
	if a.tokens, err = access.New(access.Config{Store: accessStore{state}, Ledger: books, Log: log, Now: time.Now}); err != nil {
		return nil, err
	}
	operator := auth.New(auth.Config{Now: time.Now, Client: client, Recognise: a.tokens.Recognise})
	if err := a.admit(operator, cfg); err != nil {
		return nil, err
	}
	a.doctor = newDoctor(cfg, log, folder, chosen, seen, machines, book, operator)
	ready := &readiness{check: state.Check, restoring: restores.comesBack}
	adapter := serve.Adapter{Log: log, Strangers: books.Strangers(), Client: client, Large: make(chan struct{}, 4)}
	a.web = web.Config{
		Serve: adapter,
		PXE: pxe.Config{Serve: adapter, Fleet: machines, Client: client, Guard: operator.Guard,
			Files: folder.programs, Boot: folder.root, Shelf: folder.files, Logs: logs, Asked: a.doctor.Asked},
		API: api.Config{Serve: adapter, Fleet: machines, Library: images, Backups: a.backups, Ledger: books, Events: a.book, Logs: logs, Cache: keeper, Boot: folder.files, Fetches: folder.fetches, TFTP: tftp, Probe: folder.tftp, Client: client,
			Guard: operator.Guard, Session: operator.Session, Tokens: a.tokens, Version: build.Version, Ready: ready.Ready, Doctor: a.doctor.Diagnosis},
		UI: ui.Config{Serve: adapter, Fleet: machines, Library: images, Backups: a.backups, Book: a.book, Logs: logs, Cache: keeper, Auth: operator, Tokens: a.tokens, Settings: chosen, Client: client,
			Now: time.Now, Zone: chosen.Zone, Netboot: folder.page(cfg, chosen), TFTP: tftp, Version: build.Version, Notices: legacyNotice(cfg, chosen, log),
			Health: newHealth(a.doctor, images, a.book).Check, Doctor: a.doctor.Diagnosis},
		Report:   report.Config{Serve: adapter, Book: a.book, Now: time.Now, Seen: seen, Sight: a.sight, MachineAt: machines.At, Asked: a.doctor.Asked},
		Control:  control.Config{Serve: adapter, Reload: a.reloadNow, Rows: a.rows, TakeOver: takes.Take},
		Identify: operator.Identify,
		Metrics:  newMetrics(a),
	}
	a.live, err = live.New(live.Config{Serve: adapter, Log: a.book, News: books, Journal: log, Fragments: ui.Fragments(a.web.UI)})
	a.web.Live = a.live
	return a, err
}

// registration is whose DHCP request makes a machine known.
func registration(c *config.Config) fleet.Registration {
	return fleet.Registration{
		Netboot: c.Sniff.Register == config.RegisterPXE, All: c.Sniff.Register == config.RegisterAll,
		Allow: config.List(c.Sniff.Allow), Deny: config.List(c.Sniff.Deny), PerMinute: c.Sniff.NewPerMinute,
	}
}

// sight records what DHCP says of machines; the doctor looks at it soon.
func (a *app) sight(ctx context.Context, seen []fleet.Sighted) (refused int, err error) {
	defer a.doctor.News()
	return a.fleet.Sight(ctx, seen)
}

// client is the address that a request comes from, by the proxy that is trusted now.
func (a *app) client(r *http.Request) netip.Addr {
	return serve.Client(r, a.settings.Proxy())
}

// status is the line for people that `systemctl status` shows.
func (a *app) status() string {
	trouble := ""
	if err := a.reloadFailed.Load(); err != nil && *err != nil {
		trouble = fmt.Sprintf("reload failed: %v; ", *err)
	}
	return trouble + fmt.Sprintf("%d machines known, database %.1f MiB", a.fleet.Count(), float64(a.state.Size())/(1<<20))
}
