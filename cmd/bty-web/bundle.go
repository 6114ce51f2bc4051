package main

import (
	"context"
	"fmt"

	"bty/internal/build"
	"bty/internal/client"
	"bty/internal/config"
)

// bundle carries out `bty-web export DIR` and `bty-web import DIR`, which ask the server that runs
// over its control socket: two processes cannot have the database open.
func bundle(ctx context.Context, env environment, flags options) error {
	cfg, _, err := config.Load(config.Source{Paths: flags.config, Getenv: env.getenv})
	if err != nil {
		return err
	}
	server := client.NewControl(cfg.ControlSocket(), "bty-web/"+build.Version)
	defer server.Close()
	if flags.verb == "export" {
		machines, err := client.Export(ctx, server, flags.dir)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		_, err = fmt.Fprintf(env.stdout, "%d machines exported to %s\n", machines, flags.dir)
		return err
	}
	report, err := client.Import(ctx, server, flags.dir, flags.replace)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return client.PrintImport(env.stdout, report)
}
