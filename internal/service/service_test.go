package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/systemd/manager"
)

// host is a systemd that does what a test says. The real one is in internal/testenv/systemd.
type host struct {
	report manager.Report
	fails  error
	takes  time.Duration
	silent bool
	did    []string
}

func newHost() *host {
	return &host{report: manager.Report{Polkit: true, Units: []manager.Unit{
		{Name: Socket, Load: "loaded", Active: "active", Sub: "listening"}, {Name: Service, Load: "loaded", Active: "inactive", Sub: "dead"}}}}
}

func (h *host) Look(ctx context.Context, _ ...string) (manager.Report, error) {
	h.did = append(h.did, "look")
	if h.silent {
		<-ctx.Done()
		return manager.Report{}, ctx.Err()
	}
	return h.report, nil
}

func (h *host) act(ctx context.Context, verb, unit, becomes string) error {
	h.did = append(h.did, verb+" "+unit)
	select {
	case <-time.After(h.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if h.fails != nil {
		return h.fails
	}
	for i := range h.report.Units {
		if h.report.Units[i].Name == unit {
			h.report.Units[i].Active = becomes
		}
	}
	return nil
}

func (h *host) Start(ctx context.Context, u string) error { return h.act(ctx, "start", u, "active") }
func (h *host) Stop(ctx context.Context, u string) error  { return h.act(ctx, "stop", u, "inactive") }
func (h *host) Restart(ctx context.Context, u string) error {
	return h.act(ctx, "restart", u, "active")
}

type book struct{ events []event.Event }

func (b *book) Record(_ context.Context, e event.Event) error {
	b.events = append(b.events, e)
	return nil
}

func newTFTP(h *host) (*TFTP, *book) {
	b := &book{}
	return New(Config{Manager: h, Book: b, Now: time.Now, Log: slog.New(slog.DiscardHandler)}), b
}

var from = netip.MustParseAddr("192.0.2.1")

// Each act is the unit's that it is for, and the socket goes before the service.
func TestActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			verb Verb
			did  string
			kind event.Kind
		}{
			{Stop, "stop bty-tftp.socket, stop bty-tftp.service", event.TFTPStopped},
			{Start, "start bty-tftp.socket", event.TFTPStarted},
			{Restart, "restart bty-tftp.service", event.TFTPRestarted},
		} {
			h := newHost()
			daemon, b := newTFTP(h)
			acted := 0
			daemon.Acted = func() { acted++ }
			state, err := daemon.Do(t.Context(), test.verb, from)
			if err != nil || acted != 1 {
				t.Fatal(err, acted)
			}
			if got := strings.Join(h.did, ", "); got != "look, "+test.did+", look" {
				t.Errorf("%s: %s", test.verb, got)
			}
			if len(b.events) != 1 || b.events[0].Kind != test.kind || b.events[0].SourceIP != from || b.events[0].Actor != event.Operator {
				t.Errorf("%s: %+v", test.verb, b.events)
			}
			if state.Listens() != (test.verb != Stop) {
				t.Errorf("%s: %+v", test.verb, state)
			}
			if got, err := ParseVerb(string(test.verb)); got != test.verb || err != nil {
				t.Error(got, err)
			}
		}
		if _, err := ParseVerb("mask"); fault.KindOf(err) != fault.NotFound {
			t.Error(err)
		}
	})
}

// Whatever goes wrong is said with the next step, and recorded.
func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*host, *TFTP)
		verb Verb
		kind fault.Kind
		says string
	}{
		"denied":  {func(h *host, _ *TFTP) { h.fails = fmt.Errorf("x: %w", manager.ErrDenied) }, Stop, fault.Forbidden, "By hand: systemctl stop bty-tftp.socket bty-tftp.service"},
		"no bus":  {func(h *host, _ *TFTP) { h.fails = fmt.Errorf("x: %w", manager.ErrAway) }, Start, fault.Unavailable, "systemctl start bty-tftp.socket"},
		"taken":   {func(h *host, _ *TFTP) { h.fails = &manager.JobError{Verb: "start", Unit: Socket, Result: "failed"} }, Start, fault.Unavailable, "ss -lnup"},
		"crashes": {func(h *host, _ *TFTP) { h.fails = &manager.JobError{Verb: "restart", Unit: Service, Result: "failed"} }, Restart, fault.Unavailable, "journalctl -u bty-tftp.service"},
		"hangs":   {func(h *host, _ *TFTP) { h.takes = time.Hour }, Restart, fault.Unavailable, "not done after 25 s"},
		"other":   {func(h *host, _ *TFTP) { h.fails = errors.New("secret") }, Start, fault.Unavailable, "systemctl start bty-tftp.socket"},
		"no polkit": {func(h *host, _ *TFTP) { h.report.Polkit = false }, Start, fault.Conflict,
			"polkit is not installed on this host: nobody can allow bty-web to do it. On its host, as root: systemctl start bty-tftp.socket"},
		"not installed": {func(h *host, _ *TFTP) { h.report.Units[0].Load = "not-found" }, Start, fault.Conflict, "not installed on this host"},
		"container":     {func(_ *host, d *TFTP) { d.Apart = "It is a container." }, Restart, fault.Conflict, "It is a container. On its host, as root: systemctl restart bty-tftp.service"},
		"stopped":       {func(h *host, _ *TFTP) { h.report.Units[0].Active = "inactive" }, Restart, fault.Conflict, "start it instead"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				daemon, b := newTFTP(h)
				test.edit(h, daemon)
				_, err := daemon.Do(t.Context(), test.verb, from)
				if fault.KindOf(err) != test.kind || !strings.Contains(fault.Public(err), test.says) || strings.Contains(fault.Public(err), "secret") {
					t.Errorf("%v", err)
				}
				if len(b.events) != 1 || b.events[0].Kind != event.TFTPControlFailed || b.events[0].Summary != fault.Public(err) {
					t.Errorf("%+v", b.events)
				}
			})
		})
	}
}

// Two acts never run beside each other, and one that has begun ends without its caller.
func TestOneActAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		h.takes = 5 * time.Second
		daemon, b := newTFTP(h)
		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { _, err := daemon.Do(ctx, Restart, from); ended <- err }()
		time.Sleep(time.Second)
		if _, err := daemon.Do(t.Context(), Stop, from); fault.KindOf(err) != fault.Conflict {
			t.Error(err)
		}
		leave()
		if err := <-ended; err != nil || len(b.events) != 1 {
			t.Error(err, b.events)
		}
	})
}

// However many readers there are, systemd is asked seldom.
func TestLooksAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		daemon, _ := newTFTP(h)
		for range 100 {
			if !daemon.State(t.Context()).Listens() {
				t.Fatal("it does not listen")
			}
		}
		time.Sleep(fresh)
		daemon.State(t.Context())
		if len(h.did) != 2 {
			t.Errorf("%d looks", len(h.did))
		}
		h.silent = true
		time.Sleep(fresh)
		begun := time.Now()
		for range 10 { // one of them waits
			if s := daemon.State(t.Context()); s.Known || s.Refused == "" {
				t.Errorf("%+v", s)
			}
		}
		if took := time.Since(begun); took != lookTime {
			t.Errorf("a systemd that says nothing holds ten readers up for %v", took)
		}
		h.silent, h.did = false, h.did[:2]
		time.Sleep(futile)
		daemon.Apart = "Alone."
		if s := daemon.State(t.Context()); s.Known || s.Reason != "Alone." || len(h.did) != 2 {
			t.Errorf("%+v, %d looks", s, len(h.did))
		}
	})
}
