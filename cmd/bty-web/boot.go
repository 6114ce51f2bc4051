package main

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"bty/internal/config"
	"bty/internal/ledger"
	"bty/internal/message"
	"bty/internal/nbp"
	"bty/internal/release"
	"bty/internal/settings"
	"bty/internal/tftp/probe"
	"bty/internal/web/ui"
)

// bootFolder is the boot folder and what is done with it.
type bootFolder struct {
	root     *os.Root
	live     release.Folder
	programs nbp.Library
	files    *release.Files
	fetches  *release.Manager
	tftp     *probe.Prober
}

// openBoot tidies the boot folder up and puts the files of the seed folder into it.
func openBoot(cfg *config.Config, log *slog.Logger) (*release.Shelf, error) {
	root, err := os.OpenRoot(cfg.Paths.BootDir)
	if err != nil {
		return nil, fmt.Errorf("open the boot folder: %w", err)
	}
	shelf := &release.Shelf{Root: root, Path: cfg.Paths.BootDir, Limit: int64(cfg.Tuning.MaxUploadBytes)}
	if err := shelf.Recover(); err != nil {
		log.Warn("what an interrupted upload or fetch left in the boot folder could not be tidied up", message.Leftovers, "path", shelf.Path, "err", err)
	}
	if cfg.Seed.BootSeedDir == "" {
		return shelf, nil
	}
	copied, err := shelf.Seed(cfg.Seed.BootSeedDir)
	if err != nil {
		log.Warn("the boot folder was not seeded with everything that BTY_BOOT_SEED_DIR has", message.SeedIncomplete, "path", cfg.Seed.BootSeedDir, "err", err)
	}
	if len(copied) > 0 {
		log.Info("the boot folder was seeded", message.BootFolderSeeded, "path", cfg.Seed.BootSeedDir, "files", strings.Join(copied, " "))
	}
	return shelf, nil
}

func newBootFolder(cfg *config.Config, log *slog.Logger, shelf *release.Shelf, chosen *settings.Settings, book ledger.Book, books *ledger.Ledger, searchable <-chan struct{}) *bootFolder {
	b := &bootFolder{
		root:     shelf.Root,
		live:     release.Folder{Root: shelf.Root, Version: cfg.Netboot.ArtifactVersion},
		programs: nbp.Library{Boot: cfg.Paths.BootDir, System: nbp.SystemDirs()},
	}
	b.files = release.NewFiles(release.FilesConfig{Shelf: shelf, Folder: b.live, Programs: b.programs, Book: book, Now: time.Now, Log: log})
	b.fetches = release.NewManager(release.Config{
		Shelf: shelf, Version: cfg.Netboot.ArtifactVersion, Book: book, Ledger: books, Now: time.Now, Log: log, Searchable: searchable,
		Upstream: func() release.Upstream {
			repo := chosen.Value(settings.NetbootRepo)
			return release.Upstream{Repo: repo.Text, Stored: repo.Stored, URL: cfg.Netboot.ReleaseURL}
		},
	})
	b.tftp = probe.NewProber(func() (string, int) { return probeHost(chosen), cfg.TFTP.Port }, nbp.AutoexecName, 20*time.Second)
	return b
}

// probeHost is the host whose TFTP service machines are sent to: what is set, else that of the
// cache, which is mostly the host of a container, else this one.
func probeHost(chosen *settings.Settings) string {
	if set := chosen.Loaded().Netboot.TFTPProbeHost; set != "" {
		return set
	}
	if cache, err := url.Parse(chosen.WithcacheURL()); err == nil && cache.Hostname() != "" {
		return cache.Hostname()
	}
	return "127.0.0.1"
}

// page is what the Netboot page works with.
func (b *bootFolder) page(cfg *config.Config, chosen *settings.Settings) ui.Netboot {
	return ui.Netboot{Files: b.files, Fetches: b.fetches, TFTP: b.tftp, Port: cfg.Server.Port, Repo: chosen.NetbootRepo, Tag: chosen.NetbootTag,
		Address: func() string { return chosen.Loaded().Netboot.Address }}
}
