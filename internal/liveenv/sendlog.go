package liveenv

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bty/internal/client"
	"bty/internal/wire"
)

const (
	sendEvery   = 3 * time.Second
	sendSeldom  = 30 * time.Second // while the server does not answer
	sendAtEnd   = 5 * time.Second  // how long the reboot waits for the last piece
	pieceOfALog = wire.MaxLog
)

// sender gives the log to the server, piece by piece. A piece whose answer is lost is sent again:
// the server then has it twice, which is better than not at all.
type sender struct {
	keep logkeep
	stop context.CancelFunc // of the task; nil before there is one
	done chan struct{}
	post func(ctx context.Context, piece []byte) error
}

// start sends from now on, until end.
func (s *sender) start(post func(context.Context, []byte) error) {
	ctx, cancel := context.WithCancel(context.Background())
	s.post, s.stop, s.done = post, cancel, make(chan struct{})
	go func() {
		defer close(s.done)
		s.run(ctx)
	}()
}

// run ends early if the server does not take logs at all: one before this route existed.
func (s *sender) run(ctx context.Context) {
	for wait := sendEvery; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		switch err := s.send(ctx); {
		case refused(err):
			return
		case err != nil:
			wait = min(2*wait, sendSeldom)
		default:
			wait = sendEvery
		}
	}
}

// send sends all that waits.
func (s *sender) send(ctx context.Context) error {
	for {
		piece, sent := s.keep.piece(pieceOfALog)
		if len(piece) == 0 {
			return nil
		}
		if err := s.post(ctx, piece); err != nil {
			return err
		}
		sent()
	}
}

// end sends the rest, within a bound. It may be called without start.
func (s *sender) end(bound time.Duration) error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	<-s.done
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	return s.send(ctx)
}

// refused: the server has no such route. Whatever else it says may change with time.
func refused(err error) bool {
	status, ok := errors.AsType[*client.StatusError](err)
	return ok && (status.Code == http.StatusNotFound || status.Code == http.StatusMethodNotAllowed)
}

// logged is work whose log goes to the server, if the command line asks for it. It goes on until
// the machine is left: a failure is on the consoles for a while, and that is the end of the log.
func (l *live) logged(work Run) Run {
	return func(ctx context.Context, b Boot) (Next, error) {
		if l.sent == nil || b.Server == "" {
			return work(ctx, b)
		}
		server, err := client.ParseServer(b.Server)
		if err != nil {
			return Reboot, fmt.Errorf("bty.server= on the kernel command line: %w", err)
		}
		l.sent.start(client.New(server, b.MAC, l.version).Log)
		return work(ctx, b)
	}
}

// endLog gives the server the last lines.
func (l *live) endLog() {
	if l.sent == nil {
		return
	}
	if err := l.sent.end(sendAtEnd); err != nil {
		l.log.Warn("the server does not have the end of this log", "err", err)
	}
}
