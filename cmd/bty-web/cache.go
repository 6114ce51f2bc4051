package main

import (
	"log/slog"
	"net"
	"strconv"
	"time"

	"bty/internal/build"
	"bty/internal/config"
	"bty/internal/imagecache"
	"bty/internal/ledger"
	"bty/internal/library"
)

func newKeeper(cfg *config.Config, log *slog.Logger, images *library.Library, book ledger.Book) *imagecache.Keeper {
	return imagecache.New(imagecache.Config{Socket: cfg.CacheSocket(), Agent: "bty-web/" + build.Version, Images: images, Book: book, Log: log, Now: time.Now})
}

// ownCache is where bty-cache of this host answers this process.
func ownCache(cfg *config.Config) string {
	host := cfg.Cache.Host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(cfg.Cache.Port))
}
