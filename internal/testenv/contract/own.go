package contract

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Program is a bty-web that was built for the cases.
type Program struct{ path, dir string }

// Build builds bty-web into a folder.
func Build(dir string) (*Program, error) {
	p := &Program{filepath.Join(dir, "bty-web"), dir}
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", p.path, "bty/cmd/bty-web")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build bty-web: %w\n%s", err, out)
	}
	return p, nil
}

// Instance is a bty-web that runs in a state folder of its own.
type Instance struct {
	*Server
	State string // folder
	mu    sync.Mutex
	log   strings.Builder
	env   []string
	cmd   *exec.Cmd
	ended chan struct{}
}

// Command runs the program beside the server with the same settings, and returns what it says.
func (i *Instance) Command(args ...string) (string, error) {
	cmd := exec.Command(i.cmd.Path, args...)
	cmd.Env = i.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Start starts bty-web over a state folder with settings of its own, NAME=value, and waits for it.
func (p *Program) Start(state string, settings ...string) (*Instance, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	i := &Instance{Server: &Server{URL: "http://127.0.0.1:" + port, Password: "correct horse"}, State: state, ended: make(chan struct{})}
	i.env = append([]string{"PATH=" + os.Getenv("PATH"), "BTY_SERVER_HOST=127.0.0.1", "BTY_SERVER_PORT=" + port, "BTY_ADMIN_PASSWORD=" + i.Password,
		"BTY_PATHS_STATE_DIR=" + state, "BTY_PATHS_RUN_DIR=" + filepath.Join(state, "run"), "BTY_CONFIG_FILE=" + filepath.Join(state, "none.toml"), "BTY_LOG_FORMAT=text"}, settings...)
	i.cmd = exec.Command(p.path)
	i.cmd.Env = i.env
	i.cmd.Stderr = writer(i.write)
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a killed test leaves no server
	if err := i.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = i.cmd.Wait(); close(i.ended) }()
	return i, i.ready()
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func (i *Instance) write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.Write(p)
}

// Said is the log so far.
func (i *Instance) Said() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.String()
}

func (i *Instance) ready() error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if response, err := client.Get(i.URL + "/healthz"); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-i.ended:
			return fmt.Errorf("bty-web ended with %d:\n%s", i.cmd.ProcessState.ExitCode(), i.Said())
		default:
		}
	}
	return errors.New("bty-web does not answer after 20 s:\n" + i.Said())
}

// Stop ends it as a service manager would.
func (i *Instance) Stop() error {
	select {
	case <-i.ended:
		return nil
	default:
	}
	_ = i.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-i.ended:
		return nil
	case <-time.After(20 * time.Second):
		_ = i.cmd.Process.Kill()
		return errors.New("bty-web did not end within 20 s")
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
