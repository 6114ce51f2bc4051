package main

import (
	"log/slog"

	"bty/internal/machine"
	"bty/internal/machinelog"
	"bty/internal/message"
)

// forgetLogs deletes the log of a machine that is deleted. One that stays is the oldest soon.
func forgetLogs(logs *machinelog.Logs, log *slog.Logger) func(machine.MAC) {
	return func(mac machine.MAC) {
		if err := logs.Forget(mac); err != nil {
			log.Warn("the log of a machine that was deleted stays", message.Leftovers, "mac", mac.String(), "err", err)
		}
	}
}
