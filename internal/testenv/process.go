package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Program is something to run inside the LAN.
type Program struct {
	Name    string // for its log; the base name of the path if empty
	Path    string
	Args    []string
	Env     []string // beside the caller's own environment
	Sockets []Socket // inherited, as from a socket unit
	Output  *Log     // takes its standard output and error, over several starts; a new one if nil
}

// Socket is a listening socket under the name that a socket unit would give it.
type Socket struct {
	Name string
	File *os.File
}

// Process is a running Program.
type Process struct {
	Log *Log

	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid when done is closed
}

// activated sets LISTEN_PID to the id that the program is going to have, sd_listen_fds(3).
const activated = `LISTEN_PID=$$; export LISTEN_PID; exec "$0" "$@"`

// Start runs a program inside the LAN. It is killed when the LAN is closed, and when the
// calling process dies.
func (l *LAN) Start(p Program) (*Process, error) {
	return l.start(p, nil)
}

// start is Start with standard output in a log of its own, unless that is nil.
func (l *LAN) start(p Program, stdout *Log) (*Process, error) {
	path, args := p.Path, p.Args
	env := append(os.Environ(), p.Env...)
	var files []*os.File
	if len(p.Sockets) > 0 {
		path, args = "/bin/sh", append([]string{"-c", activated, p.Path}, p.Args...)
		var names []string
		for _, s := range p.Sockets {
			names, files = append(names, s.Name), append(files, s.File)
		}
		env = append(env, "LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	name := p.Name
	if name == "" {
		name = p.Path[strings.LastIndexByte(p.Path, '/')+1:]
	}
	if p.Output == nil {
		p.Output = NewLog(name)
	}
	proc := &Process{Log: p.Output, cmd: exec.Command(path, args...), done: make(chan struct{})}
	proc.cmd.Env, proc.cmd.ExtraFiles = env, files
	proc.cmd.Stdout, proc.cmd.Stderr = proc.Log, proc.Log
	if stdout != nil {
		proc.cmd.Stdout = stdout
	}
	proc.cmd.WaitDelay = 2 * time.Second // a grandchild may hold the pipe
	proc.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := l.Inside(proc.cmd.Start); errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("starting %s: %w; as root run: internal/testenv/host/setup.sh demo test", name, err)
	} else if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		proc.err = proc.cmd.Wait()
		close(proc.done)
	}()
	return proc, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the program's own end.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%s is still running: %w", p.Log.Name, ctx.Err())
	}
}

// Stop asks the program to end, and insists after ten seconds.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.done:
		return p.err
	case <-time.After(10 * time.Second):
		p.Kill()
		return fmt.Errorf("%s did not end within 10 s of SIGTERM", p.Log.Name)
	}
}

// Kill ends the program at once, as a power cut would.
func (p *Process) Kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return
	}
	<-p.done
}
