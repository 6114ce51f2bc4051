package main

import (
	"context"
	"fmt"

	"bty/internal/testenv/roots"
)

func fetchRoots(ctx context.Context, work string) error {
	for _, suite := range []string{roots.Bookworm, roots.Trixie} {
		dir, err := roots.Path(ctx, work, suite)
		if err != nil {
			return err
		}
		fmt.Printf("roots: Debian %s is in %s\n", suite, dir)
	}
	return nil
}
