// Package daemon is the life of a long-running process: tasks that become ready one after the
// other, READY=1 when all are, STOPPING=1 at the first signal, a watchdog fed by a real check,
// and an HTTP server that loses no request when it stops.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"bty/internal/message"
	"bty/internal/systemd"
)

// Task is one part of a daemon.
type Task interface {
	// String names the task in messages.
	String() string
	// Run works until ctx is done and leaves no goroutine behind. A task that ends by itself
	// without an error is done; the daemon goes on.
	Run(ctx context.Context) error
	// Ready is closed once the task serves.
	Ready() <-chan struct{}
}

// Daemon runs tasks under a service manager, or without one.
type Daemon struct {
	Log *slog.Logger

	// Check proves that the daemon does its work (a read transaction, a request to itself).
	// The watchdog is fed only while it passes within half the interval. Nil passes.
	Check func(ctx context.Context) error

	// Reload reads the configuration again, on a value from Hangup, and logs what that brought. An
	// error keeps the old one in force and is logged here.
	Reload func(ctx context.Context) error
	Hangup <-chan struct{}

	// Status, if set, is the line for people; it is sent when the daemon is ready and every
	// minute after.
	Status func() string

	// ComesBack, if set, says whether this run ends only for another to follow in this process: the
	// service manager then hears that the daemon reloads, not that it stops.
	ComesBack func() bool

	// Health, if set, is where the daemon says whether it works: not before it is ready, not once it
	// stops, not while Check or Usable fails. Usable is for what a restart would not mend.
	Health *Health
	Usable func(ctx context.Context) error

	// StopTimeout bounds the time that one task may take to stop; 0 is 15 s.
	StopTimeout time.Duration

	stage    stage
	checking sync.Mutex // Check is for one caller at a time
}

// Run runs tasks until ctx is done or one of them fails, and returns the first failure. See
// Daemon.Run.
func Run(ctx context.Context, log *slog.Logger, tasks ...Task) error {
	return (&Daemon{Log: log}).Run(ctx, tasks...)
}

// Run starts each task when those before it are ready, tells the service manager when all are,
// and stops them in the opposite order, each when those after it have ended: a database listed
// first outlives the server that writes to it.
func (d *Daemon) Run(ctx context.Context, tasks ...Task) error {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	d.stage.set("it starts")
	defer d.answerHealth()()
	var started []*running
	for _, t := range tasks {
		d.stage.set("it starts: " + t.String())
		r := start(work, t, cancel)
		started = append(started, r)
		if !r.awaitReady(ctx, work) {
			break
		}
		d.Log.Debug("started", "task", t.String())
	}
	if ctx.Err() == nil && work.Err() == nil {
		d.stage.set("")
		d.say(systemd.Ready())
		d.supervise(ctx, work)
	}
	d.stage.set("it stops")
	d.sayEnd()
	return errors.Join(d.stop(started), failure(work))
}

func (d *Daemon) sayEnd() {
	if d.ComesBack != nil && d.ComesBack() {
		d.say(systemd.Reloading())
		return
	}
	d.say(systemd.Stopping())
}

// supervise returns when ctx is done or a task has failed.
func (d *Daemon) supervise(ctx, work context.Context) {
	watch, stopWatch := d.watchdog()
	defer stopWatch()
	status := time.NewTicker(time.Minute)
	defer status.Stop()
	d.sendStatus()
	for {
		select {
		case <-ctx.Done():
			return
		case <-work.Done():
			return
		case <-d.Hangup:
			d.reload(ctx)
		case <-status.C:
			d.sendStatus()
		case <-watch.C:
			d.feed(ctx, watch.every)
		}
	}
}

// watch is the watchdog's ticker; C is nil when nobody watches.
type watch struct {
	C     <-chan time.Time
	every time.Duration
}

func (d *Daemon) watchdog() (watch, func()) {
	interval, err := systemd.WatchdogInterval()
	if err != nil {
		d.Log.Warn("watchdog off: its variables cannot be read", message.ManagerDeaf, "err", err)
	}
	if interval <= 0 {
		return watch{}, func() {}
	}
	t := time.NewTicker(interval / 2)
	return watch{t.C, interval / 2}, t.Stop
}

func (d *Daemon) feed(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := d.check(ctx); err != nil {
		d.Log.Error("the daemon's own check failed; the watchdog is not fed", message.CheckFailed, "err", err)
		return
	}
	d.say(systemd.Watchdog())
}

func (d *Daemon) check(ctx context.Context) error {
	if d.Check == nil {
		return nil
	}
	d.checking.Lock()
	defer d.checking.Unlock()
	return d.Check(ctx)
}

func (d *Daemon) reload(ctx context.Context) {
	d.say(systemd.Reloading())
	err := fmt.Errorf("this daemon cannot reload; restart it (the sockets stay open)")
	if d.Reload != nil {
		err = d.Reload(ctx)
	}
	if err != nil {
		d.Log.Error("reload failed; the configuration in force stays", message.ReloadFailed, "err", err)
		d.say(systemd.ReloadFailed(err))
		return
	}
	d.say(systemd.Ready())
	d.sendStatus()
}

func (d *Daemon) sendStatus() {
	if d.Status != nil {
		d.say(systemd.Status("%s", d.Status()))
	}
}

// say logs a message that did not reach the service manager; the daemon serves without it.
func (d *Daemon) say(err error) {
	if err != nil {
		d.Log.Warn("the service manager did not hear us", message.ManagerDeaf, "err", err)
	}
}

// lastWords has the journal explain why the daemon ends.
func lastWords(name string, err error) error {
	journal, dialErr := systemd.DialJournal(systemd.JournalSocket, slog.LevelError)
	if dialErr != nil {
		return dialErr
	}
	line := slog.NewRecord(time.Now(), slog.LevelError, fmt.Sprintf("%s: %v", name, err), 0)
	line.AddAttrs(message.OfError(err))
	if err := journal.Handle(context.Background(), line); err != nil {
		return err
	}
	journal.Linger()
	return nil
}

// Exit prints err in one line and returns the process's exit code: 0 without one, the error's own
// (2 for wrong units or a wrong configuration), else 1.
func Exit(name string, err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	if !systemd.IsJournal(os.Getenv, stderr) || lastWords(name, err) != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	coded, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err)
	// A tool that failed has a code too, which says nothing of ours: its 2 is not a wrong command line.
	if _, tool := coded.(*exec.ExitError); !ok || tool {
		return 1
	}
	return coded.ExitCode()
}
