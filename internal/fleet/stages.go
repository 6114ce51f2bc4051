package fleet

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"bty/internal/event"
	"bty/internal/machine"
	"bty/internal/wire"
)

// stages puts the steps of a boot into their order: those that were reached, and those that are to
// come, as far as its script says.
func (b *pastBoot) stages(r Record) []Stage {
	s := stageList{}
	if b.sighted != nil {
		s.reach(StageDHCP, "DHCP request", b.sighted.At, told(b.sighted))
	}
	b.addNBP(&s)
	if b.script == nil {
		if b.nbp == nil {
			s.ahead(StageNBP, "Boot program")
		}
		s.ahead(StageScript, "iPXE script")
		return s.behind()
	}
	s.reach(StageScript, "iPXE script", b.script.At, told(b.script))
	if !b.offer.startsLive() {
		return s.behind()
	}
	b.addFile(&s, StageKernel, "Kernel", "vmlinuz", "kernel")
	b.addFile(&s, StageInitrd, "Initrd", "initrd")
	isFlash, isInventory := strings.HasPrefix(b.offer.Rule, "flash"), strings.HasPrefix(b.offer.Rule, "inventory")
	if b.inventory != nil || isInventory {
		s.event(StageInventory, "Hardware reported", b.inventory)
	}
	if b.plan != nil || !isInventory {
		s.event(StagePlan, "Plan", b.plan)
	}
	if isFlash || b.end != nil || len(b.work) > 0 {
		b.addWork(&s)
		b.addEnd(&s)
	}
	if isFlash || isInventory || b.next != nil {
		s.event(StageNext, "Next contact", b.next)
	}
	return s.behind()
}

type stageList []Stage

func (s *stageList) reach(name StageName, title string, at time.Time, detail string) {
	*s = append(*s, Stage{Name: name, Title: title, State: StageReached, At: at, Detail: detail})
}

func (s *stageList) ahead(name StageName, title string) {
	*s = append(*s, Stage{Name: name, Title: title, State: StageAhead})
}

// event adds a step that an event says was reached, or that is to come.
func (s *stageList) event(name StageName, title string, e *event.Event) {
	if e == nil {
		s.ahead(name, title)
		return
	}
	s.reach(name, title, e.At, told(e))
}

// told is the summary of an event without the name of the machine, whose timeline it stands in.
func told(e *event.Event) string {
	return strings.TrimLeft(strings.TrimPrefix(e.Summary, e.SubjectID), ": ")
}

// behind takes steps that others have overtaken for reached: nobody saw the initrd after a restart
// of the appliance, but what runs from it has reported. It says how long each took.
func (s stageList) behind() []Stage {
	var last time.Time
	overtaken := false
	for i := len(s) - 1; i >= 0; i-- {
		if s[i].State == StageAhead && overtaken {
			s[i].State, s[i].Detail = StageReached, "not seen, but what comes after it was"
		}
		overtaken = overtaken || s[i].State != StageAhead
	}
	for i := range s {
		if s[i].At.IsZero() {
			continue
		}
		if s[i].Took == 0 && !last.IsZero() {
			s[i].Took = max(0, s[i].At.Sub(last))
		}
		last = s[i].At
	}
	return s
}

func (b *pastBoot) addNBP(s *stageList) {
	switch {
	case b.nbp != nil:
		detail, took, failed := transfer(*b.nbp)
		s.reach(StageNBP, "Boot program", b.nbp.At, detail)
		one := &(*s)[len(*s)-1]
		if one.Took = took; failed {
			one.State = StageFailed
		}
	case strings.Contains(b.offer.Trace.Q, "h"):
		s.reach(StageNBP, "Boot program", time.Time{}, "by UEFI HTTP Boot")
	case strings.Contains(b.offer.Trace.Q, "t"):
		s.reach(StageNBP, "Boot program", time.Time{}, "by TFTP")
	}
}

func (b *pastBoot) addFile(s *stageList, name StageName, title string, parts ...string) {
	f, ok := b.fetched(parts...)
	if !ok {
		s.ahead(name, title)
		return
	}
	s.reach(name, title, f.At, f.File)
	one := &(*s)[len(*s)-1]
	if !f.Done.IsZero() {
		one.Took = max(time.Millisecond, f.Done.Sub(f.At))
	}
}

// addWork adds the stages of the flash as the live environment named them.
func (b *pastBoot) addWork(s *stageList) {
	seen := map[string]bool{}
	for i, e := range b.work {
		if e.Kind == event.MachinePicked {
			s.reach(StageWork, "Image picked", e.At, told(&e))
			continue
		}
		var p wire.Progress
		_ = json.Unmarshal(e.Details, &p)
		if seen[p.Stage] || p.Stage == "" {
			continue
		}
		seen[p.Stage] = true
		s.reach(StageWork, workTitle(p.Stage), e.At, p.Detail)
		if i == len(b.work)-1 && b.progress != nil && b.progress.Stage == p.Stage {
			(*s)[len(*s)-1].Detail = progressText(b.progress.Progress)
		}
	}
	if len(seen) == 0 && b.end == nil {
		s.ahead(StageWork, "Write")
	}
}

func workTitle(stage string) string {
	switch stage {
	case "open":
		return "Open image and disk"
	case "write":
		return "Write"
	case "sync":
		return "Sync"
	case "origin":
		return "From the origin, no longer from the cache"
	case "table":
		return "Read the new partition table"
	}
	return stage
}

func progressText(p wire.Progress) string {
	if p.Total <= 0 {
		return machine.DecimalSize(float64(p.Bytes))
	}
	return fmt.Sprintf("%d %% of %s", min(100, int64(100*(float64(p.Bytes)/float64(p.Total)))), machine.DecimalSize(float64(p.Total)))
}

func (b *pastBoot) addEnd(s *stageList) {
	if b.end == nil {
		s.ahead(StageEnd, "Done")
		if b.progress != nil {
			(*s)[len(*s)-1].heard = b.progress.At
		}
		return
	}
	if b.end.Kind == event.MachineFlashed {
		s.reach(StageEnd, "Done", b.end.At, told(b.end))
		return
	}
	*s = append(*s, Stage{Name: StageEnd, Title: "Failed", State: StageFailed, At: b.end.At, Detail: told(b.end)})
}

// judge finds the step that is waited for and whether it is overdue, and says where the boot is.
func (t *Timeline) judge(now time.Time) {
	var last *Stage
	for i := range t.Stages {
		s := &t.Stages[i]
		if s.State != StageAhead {
			last = s
			continue
		}
		from := t.Began
		if last != nil && !last.At.IsZero() {
			from = last.At
		}
		within := expected[s.Name].within
		if s.heard.After(from) { // it reports each second: silence says more than the time it takes
			from, within = s.heard, silence
		}
		t.wait(s, now.Sub(from), within)
		return
	}
	switch {
	case last == nil:
		t.Where = "Nothing is known of it."
	case last.Name == StageNext:
		t.Where = "This boot is over: the machine asked again at its next power-on."
	case last.Name == StageScript:
		t.Where = "The machine has its script, which leads to no live environment: " + last.Detail
	default:
		t.Where = "The last step seen is: " + last.Title + "."
	}
}

// silence is how long a live environment that reports its progress may say nothing.
const silence = time.Minute

func (t *Timeline) wait(s *Stage, waited, within time.Duration) {
	e := expected[s.Name]
	s.State, s.Within = StageCurrent, within
	text := fmt.Sprintf("It usually takes less than %s; %s have passed.", spell(within), spell(waited))
	if !s.heard.IsZero() {
		text = fmt.Sprintf("The last report of it came %s ago; they come each second.", spell(waited))
	}
	if waited <= within {
		t.Where = "Waiting for: " + s.Title + ". " + text
		return
	}
	s.State, s.Causes, s.Try = StageOverdue, e.causes, e.try
	t.Where = "Stopped before: " + s.Title + ". " + text
}

// spell says a duration for people.
func spell(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f seconds", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
