package main

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"bty/internal/checkup"
	"bty/internal/config"
	"bty/internal/doctor"
	"bty/internal/fleet"
	"bty/internal/health"
	"bty/internal/host"
	"bty/internal/lan"
	"bty/internal/ledger"
	"bty/internal/library"
	"bty/internal/settings"
	"bty/internal/takeover"
	"bty/internal/web/auth"
	"bty/internal/wire"
)

// newHealth says where the dashboard's findings come from.
func newHealth(doctor *checkup.Checkup, images *library.Library, book ledger.Book) health.Config {
	return health.Config{
		Doctor:   doctor.Diagnosis,
		Images:   func() (int, error) { entries, err := images.Images(); return len(entries), err },
		Failures: book.Alarms,
	}
}

// newDoctor says what the doctor looks at.
func newDoctor(cfg *config.Config, log *slog.Logger, folder *bootFolder, chosen *settings.Settings, seen *lan.Memory, machines *fleet.Fleet, book ledger.Book, operator *auth.Auth) *checkup.Checkup {
	return checkup.New(checkup.Config{
		Seen: seen.Recent, Programs: folder.programs, Files: folder.files, TFTP: folder.tftp, IsDefault: operator.IsDefault,
		Address: func() netip.Addr { a, _ := netip.ParseAddr(chosen.Loaded().Netboot.Address); return a }, // "" is none
		SeenAt:  machines.SeenAt, Port: cfg.Server.Port,
		Folders: []checkup.Folder{{Path: cfg.Paths.StateDir, For: "the state"}, {Path: cfg.Paths.BootDir, For: "boot files"}, {Path: cfg.Paths.BackupDir, For: "backups"}},
		OldDB:   func() string { return leftDatabase(cfg, chosen) }, Host: where(log), Book: book, Now: time.Now, Log: log,
		Changed: func(digest string) { book.Ledger.Worker(wire.WorkerDoctor, "findings", digest) },
	})
}

// where is the appliance's place in the network, as far as it can be found out.
func where(log *slog.Logger) func() ([]doctor.Address, bool) {
	contained := host.IsApart()
	return func() ([]doctor.Address, bool) {
		addresses, err := host.Addresses()
		if err != nil {
			log.LogAttrs(context.Background(), slog.LevelDebug, "the addresses of this host cannot be read", slog.Any("err", err))
		}
		return addresses, contained
	}
}

// leftDatabase is the database of the previous system that was not taken over as it is, "" if there is
// none.
func leftDatabase(cfg *config.Config, chosen *settings.Settings) string {
	path := oldDatabase(cfg)
	if path == "" || takeover.Mark(path) == chosen.TakenOver() {
		return ""
	}
	return path
}

// oldDatabase is the database of the previous system, "" if there is none. It is never opened.
func oldDatabase(cfg *config.Config) string {
	path := filepath.Join(cfg.Paths.StateDir, "state.db")
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
