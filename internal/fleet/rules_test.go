package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/boot"
	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/machine"
	"bty/internal/rule"
	"bty/internal/store"
)

func mode(m machine.BootMode) *machine.BootMode { return &m }

func (s *site) change(c Change) rule.Rule {
	s.Helper()
	r, err := s.ChangeRules(ctx, c, who)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

// fill makes machines of many kinds.
func (s *site) fill(r *rand.Rand, n int) {
	s.Helper()
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		for i := range uint32(n) {
			m := machine.New(nth(i), s.now())
			if r.IntN(2) == 0 {
				m.Intent = machine.Intent{Mode: machine.Modes[r.IntN(5)], Free: r.IntN(3) == 0, TargetSerial: []string{"", "OWN"}[r.IntN(2)]}
				if r.IntN(2) == 0 {
					m.Intent.Image = ref
				}
			}
			m.Intent.Labels = [][]string{nil, {"a"}, {"a", "b"}}[r.IntN(3)]
			m.Facts.Attempts = r.IntN(3)
			m.Facts.Completed, m.Facts.Failed = r.IntN(3) == 0 && m.Facts.Attempts > 0, r.IntN(5) == 0
			m.Facts.Under = rule.Assign(m, nil, nil).Mark()
			if err := tx.PutMachine(m); err != nil {
				return err
			}
			if r.IntN(3) == 0 {
				continue
			}
			disks := []machine.Disk{}
			for d := range r.IntN(3) {
				serial := fmt.Sprintf("S%d-%d", i, d)
				disks = append(disks, machine.Disk{Path: fmt.Sprint("/dev/sd", d), Serial: &serial})
			}
			if err := tx.PutHardware(m.MAC, machine.Hardware{Vendor: []string{"Dell", "HP"}[r.IntN(2)], Disks: disks}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
}

// next is what each machine's next boot comes to, asked one by one.
func (s *site) next(n int) (all []NextBoot) {
	s.Helper()
	for i := range uint32(n) {
		e, err := s.Explain(Contact{MAC: nth(i), Asker: boot.Firmware})
		if err != nil {
			s.Fatal(err)
		}
		a := e.Offer.Assigned
		all = append(all, NextBoot{e.Offer.Rule, a.Mode, a.Image, a.Serial, a.NoDisk, e.Offer.Grow.Is, e.Offer.Verify.Is})
	}
	return all
}

func anyRule(r *rand.Rand) rule.Rule {
	one := rule.Rule{Name: "x", Selector: rule.Selector{Vendor: []string{"", "dell"}[r.IntN(2)]}}
	if r.IntN(2) == 0 {
		one.Selector.Labels = []string{[]string{"a", "b"}[r.IntN(2)]}
	}
	if r.IntN(3) > 0 {
		one.Assign.Mode = mode(machine.Modes[r.IntN(5)])
	}
	if r.IntN(2) == 0 {
		one.Assign.Image = []catalog.ImageRef{ref, {7}}[r.IntN(2)]
	}
	if r.IntN(2) == 0 {
		one.Assign.Disk = &rule.DiskRule{Pick: rule.Only}
	}
	return one
}

// What a preview says of a change is what the machines get once it is made, each of them, and
// those that it does not name get what they got before.
func TestPreviewIsWhatComes(t *testing.T) {
	const n = 60
	r := rand.New(rand.NewPCG(3, 4))
	s := newSite(t)
	s.fill(r, n)
	var ids []rule.ID
	seen := 0
	for range 40 {
		var c Change
		switch one := anyRule(r); {
		case len(ids) < 3 || r.IntN(3) == 0 && len(ids) < 8:
			c.Put = &one
		case r.IntN(4) == 0:
			c.Delete = ids[r.IntN(len(ids))]
		case r.IntN(4) == 0:
			c.Default = &one.Assign
		case r.IntN(3) == 0:
			r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
			c.Order = ids
		default:
			one.ID = ids[r.IntN(len(ids))]
			c.Put = &one
		}
		before := s.next(n)
		p, err := s.PreviewRules(c)
		if err != nil {
			t.Fatal(err)
		}
		s.change(c)
		after := s.next(n)
		said := map[machine.MAC]Difference{}
		for _, d := range p.Differences {
			said[d.MAC] = d
		}
		for i := range after {
			d, named := said[nth(uint32(i))]
			switch {
			case !named && before[i] != after[i]:
				t.Fatalf("%+v: the preview does not name %s: %+v, then %+v", c, nth(uint32(i)), before[i], after[i])
			case named && (d.From != before[i] || d.To != after[i]):
				t.Fatalf("%+v: the preview says %+v, and it was %+v, then %+v", c, d, before[i], after[i])
			}
		}
		if p.Total != len(p.Differences) || p.Machines != n {
			t.Fatalf("%d of %d, %d machines", len(p.Differences), p.Total, p.Machines)
		}
		seen += p.Total
		set, err := s.Rules()
		if err != nil {
			t.Fatal(err)
		}
		ids = nil
		for _, one := range set.Rules {
			ids = append(ids, one.ID)
		}
	}
	if seen == 0 {
		t.Error("no change changed anything")
	}
}

// Neither explaining nor previewing changes a byte of the state.
func TestLookingChangesNothing(t *testing.T) {
	s := newSite(t)
	s.fill(rand.New(rand.NewPCG(5, 6)), 20)
	s.change(Change{Put: &rule.Rule{Name: "x", Assign: rule.Assignment{Mode: mode(machine.FlashAlways), Image: ref, Disk: &rule.DiskRule{Pick: rule.Only}}}})
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, asker := range []boot.Asker{boot.Firmware, boot.Live} {
		for i := range uint32(21) { // the last is not known
			if _, err := s.Explain(Contact{MAC: nth(i), Asker: asker, Arch: "arm64"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := Query{}
	for _, a := range []Action{{Kind: ActionArm}, {Kind: ActionDelete}, {Kind: ActionRelease}, {Kind: ActionSet, Edit: Edit{Mode: mode(machine.TUI)}}} {
		if _, _, err := s.PreviewBulk(Selection{Query: &all}, a); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.PreviewRules(Change{Delete: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PreviewSave(nth(0), machine.Intent{Mode: machine.TUI}); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(s.path)
	if err != nil || string(before) != string(after) || s.Count() != 0 { // fill goes past the count
		t.Errorf("the database changed: %v", err)
	}
}

// A machine that is at work when a rule changes belongs to what it was started for: its report
// completes nothing of the new assignment.
func TestRuleChangesUnderAFlash(t *testing.T) {
	s := newSite(t)
	flash := rule.Rule{Name: "all", Assign: rule.Assignment{Mode: mode(machine.FlashOnce), Image: ref, Disk: &rule.DiskRule{Pick: rule.Only}}}
	flash.ID = s.change(Change{Put: &flash}).ID
	s.script(boot.RuleInventory) // its disks are not known
	s.live()
	serial := "SER1"
	s.inventory(machine.Disk{Path: "/dev/sda", Serial: &serial})
	s.plan(boot.RuleFlash)
	if r := s.record(); r.Facts.Attempts != 1 || !r.Facts.Planned || r.Own.Mode != machine.Inventory || !r.Own.Free {
		t.Errorf("%+v, own %+v", r.Facts, r.Own)
	}
	flash.Assign.Mode = mode(machine.FlashAlways)
	s.change(Change{Put: &flash})
	s.status("done", "")
	s.script(boot.RuleFlash)
	s.live()
	s.plan(boot.RuleFlash)
	s.status("done", "")
	s.script(boot.RuleFlashDone)
}

func TestRulesAreBounded(t *testing.T) {
	s := newSite(t)
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		for i := range maxRules {
			if err := tx.PutRule(rule.Rule{ID: rule.ID(i + 1), Order: i, Selector: rule.Selector{Labels: []string{"nobody"}}, Assign: rule.Assignment{Mode: mode(machine.TUI)}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ChangeRules(ctx, Change{Put: &rule.Rule{Assign: rule.Assignment{Mode: mode(machine.TUI)}}}, who); fault.KindOf(err) != fault.Conflict {
		t.Errorf("one rule too many: %v", err)
	}
	s.script(boot.RuleInventory)
	if trace, ok := s.last("netboot.pxe.offered")["trace"].(map[string]any); !ok || trace["cut"] == nil || len(trace["e"].([]any)) == 0 {
		t.Errorf("trace %v", trace)
	}
}

// BenchmarkPreview is a change of a rule for 10,000 machines.
func BenchmarkPreview(b *testing.B) {
	s := newSite(b)
	s.fill(rand.New(rand.NewPCG(1, 1)), 10_000)
	one := anyRule(rand.New(rand.NewPCG(1, 2)))
	one.Selector = rule.Selector{}
	for b.Loop() {
		if _, err := s.PreviewRules(Change{Put: &one}); err != nil {
			b.Fatal(err)
		}
	}
}

// stopping is a state that takes so many transactions and no more.
type stopping struct {
	Store
	left int
}

func (s *stopping) Update(ctx context.Context, fn func(Tx) error) error {
	if s.left--; s.left < 0 {
		return fault.New(fault.Full, "the disk is full")
	}
	return s.Store.Update(ctx, fn)
}

// An action that breaks off says how far it came: those machines have been changed.
func TestBulkBreaksOff(t *testing.T) {
	s := newSite(t)
	var sel Selection
	for i := range bulkBatch + 1 {
		mac := machine.MAC{0x52, 0x54, 0, 1, byte(i >> 8), byte(i)}
		if _, err := s.Save(ctx, mac, machine.Intent{Mode: machine.Inventory}, who); err != nil {
			t.Fatal(err)
		}
		sel.MACs = append(sel.MACs, mac)
	}
	s.Store = &stopping{s.Store, 1}
	_, err := s.Bulk(ctx, sel, Action{Kind: ActionArm}, who)
	if want := "the disk is full. 250 of 251 machines had their turn"; fault.KindOf(err) != fault.Full || !strings.HasPrefix(fault.Public(err), want) {
		t.Errorf("%v", err)
	}
}

// A query selects and sorts by what the list then shows of each machine, whichever rules stand.
func TestQueryUnderRules(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 30 {
		s := newSite(t)
		s.fill(r, 40)
		s.flashed(40)
		for range 3 {
			one := anyRule(r)
			if _, err := s.ChangeRules(ctx, Change{Put: &one}, who); err != nil {
				continue // some say what no rule may
			}
		}
		all, err := s.Page(Query{})
		if err != nil {
			t.Fatal(err)
		}
		yes := true
		for name, one := range map[string]struct {
			q    Query
			want func(Record) bool
		}{
			"mode":     {Query{Mode: mode(machine.FlashOnce)}, func(r Record) bool { return r.Intent.Mode == machine.FlashOnce }},
			"phase":    {Query{Phase: machine.Done}, func(r Record) bool { return r.Phase() == machine.Done }},
			"halted":   {Query{Halted: true}, func(r Record) bool { return r.Facts.Halted() }},
			"assigned": {Query{Assigned: &yes}, func(r Record) bool { return !r.Intent.Image.IsZero() }},
			"image":    {Query{Image: &ref}, func(r Record) bool { return r.Intent.Image == ref }},
			"text":     {Query{Text: "debian"}, func(r Record) bool { return r.Intent.Image == ref }},
		} {
			got, err := s.Select(one.q)
			var want []machine.MAC
			for _, r := range all.Records {
				if one.want(r) {
					want = append(want, r.MAC)
				}
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, but the list shows %v (%v)", name, got, want, err)
			}
		}
		sorted, err := s.Page(Query{Sort: "last_flashed_at"})
		if err != nil || !slices.IsSortedFunc(sorted.Records, func(a, b Record) int { return a.Facts.FlashedAt.Compare(b.Facts.FlashedAt) }) {
			t.Errorf("the list is not in the order of the last flash that it shows: %v", err)
		}
	}
}

// flashed gives machines a flash each, one after the other.
func (s *site) flashed(n int) {
	s.Helper()
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		for i := range uint32(n) {
			m, _, err := tx.Machine(nth(i))
			if err != nil {
				return err
			}
			m.Facts.FlashedAt = s.now().Add(time.Duration(i) * time.Second)
			if err := tx.PutMachine(m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
}
