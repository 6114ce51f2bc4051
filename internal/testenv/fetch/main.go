// Fetch gets from Debian what a boot needs and this repository does not hold: stock iPXE boot
// programs, a kernel with its modules, root file systems with systemd for the tests, and the TFTP
// servers that the benchmark measures ours against.
//
//	fetch -work build ipxe      into build/ipxe
//	fetch -work build kernel    into build/kernel/x86_64 (-arch arm64: into build/kernel/arm64)
//	fetch -work build roots     into build/roots
//	fetch -work build peers     into build/peers
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"bty/internal/testenv/aptget"
	"bty/internal/testenv/flock"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("fetch", flag.ContinueOnError)
	work := flags.String("work", "build", "the build folder")
	arch := flags.String("arch", "x86_64", "of the kernel: x86_64 or arm64")
	if err := flags.Parse(args); err != nil {
		return err
	}
	targets := map[string]func(context.Context, string) error{"ipxe": fetchIPXE, "roots": fetchRoots, "peers": fetchPeers}
	targets["kernel"] = func(ctx context.Context, work string) error { return fetchKernel(ctx, work, *arch) }
	fetch, known := targets[flags.Arg(0)]
	if !known || flags.NArg() != 1 {
		return errors.New("want one of: ipxe, kernel, roots, peers")
	}
	ctx, cancel := context.WithTimeout(ctx, 8*time.Minute)
	defer cancel()
	if err := os.MkdirAll(*work, 0o755); err != nil {
		return err
	}
	lock, err := flock.Lock(ctx, filepath.Join(*work, flags.Arg(0)+".lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	return fetch(ctx, *work)
}

// openApt opens a private apt for the sources that choose picks of the machine's own.
func openApt(ctx context.Context, dir string, choose func(configured []aptget.Source, codename string) ([]aptget.Source, error)) (*aptget.Apt, error) {
	codename, err := aptget.Codename("/etc/os-release")
	if err != nil {
		return nil, err
	}
	configured, err := aptget.Configured("/etc/apt")
	if err != nil {
		return nil, err
	}
	sources, err := choose(configured, codename)
	if err != nil {
		return nil, err
	}
	apt, err := aptget.Open(dir, sources)
	if err != nil {
		return nil, err
	}
	return apt, apt.Update(ctx)
}
