package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"bty/internal/machine"
)

// turns is how often two servers, or two states of one, are measured in turn: the median of each
// says what is theirs and not the machine's.
const turns = 5

// A fleet and few machines are measured in slices, each in slices of the time that one turn would take: what
// else the machine does, and how fast it is by turns, is then the same for both.
const (
	slicesOfTurn = 3
	slicesOfRow  = turns * slicesOfTurn
)

// fleet measures contacts over a database of a fleet beside those over an empty one, in turn.
func fleet(ctx context.Context, build string, each time.Duration) error {
	fmt.Printf("\n## Contacts with %d machines and %d events, beside %d machines without a past, in turn: requests/s (p50, p99)\n\n", manyMachines, manyEvents, fewMachines)
	fmt.Println("| what | connections | empty | full | ratio | processor time of a request | ratio | resident |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, c := range []struct {
		name string
		mode machine.BootMode
		path []string
	}{
		{"script, no fact changes", machine.IPXEExit, []string{"/pxe/%s"}},
		{"plan, no fact changes", machine.IPXEExit, []string{"/pxe/%s/plan"}},
		{"script, start and inventory, facts change", machine.Inventory, []string{"/pxe/%s", "/boot/bty-live-x86_64.vmlinuz?mac=%s", "POST /pxe/%s/inventory"}},
	} {
		if err := beside(ctx, build, each, c.name, c.mode, c.path); err != nil {
			return err
		}
	}
	return nil
}

func beside(ctx context.Context, build string, each time.Duration, name string, mode machine.BootMode, paths []string) error {
	full, err := startOver(ctx, build, fill(manyMachines, manyEvents, mode))
	if err != nil {
		return err
	}
	defer full.stop()
	empty, err := startOver(ctx, build, fill(fewMachines, 0, mode))
	if err != nil {
		return err
	}
	defer empty.stop()
	if err := errors.Join(full.settle(), empty.settle(), full.rest(), empty.rest()); err != nil {
		return err
	}
	for _, n := range []int{1, 16, 64, 256} {
		few, many := boots(fewMachines, paths, n), boots(manyMachines, paths, n)
		as, bs, err := inSlices(
			func() (result, error) { return empty.alone(n, each/slicesOfTurn, few) },
			func() (result, error) { return full.alone(n, each/slicesOfTurn, many) })
		if err != nil {
			return err
		}
		a, b := median(as), median(bs)
		fmt.Printf("| %s | %d | %s | %s | %.2f | %d and %d µs | %.2f | %.0f and %.0f MiB |\n", name, n, a, b, ratio(as, bs, func(r result) float64 { return r.rate }),
			a.cpu.Microseconds(), b.cpu.Microseconds(), ratio(bs, as, func(r result) float64 { return float64(r.cpu) }), empty.resident(), full.resident())
	}
	return nil
}

// load is load of this server, which also tells the processor time of a request: on a machine that
// has other work, too, that is what can be compared.
func (s *server) load(n int, each time.Duration, next func(worker, i int) []byte) (result, error) {
	before, err := s.worked()
	if err != nil {
		return result{}, err
	}
	r, err := load(s.address, n, each, next)
	if err != nil {
		return r, err
	}
	after, err := s.worked()
	r.cpu = time.Duration(float64(after-before) / max(1, r.rate*each.Seconds()))
	return r, err
}

// alone is load of this server while the other one is stopped: it has work left from its own turn, contacts
// to fold or events to delete, and is to do that in its own time. Its timers are late then, so a moment
// passes before the measurement.
func (s *server) alone(n int, each time.Duration, next func(worker, i int) []byte) (r result, err error) {
	if err := s.signal(syscall.SIGCONT); err != nil {
		return r, err
	}
	time.Sleep(50 * time.Millisecond)
	r, err = s.load(n, each, next)
	return r, errors.Join(err, s.rest())
}

// rest stops a server until it is continued.
func (s *server) rest() error { return s.signal(syscall.SIGSTOP) }

func (s *server) signal(sig syscall.Signal) error { return s.cmd.Process.Signal(sig) }

// inSlices measures one and the other alternately, beginning with each as often.
func inSlices(one, other func() (result, error)) (as, bs []result, err error) {
	for i := range slicesOfRow {
		first, second, a, b := one, other, &as, &bs
		if i%2 == 1 {
			first, second, a, b = other, one, &bs, &as
		}
		x, err := first()
		if err != nil {
			return nil, nil, err
		}
		y, err := second()
		if err != nil {
			return nil, nil, err
		}
		*a, *b = append(*a, x), append(*b, y)
	}
	return as, bs, nil
}

// ratio is the median of the ratios of slices that followed each other.
func ratio(under, over []result, of func(result) float64) float64 {
	all := make([]float64, len(over))
	for i := range over {
		all[i] = of(over[i]) / of(under[i])
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// boots sends each worker through all machines, and each machine through all paths.
func boots(machines int, paths []string, workers int) func(worker, i int) []byte {
	all := make([][][]byte, len(paths))
	for i, path := range paths {
		if to, isPost := strings.CutPrefix(path, "POST "); isPost {
			all[i] = posts(machines, to, `{"disks":[{"path":"/dev/nvme0n1","size":"953.9G","serial":"S1","tran":"nvme"}]}`)
			continue
		}
		all[i] = requests(machines, path)
	}
	return func(worker, i int) []byte {
		turn := i / len(paths)
		return all[i%len(paths)][(worker*machines/workers+turn*7919)%machines]
	}
}

func posts(machines int, path, body string) [][]byte {
	all := make([][]byte, machines)
	for i := range all {
		all[i] = post(fmt.Sprintf(path, macOf(i)), body)
	}
	return all
}

// inTurn measures one and the other alternately, and returns the median of each.
func inTurn(one, other func() (result, error)) (a, b result, err error) {
	var as, bs []result
	for range turns {
		for _, m := range []struct {
			run func() (result, error)
			to  *[]result
		}{{one, &as}, {other, &bs}} {
			r, err := m.run()
			if err != nil {
				return a, b, err
			}
			*m.to = append(*m.to, r)
		}
	}
	return median(as), median(bs), nil
}

// median takes each figure's median by itself.
func median(all []result) result {
	pick := func(value func(result) float64) float64 {
		values := make([]float64, len(all))
		for i, r := range all {
			values[i] = value(r)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	failed := 0
	for _, r := range all {
		failed += r.failed
	}
	return result{rate: pick(func(r result) float64 { return r.rate }), failed: failed, cpu: time.Duration(pick(func(r result) float64 { return float64(r.cpu) })),
		p50: time.Duration(pick(func(r result) float64 { return float64(r.p50) })), p99: time.Duration(pick(func(r result) float64 { return float64(r.p99) }))}
}

// startFleet starts a server over the database of a fleet, waits until it has read its log, and
// signs the operator in.
func startFleet(ctx context.Context, build string) (*server, *http.Client, error) {
	s, err := startOver(ctx, build, fill(manyMachines, manyEvents, machine.IPXEExit))
	if err != nil {
		return nil, nil, err
	}
	err = s.settle()
	var client *http.Client
	if err == nil {
		client, err = s.operator()
	}
	if err != nil {
		s.stop()
		return nil, nil, err
	}
	return s, client, nil
}

// page measures what people and programs read of a fleet.
func page(ctx context.Context, build string, _ time.Duration) error {
	s, client, err := startFleet(ctx, build)
	if err != nil {
		return err
	}
	defer s.stop()
	fmt.Printf("\n## Pages with %d machines and %d events, one request at a time\n\n", manyMachines, manyEvents)
	fmt.Println("| what | p50 | p99 | processor time | size |")
	fmt.Println("|---|---|---|---|---|")
	for _, path := range []string{"/ui/machines?per_page=100", "/ui/machines?per_page=100&page=50&sort=last_seen_at&dir=desc", "/ui/machines?per_page=100&q=rack-12",
		"/ui/machines/" + macOf(77), "/ui/dashboard", "/ui/events?per_page=100", "/ui/events?filter=attention", "/ui/events?per_page=100&q=" + macOf(4321), "/machines"} {
		const times = 200
		before, err := s.worked()
		if err != nil {
			return err
		}
		took, size, err := s.fetch(client, path, times)
		if err != nil {
			return err
		}
		after, err := s.worked()
		if err != nil {
			return err
		}
		fmt.Printf("| `%s` | %.1f ms | %.1f ms | %.1f ms | %d KiB |\n", path, ms(took[len(took)/2]), ms(took[len(took)*99/100]), ms(after-before)/times, size>>10)
	}
	return nil
}

// fetch gets a path n times and returns how long each took, sorted.
func (s *server) fetch(client *http.Client, path string, n int) (took []time.Duration, size int64, err error) {
	for range n {
		begin := time.Now()
		resp, err := client.Get("http://" + s.address + path)
		if err != nil {
			return nil, 0, err
		}
		size, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return nil, 0, fmt.Errorf("GET %s: %s %w", path, resp.Status, err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took, size, nil
}
