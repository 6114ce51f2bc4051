package daemon

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	_ "bty/internal/daemon/hangup" // before everything else
)

// Signals returns a context that ends at the first SIGINT or SIGTERM and a channel that gets a
// value per SIGHUP. A second SIGINT or SIGTERM kills the process at once. It must be the first
// statement of main: a SIGHUP that comes before it is forgotten.
func Signals(parent context.Context) (ctx context.Context, hangup <-chan struct{}, stop func()) {
	hup, hups := make(chan os.Signal, 1), make(chan struct{}, 1)
	signal.Notify(hup, unix.SIGHUP)
	ctx, cancel := signal.NotifyContext(parent, unix.SIGINT, unix.SIGTERM)
	context.AfterFunc(ctx, cancel)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range hup {
			select {
			case hups <- struct{}{}:
			default: // one reload is waiting already
			}
		}
	}()
	return ctx, hups, func() {
		cancel()
		signal.Stop(hup)
		close(hup)
		<-ended
	}
}
