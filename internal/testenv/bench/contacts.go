package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// contacts measures the two questions of a machine against /healthz of the same server. A
// contact is on disk before it is answered; /healthz touches nothing.
func contacts(ctx context.Context, build string, each time.Duration) error {
	fmt.Printf("\n## Contacts: requests/s (p50, p99), and the ratio to /healthz in the same run\n\n")
	fmt.Println("| machines | connections | /healthz | /pxe/{mac} | ratio | /pxe/{mac}/plan | ratio | resident |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, machines := range []int{1, 1000, 10000} {
		if err := contactsOf(ctx, build, each, machines); err != nil {
			return err
		}
	}
	return nil
}

func contactsOf(ctx context.Context, build string, each time.Duration, machines int) error {
	s, err := start(ctx, build)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.know(machines); err != nil {
		return err
	}
	script := requests(machines, "/pxe/%s")
	plan := requests(machines, "/pxe/%s/plan")
	for _, n := range []int{1, 16, 64, 256} {
		health, err := load(s.address, n, each, func(int, int) []byte { return healthz })
		if err != nil {
			return err
		}
		a, err := load(s.address, n, each, spread(script, n))
		if err != nil {
			return err
		}
		b, err := load(s.address, n, each, spread(plan, n))
		if err != nil {
			return err
		}
		fmt.Printf("| %d | %d | %s | %s | %.2f | %s | %.2f | %.0f MiB |\n", machines, n, health, a, a.rate/health.rate, b, b.rate/health.rate, s.resident())
	}
	return nil
}

var healthz = get("/healthz")

func requests(machines int, path string) [][]byte {
	all := make([][]byte, machines)
	for i := range all {
		all[i] = get(fmt.Sprintf(path, strings.ReplaceAll(macOf(i), ":", "-")))
	}
	return all
}

// spread sends each worker through all machines, from different places.
func spread(all [][]byte, workers int) func(worker, i int) []byte {
	return func(worker, i int) []byte { return all[(worker*len(all)/workers+i*7919)%len(all)] }
}

func (r result) String() string {
	text := fmt.Sprintf("%.0f (%.2f ms, %.2f ms)", r.rate, ms(r.p50), ms(r.p99))
	if r.failed > 0 {
		text += fmt.Sprintf(" **%d failed**", r.failed)
	}
	return text
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
