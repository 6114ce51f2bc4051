package main

import (
	"context"
	"fmt"

	"bty/internal/testenv/roots"
)

func fetchRoots(ctx context.Context, work string) error {
	for _, name := range []string{roots.Bookworm, roots.Trixie, roots.Podman} {
		dir, err := roots.Path(ctx, work, name)
		if err != nil {
			return err
		}
		fmt.Printf("roots: %s is in %s\n", name, dir)
	}
	return nil
}
