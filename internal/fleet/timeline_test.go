package fleet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bty/internal/boot"
	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/store"
	"bty/internal/wire"
)

// shown is a timeline in a line: each step with its state, in short.
func shown(t Timeline) string {
	marks := map[StageState]string{StageReached: "", StageCurrent: "...", StageOverdue: "!", StageAhead: "?", StageFailed: "x"}
	var parts []string
	for _, s := range t.Stages {
		name := string(s.Name)
		if s.Name == StageWork && s.State == StageReached {
			name = strings.ToLower(strings.Fields(s.Title)[0])
		}
		parts = append(parts, name+marks[s.State])
	}
	return strings.Join(parts, " ")
}

func (s *site) timeline(want string) Timeline {
	s.Helper()
	t, err := s.Timeline(box)
	if err != nil {
		s.Fatal(err)
	}
	if got := shown(t); got != want {
		s.Errorf("got  %s\nwant %s\n%s", got, want, t.Where)
	}
	for i, stage := range t.Stages {
		isOverdue := stage.State == StageOverdue
		if isOverdue != (len(stage.Causes) > 0) || isOverdue != (stage.Try != "") {
			s.Errorf("step %d: %+v", i, stage)
		}
	}
	return t
}

func (s *site) transfer(file, failed string) {
	s.Helper()
	e := machineEvent(event.TFTPTransfer, box, event.System, from, s.now(), "x", wire.Transfer{Client: "192.0.2.7", File: file, Served: file, Bytes: 1000, Duration: 30 * time.Millisecond, Error: failed})
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.AppendEvent(&e) }); err != nil {
		s.Fatal(err)
	}
}

func (s *site) sight(userClass string) {
	s.Helper()
	if _, err := s.Sight(ctx, []Sighted{{box, wire.Sighting{MAC: box.String(), Class: "PXEClient:Arch:00007:UNDI:003016", UserClass: userClass, Arch: "x86_64 UEFI"}}}); err != nil {
		s.Fatal(err)
	}
}

func (s *site) progress(stage string, bytes int64) {
	s.Helper()
	if err := s.Progress(ctx, box, from, wire.Progress{Stage: stage, Bytes: bytes, Total: 1000}); err != nil {
		s.Fatal(err)
	}
}

func (s *site) fetch(file string) {
	s.Helper()
	if err := s.Launch(ctx, box, from, file); err != nil {
		s.Fatal(err)
	}
}

// A boot, looked at after each of its steps.
func TestTimelineOfAFlash(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	if r, err := s.Timeline(box); err != nil || len(r.Stages) != 0 || !strings.Contains(r.Where, "has not asked") {
		t.Errorf("before its first boot: %+v %v", r, err)
	}
	s.transfer("ipxe.efi", "")
	s.script(boot.RuleFlash)
	s.timeline("nbp script kernel... initrd? plan? work? end? next?")
	s.fetch(s.files.Kernel)
	s.timeline("nbp script kernel initrd... plan? work? end? next?")
	s.clock.Add(3)
	s.Fetched(box, s.files.Kernel)
	s.fetch(s.files.Initrd)
	s.fetch(s.files.Initrd) // the GET after the HEAD
	if line := s.timeline("nbp script kernel initrd plan... work? end? next?"); line.Stages[2].Took < 3*time.Second || line.Stages[2].Took > 8*time.Second {
		t.Errorf("the kernel took %s", line.Stages[2].Took)
	}
	s.clock.Add(600)
	if line := s.timeline("nbp script kernel initrd plan! work? end? next?"); !strings.Contains(line.Where, "Stopped before: Plan") || !strings.Contains(strings.Join(line.Stages[4].Causes, " "), "driver") {
		t.Errorf("%+v", line)
	}
	s.restart() // the initrd was in memory only; what came after it proves it
	s.timeline("nbp script kernel initrd! plan? work? end? next?")
	serial := "SER1"
	s.inventory(machine.Disk{Path: "/dev/sda", Serial: &serial})
	s.plan(boot.RuleFlash)
	s.timeline("nbp script kernel initrd inventory plan work... end? next?")
	s.progress("open", 0)
	s.progress("write", 0)
	s.progress("write", 250)
	line := s.timeline("nbp script kernel initrd inventory plan open write end... next?")
	if d := line.Stages[7].Detail; d != "25 % of 1 kB" {
		t.Errorf("%q", d)
	}
	s.clock.Add(100) // it reports each second, and has gone silent
	s.timeline("nbp script kernel initrd inventory plan open write end! next?")
	s.progress("sync", 1000)
	s.progress("table", 1000)
	s.status(wire.StatusDone, "")
	s.timeline("nbp script kernel initrd inventory plan open write sync read end next...")
	s.clock.Add(1000)
	s.timeline("nbp script kernel initrd inventory plan open write sync read end next!")
	s.script(boot.RuleFlashDone)
	if line := s.timeline("nbp script kernel initrd inventory plan open write sync read end next"); !strings.Contains(line.Where, "over") {
		t.Errorf("%q", line.Where)
	}
	s.clock.Add(int64(maxBoot / time.Second))
	s.script(boot.RuleFlashDone) // a boot of its own, that leads to the disk
	if line := s.timeline("script"); !strings.Contains(line.Where, "no live environment") {
		t.Errorf("%q", line.Where)
	}
}

// A boot that is watched from the firmware's first packet on.
func TestTimelineFromDHCP(t *testing.T) {
	s := newSite(t)
	s.save(machine.FlashOnce)
	s.sight("")
	s.sight("") // the REQUEST after the DISCOVER
	s.timeline("dhcp nbp... script?")
	s.clock.Add(600)
	if line := s.timeline("dhcp nbp! script?"); !strings.Contains(strings.Join(line.Stages[1].Causes, " "), "option 67") || line.Began.IsZero() {
		t.Errorf("%+v", line)
	}
	s.sight("")
	s.transfer("ipxe.efi", "")
	s.sight("iPXE")
	s.timeline("dhcp nbp script...")
	s.script(boot.RuleFlash)
	line := s.timeline("dhcp nbp script kernel... initrd? plan? work? end? next?")
	if first := line.Stages[0]; !strings.HasPrefix(first.Detail, "its firmware asked") || !line.Began.Equal(first.At) {
		t.Errorf("%+v", first)
	}
	s.live()
	s.plan(boot.RuleFlash)
	s.status(wire.StatusDone, "")
	s.timeline("dhcp nbp script kernel initrd plan end next...")
	s.clock.Add(60)
	s.sight("")
	s.timeline("dhcp nbp... script?")
	s.script(boot.RuleFlashDone)
	s.timeline("dhcp nbp script kernel initrd plan end next")
	if _, err := s.Sight(ctx, []Sighted{{machine.MAC{9}, wire.Sighting{Class: "PXEClient"}}}); err != nil {
		t.Errorf("a machine that is not known: %v", err)
	}
}

func TestTimelines(t *testing.T) {
	s := newSite(t)
	s.script(boot.RuleInventory)
	s.live()
	s.timeline("script kernel initrd inventory... next?")
	s.inventory()
	s.timeline("script kernel initrd inventory next...")
	s.script(boot.RuleInventoryDone)
	s.timeline("script kernel initrd inventory next")
	s.save(machine.FlashOnce)
	s.transfer("undionly.kpxe", "time-out")
	s.script(boot.RuleFlash)
	s.live()
	s.plan(boot.RuleFlash)
	s.progress("open", 0)
	s.status(wire.StatusFailed, "no such disk")
	if line := s.timeline("nbpx script kernel initrd plan open endx next..."); !strings.Contains(line.Stages[6].Detail, "no such disk") {
		t.Errorf("%+v", line.Stages[6])
	}
	s.save(machine.TUI)
	s.script(boot.RuleWizard)
	s.live()
	s.plan(boot.RuleWizard)
	if line := s.timeline("script kernel initrd plan"); !strings.Contains(line.Where, "Plan") {
		t.Errorf("%q", line.Where)
	}
	s.save(machine.IPXEExit)
	if _, err := s.Contact(ctx, Contact{MAC: box, From: from, Via: machine.ViaHTTP}); err != nil {
		t.Fatal(err)
	}
	// The wizard's boot is what the contact just now belongs to: it started the live environment.
	s.timeline("script kernel initrd plan next")
	if _, err := s.Timeline(machine.MAC{9}); err == nil {
		t.Error("of a machine that is not known")
	}
}

// Whatever the events of a machine are, its timeline is one: in order, with at most one step that
// is waited for, and nothing reached behind what is not.
func TestTimelineOfAnything(t *testing.T) {
	kinds := []event.Kind{event.MachineSighted, event.PXEOffered, event.PXEPlan, event.TFTPTransfer, event.ArtifactFetched, event.MachineInventory, event.MachineStage,
		event.MachineFlashed, event.MachineFlashFailed, event.MachineStuck, event.MachineArmed, event.ContactsFolded}
	details := []any{nil, "x", map[string]any{"rule": "flash"}, map[string]any{"rule": "exit", "trace": map[string]any{"q": "ft"}}, map[string]any{"stage": "write"}, map[string]any{"file": "initrd"}, []int{1}}
	now := time.Unix(1_800_000_000, 0)
	seed := uint32(1)
	next := func(n int) int { seed = seed*1664525 + 1013904223; return int(seed>>8) % n }
	for range 5000 {
		var events []event.Event
		at := now
		for range next(12) {
			at = at.Add(-time.Duration(next(200)) * time.Second)
			e := event.Event{Kind: kinds[next(len(kinds))], At: at}
			if d := details[next(len(details))]; d != nil {
				e.Details = ledger.Details(d)
			}
			events = append(events, e)
		}
		line := NewTimeline(events, Record{}, now)
		waiting, open := 0, false
		for _, s := range line.Stages {
			switch s.State {
			case StageCurrent, StageOverdue:
				waiting++
				open = true
			case StageAhead:
				open = true
			default:
				if open {
					t.Fatalf("%s", shown(line))
				}
			}
		}
		if waiting > 1 || line.Where == "" {
			t.Fatalf("%s: %q", shown(line), line.Where)
		}
	}
}

// Each step that can be waited for says what to do.
func TestExpectations(t *testing.T) {
	for _, name := range []StageName{StageNBP, StageScript, StageKernel, StageInitrd, StageInventory, StagePlan, StageWork, StageEnd, StageNext} {
		if e := expected[name]; e.within == 0 || len(e.causes) < 2 || e.try == "" {
			t.Error(fmt.Sprint(name, e))
		}
	}
}
