package fleet

import (
	"testing"

	"bty/internal/boot"
	"bty/internal/event"
	"bty/internal/machine"
	"bty/internal/wire"
)

func TestAddLeavesWhatIsKnown(t *testing.T) {
	s := newSite(t)
	for i, want := range []bool{true, false, false} {
		if isNew, err := s.Add(ctx, box, who); err != nil || isNew != want {
			t.Fatalf("add %d: %v %v", i, isNew, err)
		}
		if i == 0 {
			if r := s.record(); r.Intent.Mode != machine.IPXEExit || !r.DiscoveredAt.IsZero() || r.CreatedAt.IsZero() {
				t.Errorf("%+v", r)
			}
			s.save(machine.FlashAlways)
		}
	}
	if r := s.record(); r.Intent.Mode != machine.FlashAlways || r.Intent.Image != ref || s.Count() != 1 {
		t.Errorf("%+v, %d machines", r, s.Count())
	}
	if n := s.events(); n[event.MachineCreated] != 1 || n[event.MachineUpserted] != 1 {
		t.Errorf("%v", n)
	}
}

func TestOverview(t *testing.T) {
	s := newSite(t)
	for i := range 5 {
		if _, err := s.Add(ctx, machine.MAC{1, byte(i)}, who); err != nil {
			t.Fatal(err)
		}
	}
	s.save(machine.FlashOnce)
	s.script(boot.RuleFlash)
	s.live()
	if err := s.Progress(ctx, box, from, wire.Progress{Stage: "write", Bytes: 1, Total: 2}); err != nil {
		t.Fatal(err)
	}
	overview := func() Overview {
		o, err := s.Overview(3)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if o := overview(); o.All != 6 || o.Unassigned != 5 || o.Busy != 1 || o.Halted != 0 || len(o.Working) != 1 || o.Working[0].MAC != box ||
		o.Working[0].Progress.Stage != "write" || o.Phases[machine.Running] != 1 || o.Phases[machine.NoCycle] != 5 {
		t.Errorf("%+v", o)
	}
	s.status(wire.StatusFailed, "no disk")
	if o := overview(); o.Busy != 0 || o.Halted != 1 || len(o.Attention) != 1 || o.Attention[0].Facts.Reason != "no disk" || o.Phases[machine.Failed] != 1 {
		t.Errorf("%+v", o)
	}
	for i := range 5 {
		mac := machine.MAC{1, byte(i)}
		if _, err := s.Save(ctx, mac, machine.Intent{Mode: machine.FlashOnce, Image: ref, TargetSerial: "X"}, who); err != nil {
			t.Fatal(err)
		}
		if err := s.Launch(ctx, mac, from, "k"); err != nil {
			t.Fatal(err)
		}
		if err := s.Status(ctx, mac, from, wire.Status{Status: wire.StatusFailed}); err != nil {
			t.Fatal(err)
		}
	}
	if o := overview(); o.Halted != 6 || len(o.Attention) != 3 || o.Attention[0].MAC != (machine.MAC{1, 4}) {
		t.Errorf("%+v", o)
	}
}
