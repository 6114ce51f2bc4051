package main

import (
	"bty/internal/config"
	"bty/internal/health"
	"bty/internal/ledger"
	"bty/internal/library"
	"bty/internal/web/auth"
)

// newHealth says where the dashboard's findings come from.
func newHealth(cfg *config.Config, folder *bootFolder, images *library.Library, book ledger.Book, operator *auth.Auth) health.Config {
	return health.Config{
		Missing: func(arch string) string { _, missing := folder.live.Live(arch); return missing },
		Program: func(name string) bool {
			f, err := folder.programs.Open(name)
			if err == nil {
				f.Close()
			}
			return err == nil
		},
		Images:    func() (int, error) { entries, err := images.Images(); return len(entries), err },
		Failures:  book.Alarms,
		TFTP:      folder.tftp.Latest,
		IsDefault: operator.IsDefault,
		StateDir:  cfg.Paths.StateDir,
	}
}
