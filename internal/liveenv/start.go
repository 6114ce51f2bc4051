package liveenv

import (
	"context"
	"os"
)

func isInit() bool { return os.Getpid() == 1 || isModprobe(os.Args) }

func start(ctx context.Context, version string, work Run) {
	if isModprobe(os.Args) {
		if modprobe(os.Args, read("/proc/cmdline")) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	l := open(version)
	next, err := Reboot, error(nil)
	if l.settings.rescue {
		err = l.rescue(ctx)
	} else {
		next, err = l.run(ctx, l.logged(work))
	}
	if err != nil {
		l.fail(err)
		next = Reboot
	}
	l.leave(next)
}
