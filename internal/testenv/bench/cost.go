package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cost is what a piece of work took.
type cost struct {
	wall, cpu float64 // seconds; cpu of its processes, of the origin and of the kernel's workers
	own       float64 // of cpu, of its processes
	peak      float64 // MiB, of its first process
	out       []byte
}

// priced runs a command and adds up what it cost, whoever worked for it.
func priced(ctx context.Context, origin int, argv ...string) (cost, error) {
	before, err := elsewhere(origin)
	if err != nil {
		return cost{}, err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return cost{}, err
	}
	peak := watchPeak(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		return cost{}, fmt.Errorf("%s: %w: %s %s", strings.Join(argv, " "), err, &msg, &out)
	}
	c := cost{wall: time.Since(begun).Seconds(), out: out.Bytes(), peak: peak()}
	after, err := elsewhere(origin)
	if err != nil {
		return cost{}, err
	}
	state := cmd.ProcessState
	c.own = (state.UserTime() + state.SystemTime()).Seconds()
	c.cpu = c.own + (after - before).Seconds()
	return c, nil
}

// watchPeak follows the high-water mark of a process's memory. The one that the kernel gives when a
// process has ended begins with what its parent had.
func watchPeak(pid int) (peak func() float64) {
	quit, seen := make(chan struct{}), make(chan float64)
	go func() {
		most := 0.0
		for {
			most = max(most, memoryOf(pid, "VmHWM:"))
			select {
			case <-time.After(20 * time.Millisecond):
			case <-quit:
				seen <- most
				return
			}
		}
	}()
	return func() float64 { close(quit); return <-seen }
}

// pricedAlone runs a stage alone, which measures itself: what it prepares does not count.
func pricedAlone(ctx context.Context, origin int, argv ...string) (cost, error) {
	c, err := priced(ctx, origin, argv...)
	if err != nil {
		return c, err
	}
	others := c.cpu - c.own
	if _, err := fmt.Sscan(string(c.out), &c.wall, &c.own); err != nil {
		return c, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, c.out)
	}
	c.cpu = c.own + others
	return c, nil
}

// elsewhere is the processor time of the origin and of the kernel's workers, which do the writing
// behind a loop device.
func elsewhere(origin int) (time.Duration, error) {
	sum := time.Duration(0)
	if origin != 0 {
		own, err := workedOf(origin)
		if err != nil {
			return 0, err
		}
		sum += own
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(b, []byte("(kworker/")) { // or it has ended
			continue
		}
		pid, _, _ := strings.Cut(string(b), " ")
		if n, err := strconv.Atoi(pid); err == nil {
			own, _ := workedOf(n)
			sum += own
		}
	}
	return sum, nil
}

// startOrigin serves a folder in a process of its own.
func startOrigin(ctx context.Context, dir string) (url string, pid int, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", 0, nil, err
	}
	cmd := exec.CommandContext(ctx, self, aloneArg, "serve", dir, "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", 0, nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", 0, nil, err
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() } // it was killed
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", 0, nil, fmt.Errorf("the origin does not start: %w", err)
	}
	return "http://" + strings.TrimSpace(address), cmd.Process.Pid, stop, nil
}
