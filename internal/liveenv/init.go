package liveenv

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"time"

	"bty/internal/liveenv/hotplug"
	"bty/internal/liveenv/kmod"
	"bty/internal/liveenv/netup"

	"golang.org/x/sys/unix"
)

// gateBound is how long disk drivers wait for the NIC's driver: see hotplug.Plug.Open.
const gateBound = 2 * time.Second

// taskBound is how long background tasks may take to end.
const taskBound = 2 * time.Second

// live is one life of a live environment.
type live struct {
	version  string
	settings settings
	badArgs  error // what the command line had that cannot be used

	consoles  *consoles
	terminals []*os.File
	log       *slog.Logger
	sent      *sender // nil: the log stays here

	loader *kmod.Loader
	plug   *hotplug.Plug
	tasks  sync.WaitGroup // end when the context of live.run does

	phases phases
}

// open sets up what reporting needs: file systems, consoles, log. Whatever fails here is
// reported with what there is.
func open(version string) *live {
	l := &live{version: version, phases: newPhases()}
	mounted := mountEarly()
	// The initramfs holds one program: whoever is left to init was not started by us, and the
	// kernel buries it (SA_NOCLDWAIT).
	signal.Ignore(unix.SIGCHLD)
	l.settings, l.badArgs = parseCmdline(read("/proc/cmdline"))
	tuneKernel(l.settings)
	l.openLog()
	l.log.Info("entered v" + version)
	if mounted != nil {
		l.log.Error("early mounts", "err", mounted)
	}
	return l
}

func (l *live) openLog() {
	l.terminals = openConsoles("/sys/class/tty/console/active", "/dev", l.settings.consoles)
	var writers []io.Writer
	for _, f := range l.terminals {
		writers = append(writers, f)
	}
	l.consoles = newConsoles(writers)
	if l.settings.sendLog {
		l.sent = &sender{}
		l.consoles.also(&l.sent.keep)
	}
	var kmsg io.Writer = io.Discard
	if f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0); err == nil {
		kmsg = f
		// What the Go runtime says when it dies goes to the kernel's log too, and with it to
		// all consoles.
		_ = debug.SetCrashOutput(f, debug.CrashOptions{})
	}
	if n := len(l.terminals); n > 0 {
		// The kernel opened /dev/console before there was a /dev, so init may have no files.
		for fd := range 3 {
			_ = unix.Dup3(int(l.terminals[n-1].Fd()), fd, 0)
		}
	}
	l.log = slog.New(&journal{console: l.consoles, kmsg: kmsg})
}

// run is everything between the first line and the way out.
func (l *live) run(ctx context.Context, work Run) (next Next, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		l.endTasks()
	}()
	defer func() {
		if p := recover(); p != nil {
			l.log.Debug("panic", "stack", string(debug.Stack()))
			next, err = Reboot, fmt.Errorf("a defect in bty: %v (the kernel's log has the stack)", p)
		}
	}()
	if l.badArgs != nil {
		return Reboot, l.badArgs
	}
	if err := l.startDrivers(ctx); err != nil {
		return Reboot, err
	}
	if l.settings.server == "" {
		return work(ctx, l.alone(ctx))
	}
	boot, err := l.network(ctx)
	if err != nil {
		return Reboot, err
	}
	l.log.Info(l.phases.String())
	return work(ctx, boot)
}

// alone is a start that no server stands behind, mostly from a stick. The images may be on the
// stick, so the network is a help and no condition.
func (l *live) alone(ctx context.Context) Boot {
	l.plug.Open()
	l.task(func() error {
		if _, err := l.network(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("no network, so only images of this machine and its sticks can be had: %w", err)
		}
		return nil
	})
	looked := make(chan struct{})
	l.task(func() error {
		defer close(looked)
		return l.mountImages(ctx)
	})
	select { // a disk that does not answer must not keep the person from the others
	case <-looked:
	case <-time.After(imagesBound + 2*time.Second):
	case <-ctx.Done():
	}
	return l.toWork()
}

// toWork is what the work gets wherever the machine started from.
func (l *live) toWork() Boot {
	return Boot{Server: l.settings.server, Console: l.consoles, Terminals: l.lendable(), Log: l.log, Settle: l.plug.Settle}
}

// startDrivers begins to load drivers, the NIC's first.
func (l *live) startDrivers(ctx context.Context) error {
	var err error
	if l.loader, err = newLoader(l.settings); err != nil {
		return err
	}
	l.plug = hotplug.New(l.loader, l.log, "/sys")
	l.task(func() error { return l.plug.Run(ctx) })
	gate := time.AfterFunc(gateBound, l.plug.Open)
	context.AfterFunc(ctx, func() { gate.Stop() })
	return nil
}

// task runs something in the background whose failure does not end the work.
func (l *live) task(f func() error) {
	l.tasks.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				l.log.Error("a defect in bty", "panic", p)
			}
		}()
		if err := f(); err != nil {
			l.log.Error("background task failed", "err", err)
		}
	})
}

// endTasks waits for the background tasks, but not for one that hangs in a driver.
func (l *live) endTasks() {
	ended := make(chan struct{})
	go func() {
		l.tasks.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(taskBound):
	}
}

// network brings up the NIC and returns what the work needs to know.
func (l *live) network(ctx context.Context) (Boot, error) {
	if err := netup.Loopback(); err != nil {
		l.log.Warn("loopback", "err", err)
	}
	link, lease, err := l.settings.network().Up(ctx, netup.Steps{
		Found:   func() { l.phases.end("modules"); l.log.Debug("NIC found") },
		Carrier: func() { l.phases.end("link") },
	}, l.log)
	if err != nil {
		return Boot{}, err
	}
	l.plug.Open()
	if err := netup.Apply(link, lease, resolvConf); err != nil {
		return Boot{}, err
	}
	l.phases.end("dhcp")
	l.log.Info(fmt.Sprintf("network %s %s", link.Name, lease.Address))
	l.task(func() error { return netup.Keep(ctx, link, lease, resolvConf, l.log) })
	l.setClock(ctx)
	l.task(func() error { return mountEFIVars(func() error { return l.loader.Load("efivarfs", "") }) })
	mac := link.MAC
	if l.settings.mac != nil {
		mac = *l.settings.mac
	}
	boot := l.toWork()
	boot.MAC, boot.Interface, boot.Address = mac, link.Name, lease.Address
	return boot, nil
}

const resolvConf = "/etc/resolv.conf"

// setClock: a wrong clock breaks TLS and nothing else, so it stops nothing.
func (l *live) setClock(ctx context.Context) {
	if l.settings.server == "" {
		return
	}
	now, err := netup.ServerTime(ctx, l.settings.server)
	if err != nil {
		l.log.Warn("the server's time is not known", "server", l.settings.server, "err", err)
		return
	}
	behind, err := netup.Forward(now)
	if err != nil {
		l.log.Warn("clock", "err", err)
	}
	if behind > 0 {
		l.log.Info("clock set forward", "by", behind.Round(time.Second), "now", now.UTC().Format(time.RFC3339))
	}
	l.phases.end("clock")
}
