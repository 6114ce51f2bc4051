package main

import (
	"log/slog"
	"time"

	"bty/internal/ledger"
	"bty/internal/service"
	"bty/internal/systemd"
	"bty/internal/systemd/manager"
	"bty/internal/tftp/probe"
)

// newTFTP is the TFTP daemon that the host's systemd runs beside us, if it runs us.
func newTFTP(getenv func(string) string, asked *probe.Prober, book ledger.Book, log *slog.Logger) *service.TFTP {
	c := service.Config{Manager: manager.Manager{}, Acted: asked.Forget, Book: book, Now: time.Now, Log: log}
	if !systemd.IsService(getenv) {
		c.Apart = "systemd did not start this server, as in a container or on a workstation."
	}
	return service.New(c)
}
