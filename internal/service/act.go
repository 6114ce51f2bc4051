package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/systemd/manager"
)

// Verb is an act of the operator.
type Verb string

const (
	Start   Verb = "start"
	Stop    Verb = "stop"
	Restart Verb = "restart"
)

// Verbs are all of them.
var Verbs = []Verb{Start, Stop, Restart}

// ParseVerb reads a verb.
func ParseVerb(s string) (Verb, error) {
	for _, v := range Verbs {
		if s == string(v) {
			return v, nil
		}
	}
	return "", fault.New(fault.NotFound, "the TFTP daemon can be started, stopped and restarted, not %q", s)
}

// Command does the same on the host, for its administrator.
func (v Verb) Command() string {
	switch v {
	case Start:
		return "systemctl start " + Socket
	case Stop:
		return "systemctl stop " + Socket + " " + Service
	default:
		return "systemctl restart " + Service
	}
}

// done says what the act came to.
func (v Verb) done() (event.Kind, string) {
	switch v {
	case Start:
		return event.TFTPStarted, "The TFTP daemon was started: its socket listens"
	case Stop:
		return event.TFTPStopped, "The TFTP daemon was stopped: its port is closed"
	default:
		return event.TFTPRestarted, "The TFTP daemon was restarted"
	}
}

// actTime is longer than the daemon takes to let running transfers end.
const actTime = 25 * time.Second

// Do does one act and records what became of it. It goes on when the caller is gone.
func (t *TFTP) Do(ctx context.Context, v Verb, from netip.Addr) (State, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTime)
	defer cancel()
	if !t.acting.TryLock() {
		return State{}, fault.New(fault.Conflict, "The TFTP daemon is being started or stopped already; wait for that.")
	}
	defer t.acting.Unlock()
	err := refuse(v, t.State(ctx))
	if err == nil {
		err = explain(v, t.act(ctx, v))
		t.forget()
		if t.Acted != nil {
			t.Acted()
		}
	}
	kind, summary := v.done()
	if err != nil {
		kind, summary = event.TFTPControlFailed, fault.Public(err)
	}
	e := t.event(kind, from, summary)
	if err != nil {
		e = e.With(slog.String("err", summary))
	}
	if recorded := t.Book.Record(context.WithoutCancel(ctx), e); err == nil {
		err = recorded
	}
	return t.State(ctx), err
}

// refuse says why an act is not even tried.
func refuse(v Verb, s State) error {
	switch {
	case s.Refused != "":
		return fault.New(fault.Conflict, "%s of the TFTP daemon cannot be done from here: %s On its host, as root: %s", name(v), s.Refused, v.Command())
	case v == Restart && s.Socket.Active != "active":
		return fault.New(fault.Conflict, "The TFTP daemon is stopped; start it instead.")
	}
	return nil
}

// act does it. The socket stops first: a request that comes in between would start the service anew.
func (t *TFTP) act(ctx context.Context, v Verb) error {
	switch v {
	case Start:
		return t.Manager.Start(ctx, Socket)
	case Stop:
		if err := t.Manager.Stop(ctx, Socket); err != nil {
			return err
		}
		return t.Manager.Stop(ctx, Service)
	default:
		return t.Manager.Restart(ctx, Service)
	}
}

// explain says what went wrong and what to do about it.
func explain(v Verb, err error) error {
	if err == nil {
		return nil
	}
	job, isJob := errors.AsType[*manager.JobError](err)
	switch {
	case errors.Is(err, manager.ErrDenied):
		return fault.Wrap(fault.Forbidden, err, "%s of the TFTP daemon failed: polkit does not allow it to the user of bty-web, or does not run; is bty's rule in /usr/share/polkit-1/rules.d? By hand: %s", name(v), v.Command())
	case errors.Is(err, manager.ErrAway):
		return fault.Wrap(fault.Unavailable, err, "%s of the TFTP daemon failed: systemd cannot be reached over D-Bus. By hand: %s", name(v), v.Command())
	case isJob:
		return fault.Wrap(fault.Unavailable, err, "%s of the TFTP daemon failed: systemd says %q of %s%s", name(v), job.Result, job.Unit, advice(job))
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Unavailable, err, "%s of the TFTP daemon was not done after %d s; it may still come to its end: systemctl status %s %s", name(v), int(actTime.Seconds()), Socket, Service)
	}
	return fault.Wrap(fault.Unavailable, err, "%s of the TFTP daemon failed: systemd refused it; the journal has its words (journalctl -u bty-web). By hand: %s", name(v), v.Command())
}

func name(v Verb) string { return fmt.Sprintf("The %s", v) }

func advice(job *manager.JobError) string {
	if job.Verb == "start" && job.Unit == Socket {
		return "; another program may have UDP port 69 (ss -lnup), else: journalctl -u " + job.Unit
	}
	return "; the cause is in its journal: journalctl -u " + job.Unit
}
