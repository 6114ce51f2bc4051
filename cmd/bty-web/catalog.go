package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/daemon"
	"bty/internal/ledger"
	"bty/internal/library"
	"bty/internal/message"
	"bty/internal/oras"
	"bty/internal/settings"
	"bty/internal/store"
	"bty/internal/withcache"
)

func newLibrary(cfg *config.Config, state *store.Store, books *ledger.Ledger, chosen *settings.Settings, cache *withcache.Cache) (*library.Library, error) {
	mirrors, err := oras.ParseMirrors(cfg.ORAS.Mirrors)
	if err != nil {
		return nil, fmt.Errorf("oras.mirrors: %w", err)
	}
	return &library.Library{
		Store: libraryStore{state}, Ledger: books, Now: time.Now, HTTP: &http.Client{}, Cache: cache,
		Registry:   &oras.Client{CredentialsFile: cfg.ORAS.CredentialsFile, PlainHTTP: oras.Hosts(cfg.ORAS.PlainHTTP), Mirrors: mirrors, Agent: "bty-web/" + build.Version},
		CatalogURL: chosen.CatalogURL, File: cfg.Paths.CatalogFile,
	}, nil
}

// catalogFile takes the catalog file over, before the first request is answered. A file that
// cannot be used costs its images and not the start.
func catalogFile(images *library.Library, log *slog.Logger) daemon.Task {
	return daemon.First("catalog file", func(ctx context.Context) error {
		outcome, err := images.TakeFile(ctx)
		if err != nil {
			log.Warn("the catalog file was not taken over; correct it, or move it away", message.CatalogFileRefused, "path", images.File, "err", err)
			return nil
		}
		for _, p := range outcome.Problems {
			log.Warn("an image of the catalog file was not taken over", message.CatalogImageRefused, "path", images.File, "image", p.Name, "err", p.Error)
		}
		if outcome.Added > 0 {
			log.Info("images were taken over from the catalog file", message.CatalogFileTaken, "path", images.File, "images", outcome.Added)
		}
		return nil
	})
}
