package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// server is a real bty-web process over a fresh state folder.
type server struct {
	cmd     *exec.Cmd
	address string
	dir     string
}

func start(ctx context.Context, build string) (*server, error) {
	return startOver(ctx, build, func(string) error { return nil })
}

// startOver starts a server over a state folder that prepare has filled.
func startOver(ctx context.Context, build string, prepare func(state string) error) (*server, error) {
	dir, err := os.MkdirTemp("", "bty-bench-")
	if err != nil {
		return nil, err
	}
	if err := prepare(filepath.Join(dir, "state")); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{address: l.Addr().String(), dir: dir}
	_, port, _ := net.SplitHostPort(s.address)
	l.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd = exec.CommandContext(ctx, filepath.Join(build, "bin", "bty-web"))
	s.cmd.Stderr = log
	s.cmd.Env = append(os.Environ(), "BTY_PATHS_STATE_DIR="+filepath.Join(dir, "state"), "BTY_PATHS_RUN_DIR="+filepath.Join(dir, "run"),
		"BTY_SERVER_HOST=127.0.0.1", "BTY_SERVER_PORT="+port, "BTY_ADMIN_PASSWORD=bench")
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	return s, s.await()
}

func (s *server) await() error {
	for range 200 {
		resp, err := http.Get("http://" + s.address + "/readyz")
		if err == nil {
			resp.Body.Close()
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("bty-web did not start; its log is in %s", s.dir)
}

// settle waits until the server has read at its ease what was there at the start.
func (s *server) settle() error {
	for range 300 {
		before, err := s.worked()
		if err != nil {
			return err
		}
		time.Sleep(500 * time.Millisecond)
		after, err := s.worked()
		if err != nil || after-before < 20*time.Millisecond {
			return err
		}
	}
	return fmt.Errorf("bty-web does not come to rest")
}

// worked is the processor time that the server has taken.
func (s *server) worked() (time.Duration, error) { return workedOf(s.cmd.Process.Pid) }

// workedOf is the processor time that a process has taken, and those of its children that have ended.
func workedOf(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:])) // from the state, the third, on
	if len(fields) < 15 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var ticks int
	for _, field := range fields[11:15] { // user and system time, its own and its children's
		n, failed := strconv.Atoi(field)
		ticks += n
		err = errors.Join(err, failed)
	}
	return time.Duration(ticks) * 10 * time.Millisecond, err
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
	os.RemoveAll(s.dir)
}

// resident is the server's memory in MiB.
func (s *server) resident() float64 { return residentOf(s.cmd.Process.Pid) }

// residentOf is the memory of a process in MiB.
func residentOf(pid int) float64 { return memoryOf(pid, "VmRSS:") }

// memoryOf is a line of /proc/PID/status in MiB, 0 if the process has ended.
func memoryOf(pid int, line string) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for text := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(text, line); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kib) / 1024
		}
	}
	return 0
}

// operator is an HTTP client that is signed in.
func (s *server) operator() (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Jar: jar, Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	resp, err := client.PostForm("http://"+s.address+"/ui/login", url.Values{"password": {"bench"}})
	if err != nil {
		return nil, err
	}
	return client, resp.Body.Close()
}

func macOf(i int) string {
	return fmt.Sprintf("52:54:%02x:%02x:%02x:%02x", byte(i>>24), byte(i>>16), byte(i>>8), byte(i))
}

// know makes the server know n machines in a boot mode that changes no fact when they ask.
func (s *server) know(n int) error {
	client, err := s.operator()
	if err != nil {
		return err
	}
	var next atomic.Int64
	var failure atomic.Value
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := s.put(client, "/machines/"+macOf(i), `{"boot_mode":"ipxe-exit"}`); err != nil {
					failure.Store(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err, ok := failure.Load().(error); ok {
		return err
	}
	return nil
}

func (s *server) put(client *http.Client, path, body string) error {
	req, err := http.NewRequest(http.MethodPut, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("PUT %s: %s", path, resp.Status)
	}
	return nil
}
