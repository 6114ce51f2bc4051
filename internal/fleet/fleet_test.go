package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"testing"

	"bty/internal/boot"
	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/machine"
	"bty/internal/wire"
)

func TestFirstContacts(t *testing.T) {
	s := newSite(t)
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			asker := boot.Asker(i % 2)
			if _, err := s.Contact(ctx, Contact{MAC: box, Asker: asker, From: from}); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	want := map[event.Kind]int{event.MachineDiscovered: 1, event.PXEOffered: 4, event.PXEPlan: 4}
	if got := s.events(); !reflect.DeepEqual(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	details := map[string]any{"bty_image_ref": nil, "boot_mode": "bty-inventory", "sanboot_drive": nil, "labels": []any{}, "target_disk_serial": nil}
	if got := s.last(event.MachineDiscovered); !reflect.DeepEqual(got, details) {
		t.Errorf("details %v", got)
	}
	if r := s.record(); r.Intent.Mode != machine.Inventory || r.DiscoveredAt.IsZero() || r.SeenFrom != from || s.Count() != 1 {
		t.Errorf("%+v, %d machines", r, s.Count())
	}
	if oldest := s.all()[len(s.all())-1]; oldest.Kind != event.MachineDiscovered {
		t.Errorf("the first event is %s", oldest.Kind)
	}
}

func TestMadeByHandThenSeen(t *testing.T) {
	s := newSite(t)
	s.save(machine.IPXEExit)
	if r := s.record(); !r.DiscoveredAt.IsZero() || !r.SeenAt.IsZero() {
		t.Errorf("%+v", r)
	}
	s.script(boot.RuleExit)
	if r := s.record(); r.DiscoveredAt.IsZero() || !r.SeenAt.Equal(r.DiscoveredAt) {
		t.Errorf("%+v", r)
	}
	if n := s.events()[event.MachineDiscovered]; n != 0 {
		t.Errorf("%d machine.discovered events for a machine made by hand", n)
	}
}

func TestSavingTheSameChangesNoFact(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	s.script(boot.RuleFlash)
	s.live()
	s.status(wire.StatusDone, "")
	before := s.record().Facts
	for range 100 {
		s.save(machine.FlashOnce)
	}
	intent := s.record().Intent
	intent.Labels, intent.Drive = []string{"b", "a", "b"}, "0x81"
	if _, err := s.Save(ctx, box, intent, who); err != nil {
		t.Fatal(err)
	}
	r := s.record()
	if r.Facts != before {
		t.Errorf("facts %+v, want %+v", r.Facts, before)
	}
	if !reflect.DeepEqual(r.Intent.Labels, []string{"a", "b"}) {
		t.Errorf("labels %v", r.Intent.Labels)
	}
	s.script(boot.RuleFlashDone)
}

func TestChangesStartACycle(t *testing.T) {
	other, _ := catalog.RefOf("https://images.example/other.img")
	for name, change := range map[string]func(*machine.Intent){
		"mode":  func(i *machine.Intent) { i.Mode = machine.FlashAlways },
		"image": func(i *machine.Intent) { i.Image = other },
		"disk":  func(i *machine.Intent) { i.TargetSerial = "SER2" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.save(machine.FlashOnce)
			s.script(boot.RuleFlash)
			s.live()
			s.inventory()
			s.status(wire.StatusDone, "")
			intent := s.record().Intent
			change(&intent)
			r, err := s.Save(ctx, box, intent, who)
			if err != nil || r.Facts != (machine.Facts{Under: r.Facts.Under}) || r.Hardware == nil {
				t.Errorf("%v %+v", err, r)
			}
		})
	}
}

func TestFlashOnce(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	s.script(boot.RuleFlash)
	s.live()
	s.plan(boot.RuleFlash)
	s.status(wire.StatusDone, "")
	for range 20 {
		s.script(boot.RuleFlashDone)
	}
	s.restart()
	s.script(boot.RuleFlashDone)
	s.plan(boot.RuleFlashDone)
	counts := s.events()
	if counts[event.FlasherArmed] != 1 || counts[event.ArtifactFetched] != 1 || counts[event.MachineFlashed] != 1 {
		t.Errorf("events %v", counts)
	}
	if r := s.record(); r.Intent.Mode != machine.FlashOnce || r.Facts.Attempts != 1 || !r.Facts.Completed {
		t.Errorf("%+v", r.Machine)
	}
	if _, err := s.Arm(ctx, box, who); err != nil {
		t.Fatal(err)
	}
	s.script(boot.RuleFlash)
}

func TestFlashAlwaysAlternates(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashAlways)
	for range 4 {
		s.script(boot.RuleFlash)
		s.live()
		s.plan(boot.RuleFlash)
		s.status(wire.StatusDone, "")
		s.script(boot.RuleFlashDone)
		if at := s.record().Facts.FlashedAt; at.IsZero() {
			t.Error("the time of the last flash is forgotten")
		}
	}
	if n := s.events()[event.FlasherArmed]; n != 4 {
		t.Errorf("%d cycles were armed", n)
	}
}

func TestInventoryAlternates(t *testing.T) {
	s := newSite(t)
	s.script(boot.RuleInventory)
	for range 3 {
		s.live()
		s.plan(boot.RuleInventory)
		s.inventory(machine.Disk{Path: "/dev/sda"})
		s.inventory(machine.Disk{Path: "/dev/sda"}) // the client posts twice
		s.script(boot.RuleInventoryDone)
		s.script(boot.RuleInventory)
	}
}

func TestPowerCutIsFlashedAgain(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashAlways)
	s.script(boot.RuleFlash)
	s.live()
	s.plan(boot.RuleFlash)
	s.status(wire.StatusDone, "")
	s.script(boot.RuleFlashDone)
	s.script(boot.RuleFlash) // the second cycle: the completion of the first is history
	s.live()
	s.plan(boot.RuleFlash)
	s.script(boot.RuleFlashRetry)
	if d := s.last(event.PXEOffered); d["retry_after_armed_no_done"] != true || d["bty_image_ref"] != ref.String() {
		t.Errorf("details %v", d)
	}
	s.live()
	s.plan(boot.RuleFlash)
	s.status(wire.StatusDone, "")
	s.script(boot.RuleFlashDone)
}

func TestStuck(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	s.script(boot.RuleFlash)
	for n := 1; n <= 5; n++ {
		s.live()
		s.plan(boot.RuleFlash)
		if r := s.record(); r.Facts.Attempts != n {
			t.Fatalf("%d attempts after %d starts", r.Facts.Attempts, n)
		}
		if n < 5 {
			s.script(boot.RuleFlashRetry)
		}
	}
	for range 3 {
		s.script(boot.RuleStuck)
		s.plan(boot.RuleStuck)
		s.restart()
	}
	if n := s.events()[event.MachineStuck]; n != 1 {
		t.Errorf("%d machine.stuck events", n)
	}
	if _, err := s.Arm(ctx, box, who); err != nil {
		t.Fatal(err)
	}
	s.script(boot.RuleFlash)
}

// A machine whose live environment never reaches the server but for its files still ends stuck.
func TestStuckWithoutAPlan(t *testing.T) {
	s := newSite(t)
	s.script(boot.RuleInventory)
	for range 4 {
		s.live()
		s.script(boot.RuleInventoryRetry)
	}
	s.live()
	s.script(boot.RuleStuck)
}

// A live environment that starts over by itself, without its firmware asking, counts too.
func TestPlansAlone(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	for range 5 {
		s.ask(boot.Live, s.nextPlan())
	}
	if n := s.record().Facts.Attempts; n != 5 {
		t.Errorf("%d attempts after 5 plans", n)
	}
	s.plan(boot.RuleStuck)
}

func (s *site) nextPlan() boot.Rule {
	if s.record().Facts.Attempts == 0 {
		return boot.RuleFlash
	}
	return boot.RuleFlashRetry
}

func TestPlanServedTwiceCounts(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	s.script(boot.RuleFlash)
	s.live()
	s.plan(boot.RuleFlash)
	s.plan(boot.RuleFlashRetry)
	if n := s.record().Facts.Attempts; n != 2 {
		t.Errorf("%d attempts", n)
	}
}

func TestTheWizardIsNeverStuck(t *testing.T) {
	s := newSite(t)
	s.save(machine.TUI)
	for range 12 {
		s.script(boot.RuleWizard)
		s.live()
		s.plan(boot.RuleWizard)
	}
	if r := s.record(); r.Facts != (machine.Facts{Under: r.Facts.Under}) || s.events()[event.FlasherArmed] != 0 {
		t.Errorf("%+v", r.Facts)
	}
}

func TestFailedUntilArmed(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashAlways)
	s.script(boot.RuleFlash)
	s.live()
	s.plan(boot.RuleFlash)
	s.status(wire.StatusFailed, "digest mismatch")
	for range 3 {
		s.script(boot.RuleFailed)
		s.plan(boot.RuleFailed)
		s.live()
		s.restart()
	}
	s.save(machine.FlashAlways)
	s.script(boot.RuleFailed)
	if d := s.last(event.MachineFlashFailed); d["reason"] != "digest mismatch" {
		t.Errorf("details %v", d)
	}
	if r := s.record(); !r.Facts.Failed || r.Facts.Reason != "digest mismatch" || !r.Facts.FlashedAt.IsZero() {
		t.Errorf("%+v", r.Facts)
	}
	if _, err := s.Arm(ctx, box, who); err != nil {
		t.Fatal(err)
	}
	s.script(boot.RuleFlash)
}

func TestDoneOfAnOlderCycle(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	s.script(boot.RuleFlash)
	s.live()
	s.plan(boot.RuleFlash)
	if _, err := s.Arm(ctx, box, who); err != nil { // while the live environment writes
		t.Fatal(err)
	}
	s.status(wire.StatusDone, "")
	if r := s.record(); r.Facts.Completed || r.Facts.FlashedAt.IsZero() {
		t.Errorf("%+v", r.Facts)
	}
	s.script(boot.RuleFlash)
}

func TestUnresolved(t *testing.T) {
	orphan := catalog.ImageRef{9}
	tests := []struct {
		name         string
		intent       machine.Intent
		script, plan boot.Rule
		reason       any
	}{
		{"no image", machine.Intent{Mode: machine.FlashOnce, TargetSerial: "S"}, boot.RuleNoImage, boot.RuleNoImage, nil},
		{"no serial", machine.Intent{Mode: machine.FlashOnce, Image: ref}, boot.RuleNoTargetDisk, boot.RuleNoTargetDisk, "no_target_disk"},
		{"orphan", machine.Intent{Mode: machine.FlashOnce, Image: orphan, TargetSerial: "S"}, boot.RuleOrphanRef, boot.RuleOrphanRef, "orphan_ref"},
		{"orphan without serial", machine.Intent{Mode: machine.FlashAlways, Image: orphan}, boot.RuleOrphanRef, boot.RuleOrphanRef, "orphan_ref"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			if _, err := s.Save(ctx, box, test.intent, who); err != nil {
				t.Fatal(err)
			}
			s.script(test.script)
			if d := s.last(event.PXEOffered); d["reason"] != test.reason || d["boot_mode"] != test.intent.Mode.String() {
				t.Errorf("details %v", d)
			}
			s.plan(test.plan)
		})
	}
}

func TestNoLiveEnvironment(t *testing.T) {
	s := newSite(t)
	s.files = boot.LiveFiles{}
	s.script(boot.RuleNoLiveFiles)
	if d := s.last(event.LiveMissing); d["file"] != "bty-live-x86_64.initrd" {
		t.Errorf("details %v", d)
	}
	if r := s.record(); r.Facts != (machine.Facts{Under: r.Facts.Under}) {
		t.Errorf("%+v", r.Facts)
	}
}

func TestProgress(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	told := 0
	say := func(stage string, bytes int64) {
		t.Helper()
		if err := s.Progress(ctx, box, from, wire.Progress{Stage: stage, Bytes: bytes, Total: 100}); err != nil {
			t.Fatal(err)
		}
		told += len(s.Ledger.Collect().Progress)
	}
	commits := s.store.Commits()
	say("open", 0)
	for i := range 10 {
		say("write", int64(i))
	}
	say("sync", 100)
	if n := s.store.Commits() - commits; n != 3 {
		t.Errorf("%d commits for 3 stages", n)
	}
	if n := s.events()[event.MachineStage]; n != 3 {
		t.Errorf("%d machine.stage events for 3 stages", n)
	}
	p := s.record().Progress
	if p == nil || p.Stage != "sync" || p.Bytes != 100 || s.record().SeenFrom != from {
		t.Errorf("%+v", s.record().Activity)
	}
	if told != 12 {
		t.Errorf("readers of the live streams were told %d times", told)
	}
	s.restart()
	if p := s.record().Progress; p == nil || p.Stage != "sync" {
		t.Errorf("after a restart: %+v", p)
	}
	s.status(wire.StatusDone, "")
	if p := s.record().Progress; p != nil {
		t.Errorf("the work is done: %+v", p)
	}
	s.restart()
	if p := s.record().Progress; p != nil {
		t.Errorf("the work is done, and a restart brings it back: %+v", p)
	}
}

func TestProgressThatWasNotStored(t *testing.T) {
	s := newSite(t)
	s.script(boot.RuleInventory)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	p := wire.Progress{Stage: "write", Bytes: 1}
	if err := s.Progress(gone, box, from, p); err == nil {
		t.Fatal("it was stored")
	}
	if err := s.Progress(ctx, box, from, p); err != nil || s.events()[event.MachineStage] != 1 {
		t.Errorf("the beginning of the stage is lost: %v, %v", err, s.events())
	}
}

func TestActivityAfterARestart(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	s.script(boot.RuleFlash)
	s.live()
	before := s.record().Activity
	s.restart()
	after := s.record().Activity
	if after.SeenFrom != from || before.SeenAt.Sub(after.SeenAt) > 10e9 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if name := s.At(from); name != box.String() {
		t.Errorf("at %s: %q", from, name)
	}
	if s.Count() != 1 {
		t.Errorf("%d machines", s.Count())
	}
}

func TestOrphans(t *testing.T) {
	s := newSite(t)
	for name, report := range map[string]func() error{
		"done":      func() error { return s.Status(ctx, box, from, wire.Status{Status: wire.StatusDone}) },
		"failed":    func() error { return s.Status(ctx, box, from, wire.Status{Status: wire.StatusFailed, Reason: "x"}) },
		"inventory": func() error { return s.Inventory(ctx, box, from, wire.Inventory{Disks: make([]machine.Disk, 2)}) },
	} {
		if err := report(); fault.KindOf(err) != fault.NotFound || fault.Public(err) != "no machine record for "+box.String() {
			t.Errorf("%s: %v", name, err)
		}
		d := s.last(event.ClientOrphan)
		if d["signal"] != name || name == "inventory" && d["disk_count"] != 2.0 {
			t.Errorf("%s: details %v", name, d)
		}
	}
	if err := s.Progress(ctx, box, from, wire.Progress{Stage: "write"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("progress: %v", err)
	}
	if err := s.Launch(ctx, box, from, "kernel"); err != nil {
		t.Errorf("launch: %v", err) // the file is served to anybody
	}
	if s.events()[event.ClientOrphan] != 3 || s.Count() != 0 {
		t.Errorf("%v, %d machines", s.events(), s.Count())
	}
	if _, err := s.Machine(box); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a report made a machine: %v", err)
	}
	if a := s.activity.get(box); !a.SeenAt.IsZero() {
		t.Errorf("an unknown machine is remembered: %+v", a)
	}
}

func TestHardware(t *testing.T) {
	s := newSite(t)
	s.script(boot.RuleInventory)
	serial := " S1 "
	tree := []byte(`{"id":"host"}`)
	post := func(inv wire.Inventory) {
		t.Helper()
		if err := s.Inventory(ctx, box, from, inv); err != nil {
			t.Fatal(err)
		}
	}
	post(wire.Inventory{Disks: []machine.Disk{{Path: "/dev/sda", Serial: &serial}, {Path: "/dev/sdb"}}, LSHW: tree})
	if d := s.last(event.MachineInventory); d["count"] != 2.0 || fmt.Sprint(d["serials"]) != "[S1]" || d["lshw"] != true {
		t.Errorf("details %v", d)
	}
	post(wire.Inventory{Disks: []machine.Disk{}})
	if h := s.record().Hardware; len(h.Disks) != 0 || h.Disks == nil {
		t.Errorf("%+v", h)
	}
	if kept, err := s.Tree(box); err != nil || string(kept) != string(tree) {
		t.Errorf("tree %s, %v", kept, err)
	}
	post(wire.Inventory{LSHW: make([]byte, MaxTree+1)})
	if kept, err := s.Tree(box); err != nil || string(kept) != string(tree) {
		t.Error("a tree that is too large took the place of the old one")
	}
	if d := s.last(event.MachineInventory); d["lshw"] != false {
		t.Errorf("details %v", d)
	}
}

func TestArm(t *testing.T) {
	s := newSite(t)
	if _, err := s.Arm(ctx, box, who); fault.KindOf(err) != fault.NotFound {
		t.Errorf("unknown: %v", err)
	}
	for _, mode := range machine.Modes {
		s.save(mode)
		_, err := s.Arm(ctx, box, who)
		if mode.Cycles() != (err == nil) || err != nil && fault.KindOf(err) != fault.Conflict {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

func TestDelete(t *testing.T) {
	s := newSite(t)
	s.script(boot.RuleInventory)
	s.inventory()
	if err := s.Delete(ctx, box, who); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, box, who); fault.KindOf(err) != fault.NotFound || s.Count() != 0 {
		t.Errorf("%v, %d machines", err, s.Count())
	}
	s.restart()
	s.script(boot.RuleInventory)
	if r := s.record(); r.Hardware != nil {
		t.Error("the hardware of a deleted machine came back")
	}
	if n := s.events()[event.MachineDiscovered]; n != 2 {
		t.Errorf("%d machine.discovered", n)
	}
}

func TestAt(t *testing.T) {
	s := newSite(t)
	s.script(boot.RuleInventory)
	if name := s.At(from); name != box.String() {
		t.Errorf("%q", name)
	}
	if name := s.At(netip.MustParseAddr("192.0.2.99")); name != "" {
		t.Errorf("%q", name)
	}
	other := machine.MAC{2}
	if _, err := s.Contact(ctx, Contact{MAC: other, From: from}); err != nil { // the address moved on
		t.Fatal(err)
	}
	if name := s.At(from); name != other.String() {
		t.Errorf("%q", name)
	}
	s.clock.Add(601)
	if name := s.At(from); name != "" {
		t.Errorf("after ten minutes: %q", name)
	}
}

func TestExplainChangesNothing(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	before, commits := s.record(), s.store.Commits()
	for _, asker := range []boot.Asker{boot.Firmware, boot.Live} {
		if e, err := s.Explain(Contact{MAC: box, Asker: asker}); err != nil || e.Offer.Rule != boot.RuleFlash {
			t.Errorf("%v %v", e.Offer.Rule, err)
		}
	}
	if after := s.record(); !reflect.DeepEqual(before, after) || s.store.Commits() != commits {
		t.Error("explaining changed something")
	}
}

// A commit that fails leaves nothing behind in memory either.
func TestFailedCommit(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Contact(ctx, Contact{MAC: machine.MAC{3}, From: from}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if s.Count() != 1 || s.At(from) != "" {
		t.Errorf("%d machines, %q", s.Count(), s.At(from))
	}
	s.start()
	s.script(boot.RuleFlash)
}

// The answer that ended a cycle got lost: the script asks once more and must get the same, or the
// machine would be flashed again without ever having booted its disk.
func TestLostAnswer(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashAlways)
	s.script(boot.RuleFlash)
	s.live()
	s.plan(boot.RuleFlash)
	s.status("done", "")
	s.script(boot.RuleFlashDone)
	for range 2 {
		offer, err := s.Contact(ctx, Contact{MAC: box, From: from, Again: true})
		if err != nil || offer.Rule != boot.RuleFlashDone {
			t.Fatalf("asked again: %s, %v", offer.Rule, err)
		}
	}
	s.script(boot.RuleFlash) // a reboot
}
