package agent

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"bty/internal/client/peer"
	"bty/internal/disk"
	"bty/internal/flash"
	"bty/internal/wire"
)

var pick = wire.Pick{Image: "an image", Serial: "S1", Disk: "/dev/sdb"}

// A person's flash is told to the server as one of a plan is: the pick, the progress, the end.
func TestChosen(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want wire.Status
	}{
		"done":   {nil, wire.Status{Status: "done"}},
		"failed": {&flash.Error{Kind: flash.ErrOrigin, Err: errors.New("http://u:p@h/i.img?key=secret: gone")}, wire.Status{Status: "failed", Reason: "the image could not be fetched: http://h/i.img?...: gone; nothing was written"}},
	} {
		web := &peer.Web{Known: true}
		b := newBench(t, web)
		b.agent.Flash = func(_ context.Context, req flash.Request, report func(flash.Progress)) (flash.Result, error) {
			report(flash.Progress{Stage: flash.StageWrite, Bytes: 1, Total: 2})
			return flash.Result{Transferred: 2}, tc.err
		}
		last := ""
		done, told, err := b.agent.Chosen(t.Context(), flash.Request{Source: "http://u:p@h/i.img?key=secret", Target: "/dev/sdb"}, pick, func(p flash.Progress) { last = p.Stage })
		if !errors.Is(err, tc.err) || told != nil || done.Transferred != 2 || last != StageReport {
			t.Errorf("%s: %+v, %v, %v, %s", name, done, told, err, last)
		}
		b.wantConsole(t, "a person picked an image for /dev/sdb", "flash "+map[bool]string{true: "complete", false: "failed: the image could not be fetched"}[tc.err == nil])
		if got := web.Statuses(); len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s: %+v", name, got)
		}
		if first := web.Requests("progress")[0].Body; !bytes.Contains(first, []byte(`"picked"`)) || !bytes.Contains(first, []byte(`"/dev/sdb"`)) {
			t.Errorf("%s: the first report is %s", name, first)
		}
	}
}

// A flash that ends by a defect has failed, for the server as well: one that a person chose, and one of
// a plan. Nothing reports its progress any more, and the next can begin.
func TestDefectIsAFailure(t *testing.T) {
	web := &peer.Web{Known: true, Plan: flashPlan}
	b := newBench(t, web, disk.Device{Path: "/dev/sdb", Serial: "S1"})
	b.agent.Flash = func(_ context.Context, _ flash.Request, report func(flash.Progress)) (flash.Result, error) {
		report(flash.Progress{Stage: flash.StageWrite, Bytes: 1})
		panic("nobody thought of this")
	}
	reasons := 0
	for name, flashes := range map[string]func() error{
		"chosen": func() error {
			_, _, err := b.agent.Chosen(t.Context(), flash.Request{Target: "/dev/sdb"}, pick, func(flash.Progress) {})
			return err
		},
		"planned": func() error { _, err := b.agent.Run(t.Context()); return err },
	} {
		err := flashes()
		if defect, ok := errors.AsType[*Defect](err); !ok || defect.Panic != "nobody thought of this" {
			t.Fatalf("%s: %v", name, err)
		}
		reasons++
		if got := web.Statuses(); len(got) != reasons || got[reasons-1].Status != "failed" || !strings.Contains(got[reasons-1].Reason, "a defect in bty: nobody thought of this") {
			t.Errorf("%s: the server heard %+v", name, got)
		}
		said := len(web.Requests("progress"))
		time.Sleep(20 * time.Millisecond) // of a beat of a millisecond
		if now := len(web.Requests("progress")); now != said {
			t.Errorf("%s: %d reports of a flash that has ended", name, now-said)
		}
	}
	b.wantConsole(t, "flash failed: a defect in bty: nobody thought of this", "chosen_test.go")
	if strings.Contains(b.out.String(), "complete") {
		t.Errorf("it is called complete:\n%s", b.out.String())
	}
}

// A server that is away, or knows no picks, changes nothing about the flash; without one nothing is told.
func TestChosenWithoutServer(t *testing.T) {
	web := &peer.Web{Known: true, Fault: func(string, int) peer.Fault { return peer.Fault{Code: 503} }}
	b := newBench(t, web)
	b.agent.Limits.Person = Pace{For: 10 * time.Millisecond, First: time.Millisecond, Max: time.Millisecond}
	for _, alone := range []bool{false, true} {
		if alone {
			b.agent.Client = nil
		}
		_, told, err := b.agent.Chosen(t.Context(), flash.Request{}, pick, func(flash.Progress) {})
		if err != nil || (told != nil) == alone {
			t.Errorf("alone %v: %v, %v", alone, told, err)
		}
	}
}

// A plan that comes while somebody is still choosing ends the wizard and is followed; what they
// choose from then on is refused.
func TestPlanEndsTheWizard(t *testing.T) {
	person := wire.Plan{Mode: "interactive"}
	b := newBench(t, planned(person, person, person, flashPlan), dev("/dev/sdb", "S1"))
	b.agent.Stays = true
	var late error
	b.agent.Wizard = func(ctx context.Context, _ wire.Plan) error {
		<-ctx.Done()
		_, _, late = b.agent.Chosen(context.Background(), flash.Request{}, pick, func(flash.Progress) {})
		return nil
	}
	got, err := b.agent.Run(t.Context())
	if err != nil || got.Result != Flashed || len(b.jobs) != 1 {
		t.Errorf("%+v, %v, %d flashes", got, err, len(b.jobs))
	}
	if !errors.Is(late, errTaken) {
		t.Errorf("a choice that came too late: %v", late)
	}
}

// A plan that comes while a choice is being written waits; the person's reboot ends the run.
func TestWizardIsNotInterrupted(t *testing.T) {
	web := planned(wire.Plan{Mode: "interactive"}, flashPlan)
	b := newBench(t, web, dev("/dev/sdb", "S1"))
	b.agent.Stays = true
	b.agent.Flash = func(ctx context.Context, _ flash.Request, _ func(flash.Progress)) (flash.Result, error) {
		for len(web.Requests("plan")) < 10 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		return flash.Result{}, ctx.Err()
	}
	flashed := false
	b.agent.Wizard = func(ctx context.Context, _ wire.Plan) error {
		_, _, err := b.agent.Chosen(ctx, flash.Request{}, pick, func(flash.Progress) {})
		flashed = err == nil
		return nil
	}
	got, err := b.agent.Run(t.Context())
	if err != nil || !flashed {
		t.Errorf("%+v, %v, flashed %v", got, err, flashed)
	}
}

// Where nobody stays, the wizard is the run.
func TestWizardOfAPlan(t *testing.T) {
	b := newBench(t, &peer.Web{Plan: wire.Plan{Mode: "interactive", Catalog: "http://h/c.toml"}})
	var asked wire.Plan
	b.agent.Wizard = func(_ context.Context, plan wire.Plan) error { asked = plan; return nil }
	got, err := b.agent.Run(t.Context())
	if err != nil || got.Result != Interactive || asked.Catalog != "http://h/c.toml" {
		t.Errorf("%+v, %v, %+v", got, err, asked)
	}
}
