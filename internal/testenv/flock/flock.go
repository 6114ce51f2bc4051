// Package flock keeps two runs from making the same thing at the same time. The kernel drops a lock
// when its process dies, however it dies.
package flock

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lock waits until the file is ours. Closing it gives it back.
func Lock(ctx context.Context, name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return f, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("another run holds %s: %w", name, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
