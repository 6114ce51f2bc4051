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

// apart are the daemons that do not see the state folder, where the Settings page writes: the sandbox of
// their units, or their container, leaves it out. On a workstation all see it.
func apart(contained, service bool) []string {
	switch {
	case contained:
		return []string{"bty-tftp", "bty-sniff", "bty-cache"}
	case service: // bty-cache is shown that one file
		return []string{"bty-tftp", "bty-sniff"}
	}
	return nil
}
