package pyclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// pipeline is processes, the output of each the input of the next.
type pipeline struct {
	ctx  context.Context
	all  []*stage
	side *stage     // sha256sum
	ends []*os.File // of pipes, closed here once the processes have them
	err  error
}

type stage struct {
	*exec.Cmd
	said bytes.Buffer
}

func (l *pipeline) command(argv ...string) *stage {
	s := &stage{Cmd: exec.CommandContext(l.ctx, argv[0], argv[1:]...)}
	s.Stderr = &s.said
	return s
}

// add puts a process behind those that are there.
func (l *pipeline) add(argv ...string) {
	s := l.command(argv...)
	if n := len(l.all); n > 0 {
		s.Stdin, l.all[n-1].Stdout = l.pipe()
	}
	l.all = append(l.all, s)
}

// pipe returns both ends of one, or remembers why there is none.
func (l *pipeline) pipe() (io.Reader, io.Writer) {
	r, w, err := os.Pipe()
	if err != nil {
		l.err = errors.Join(l.err, err)
		return nil, nil
	}
	l.ends = append(l.ends, r, w)
	return r, w
}

// tee gives what passes to sha256sum as well.
func (l *pipeline) tee(sum *bytes.Buffer) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	l.ends = append(l.ends, r, w)
	l.side = l.command("sha256sum")
	l.side.Stdin, l.side.Stdout = r, sum
	l.add("tee", "/dev/fd/3")
	l.all[len(l.all)-1].ExtraFiles = []*os.File{w}
	return nil
}

// run starts all and waits for all. The first that failed, in their order, is the error.
func (l *pipeline) run() error {
	if l.err != nil {
		return l.err
	}
	stages := l.all
	if l.side != nil {
		stages = append(stages[:len(stages):len(stages)], l.side)
	}
	started := 0
	for _, s := range stages {
		if err := s.Start(); err != nil {
			l.err = err
			break
		}
		started++
	}
	l.close()
	var first error
	for _, s := range stages[:started] {
		if err := s.Wait(); err != nil && first == nil {
			first = fmt.Errorf("%s exited %d: %s", s.Args[0], s.ProcessState.ExitCode(), strings.TrimSpace(s.said.String()))
		}
	}
	return errors.Join(l.err, first)
}

func (l *pipeline) close() {
	for _, f := range l.ends {
		f.Close()
	}
	l.ends = nil
}
