// Command bench measures bty-web against itself and its peers, side by side in one run, and
// prints the figures as tables. It asserts nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == aloneArg {
		if err := alone(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	build := flag.String("build", "build", "the `folder` with bin/bty-web")
	each := flag.Duration("each", 2*time.Second, "how long each load runs")
	only := flag.String("only", "", "run these `parts` alone, with commas between them: rest, cold, contacts, fleet, page, streams, backup, storm, files, cache, tftp, sniff, flash")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *build, *each, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, build string, each time.Duration, only string) error {
	parts := []struct {
		name string
		run  func(context.Context, string, time.Duration) error
	}{{"rest", atRest}, {"cold", cold}, {"contacts", contacts}, {"fleet", fleet}, {"page", page}, {"streams", streams}, {"backup", backups}, {"storm", storm}, {"files", files}, {"cache", cache}, {"tftp", tftp}, {"sniff", sniffing}, {"flash", flashing}}
	for _, p := range parts {
		if only != "" && !slices.Contains(strings.Split(only, ","), p.name) {
			continue
		}
		if err := p.run(ctx, build, each); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func atRest(ctx context.Context, build string, _ time.Duration) error {
	s, err := start(ctx, build)
	if err != nil {
		return err
	}
	defer s.stop()
	time.Sleep(time.Second)
	fmt.Printf("\n## bty-web idle\n\nresident %.1f MiB\n", s.resident())
	return nil
}
